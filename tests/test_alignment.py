"""Alignment: the search against every path there is, the likelihoods, the expansion and the paths' shapes by hand."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from kurdtts_lib.vits.alignment import expand_by_durations, prior_log_likelihood, search_durations
from kurdtts_lib.vits.diagnostics import path_shape


def all_durations(frames: int, positions: int) -> list[list[int]]:
    """Every way to cut `frames` into `positions` parts of at least one."""
    cuts = combinations(range(1, frames), positions - 1)
    return [np.diff([0, *cut, frames]).tolist() for cut in cuts]


def search_one(grid: np.ndarray) -> list[int]:
    frames, positions = grid.shape
    found = search_durations(torch.from_numpy(grid)[None], torch.tensor([frames]), torch.tensor([positions]))
    return found[0].tolist()


@st.composite
def grids(draw: st.DrawFn) -> np.ndarray:
    """Scores with ties and large differences; quarters, so that float32 sums are exact."""
    frames = draw(st.integers(1, 8))
    positions = draw(st.integers(1, min(frames, 5)))
    cells = st.lists(st.integers(-400, 40), min_size=frames * positions, max_size=frames * positions)
    return np.array(draw(cells), dtype=np.float32).reshape(frames, positions) / 4


@given(grids())
def test_the_path_found_is_whole_and_no_other_scores_higher(grid):
    def score(durations: list[int]) -> float:
        return grid[range(len(grid)), np.repeat(np.arange(grid.shape[1]), durations)].sum()

    given, found = grid.copy(), search_one(grid)
    assert min(found) >= 1
    assert score(found) == max(score(other) for other in all_durations(*grid.shape))
    np.testing.assert_array_equal(grid, given)


@given(st.lists(grids(), min_size=2, max_size=4), st.integers(0, 3), st.sampled_from([1e4, -1e4, np.nan]))
def test_padding_never_changes_an_alignment(batch, extra, padding_value):
    shape = [max(grid.shape[axis] for grid in batch) + extra for axis in (0, 1)]
    padded = np.full((len(batch), *shape), padding_value, dtype=np.float32)
    for row, grid in zip(padded, batch, strict=True):
        row[: grid.shape[0], : grid.shape[1]] = grid
    found = search_durations(
        torch.from_numpy(padded),
        torch.tensor([len(grid) for grid in batch]),
        torch.tensor([grid.shape[1] for grid in batch]),
    )
    for row, grid in zip(found.tolist(), batch, strict=True):
        positions = grid.shape[1]
        assert row[:positions] == search_one(grid)
        assert row[positions:] == [0] * (len(row) - positions)


def test_likelihood_is_the_sum_of_normal_log_densities():
    generator = np.random.default_rng(1)
    latents, means = generator.normal(size=(2, 16, 7)), generator.normal(size=(2, 16, 5))
    log_stddevs = generator.uniform(-1.5, 1.0, size=(2, 16, 5))
    densities = norm.logpdf(latents[..., None], means[:, :, None], np.exp(log_stddevs)[:, :, None])
    scores = prior_log_likelihood(*(torch.from_numpy(values) for values in (latents, means, log_stddevs)))
    assert scores.dtype == torch.float32
    np.testing.assert_allclose(scores.numpy(), densities.sum(1), rtol=1e-5, atol=1e-4)


@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=3), st.integers(0, 3))
def test_expanding_repeats_each_position_and_leaves_zeros_after_the_end(durations, extra):
    frames = max(sum(row) for row in durations) + extra
    values = np.random.default_rng(2).normal(size=(len(durations), 4, 3))
    expected = np.zeros((len(durations), 4, frames))
    for item, row in enumerate(durations):
        expected[item, :, : sum(row)] = np.repeat(values[item], row, axis=1)
    found = expand_by_durations(torch.from_numpy(values), torch.tensor(durations), frames)
    np.testing.assert_array_equal(found.numpy(), expected)


def shape_by_hand(durations: list[int]) -> tuple[float, float]:
    path = [position for position, count in enumerate(durations) for _ in range(count)]
    distances = [
        abs((position + 0.5) / len(durations) - (frame + 0.5) / len(path)) for frame, position in enumerate(path)
    ]
    return sum(distances) / len(path), max(durations) / len(path)


@pytest.mark.parametrize("extra", [0, 3])
def test_each_path_is_measured_by_its_own_length_whatever_the_padding(extra):
    paths = [[3, 1, 4], [2, 2], [1, 5, 1, 1, 2], [1] * 8, [991, *[1] * 9]]
    expected = np.array([shape_by_hand(path) for path in paths])
    np.testing.assert_allclose(expected[3:], [(0.0, 0.125), (0.45, 0.991)], atol=0.01)
    longest = max(map(len, paths)) + extra
    durations = torch.tensor([path + [0] * (longest - len(path)) for path in paths])
    lengths, frames = torch.tensor([*map(len, paths)]), torch.tensor([*map(sum, paths)])
    found = path_shape(durations, lengths, frames, 1000 + 2 * extra)
    np.testing.assert_allclose(np.transpose([values.numpy() for values in found]), expected, rtol=1e-5, atol=1e-6)
