"""The cheap figures of a step, against values worked out by hand."""

import numpy as np
import pytest
import torch

from kurdtts_lib.audio import levels
from kurdtts_lib.vits.batches import Batch
from kurdtts_lib.vits.diagnostics import in_decibels, path_diagnostics, path_shape, slice_diagnostics


def by_hand(durations: list[int]) -> tuple[float, float]:
    path = [position for position, count in enumerate(durations) for _ in range(count)]
    distances = [
        abs((position + 0.5) / len(durations) - (frame + 0.5) / len(path)) for frame, position in enumerate(path)
    ]
    return sum(distances) / len(path), max(durations) / len(path)


@pytest.mark.parametrize("extra", [0, 3])
def test_each_path_is_measured_by_its_own_length_whatever_the_padding(extra):
    paths = [[3, 1, 4], [2, 2], [1, 5, 1, 1, 2], [1] * 8, [991, *[1] * 9]]
    expected = np.array([by_hand(path) for path in paths])
    np.testing.assert_allclose(expected[3:], [(0.0, 0.125), (0.45, 0.991)], atol=0.01)
    longest = max(map(len, paths)) + extra
    durations = torch.tensor([path + [0] * (longest - len(path)) for path in paths])
    lengths, frames = torch.tensor([*map(len, paths)]), torch.tensor([*map(sum, paths)])
    empty = torch.zeros(0)
    batch = Batch(empty, empty, lengths, torch.zeros(5, 1, 1000 + 2 * extra), frames, empty)
    each = path_shape(durations, lengths, frames, 1000 + 2 * extra)
    np.testing.assert_allclose(np.transpose([values.numpy() for values in each]), expected, rtol=1e-5, atol=1e-6)
    found = path_diagnostics(durations, batch)
    assert [found["diagonal"].item(), found["longest"].item()] == pytest.approx(expected.mean(0).tolist(), rel=1e-5)


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
    assert in_decibels({"power": 0.0, "dc": 0.0}) == {"rms_db": -120.0, "dc": 0.0}
    assert np.isnan(in_decibels({"power": float("nan")})["rms_db"])
