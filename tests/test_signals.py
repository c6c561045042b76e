"""The cheap figures of a step, against values worked out by hand."""

import numpy as np
import pytest
import torch

from kurdtts_lib.audio import levels
from kurdtts_lib.vits.batches import Batch
from kurdtts_lib.vits.diagnostics import in_decibels, path_diagnostics, path_shape, slice_diagnostics


def shape_of(*paths: list[int], extra_positions: int = 0, extra_frames: int = 0) -> list[tuple[float, float]]:
    """(diagonal, longest) of each path, padded together."""
    positions = max(map(len, paths)) + extra_positions
    durations = torch.tensor([path + [0] * (positions - len(path)) for path in paths])
    frames = max(map(sum, paths)) + extra_frames
    found = path_shape(durations, torch.tensor([*map(len, paths)]), torch.tensor([*map(sum, paths)]), frames)
    return list(zip(*(values.tolist() for values in found), strict=True))


def by_hand(durations: list[int]) -> tuple[float, float]:
    path = [position for position, count in enumerate(durations) for _ in range(count)]
    distances = [
        abs((position + 0.5) / len(durations) - (frame + 0.5) / len(path)) for frame, position in enumerate(path)
    ]
    return sum(distances) / len(path), max(durations) / len(path)


def test_one_frame_for_each_position_is_the_diagonal():
    assert shape_of([1] * 8) == [(0.0, 0.125)]


def test_all_frames_on_the_first_or_last_position_are_far_from_it():
    [(first, longest), (last, _)] = shape_of([991, *[1] * 9], [*[1] * 9, 991])
    assert first == pytest.approx(last) == pytest.approx(0.45, abs=0.01)
    assert longest == pytest.approx(0.991)


def test_each_path_is_measured_by_its_own_length_whatever_the_padding():
    paths = [[3, 1, 4], [2, 2], [1, 5, 1, 1, 2]]
    expected = [by_hand(path) for path in paths]
    assert len(set(expected)) == 3
    for extra in (0, 3):
        found = shape_of(*paths, extra_positions=extra, extra_frames=2 * extra)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_path_signals_are_means_over_the_clips():
    durations = torch.tensor([[3, 1, 4], [2, 2, 0]])
    empty = torch.zeros(0)
    batch = Batch(empty, empty, torch.tensor([3, 2]), torch.zeros(2, 5, 8), torch.tensor([8, 4]), empty)
    expected = np.mean([by_hand([3, 1, 4]), by_hand([2, 2])], axis=0)
    found = path_diagnostics(durations, batch)
    assert [found["diagonal"].item(), found["longest"].item()] == pytest.approx(expected.tolist(), rel=1e-6)


def test_slices_are_measured_as_everywhere_else():
    real, generated = np.random.default_rng(0).normal(0.1, 0.4, size=(2, 3, 1, 500)).astype(np.float32)
    tensors = slice_diagnostics(torch.from_numpy(real), torch.from_numpy(generated))
    found = in_decibels({name: value.item() for name, value in tensors.items()})
    assert found == {
        "rms_db": pytest.approx(levels.rms_db(generated), rel=1e-5),
        "real_rms_db": pytest.approx(levels.rms_db(real), rel=1e-5),
        "dc": pytest.approx(generated.mean(), rel=1e-4),
        "clipped": pytest.approx((np.abs(generated) > 0.99).mean()),
        "peak": pytest.approx(np.abs(generated).max()),
    }
    assert 0 < found["clipped"] < 0.1 and found["peak"] > 1


def test_silence_has_a_floor_and_what_is_not_a_number_stays_so():
    assert in_decibels({"power": 0.0, "dc": 0.0}) == {"rms_db": -120.0, "dc": 0.0}
    assert np.isnan(in_decibels({"power": float("nan")})["rms_db"])
