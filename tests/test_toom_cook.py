"""Convolution through points: the same numbers as the direct sum, for every shape, in both directions."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.vits.winograd import transform as toom_cook
from kurdtts_lib.vits.winograd.transform import POINTS, Shape, ToomCook, best_tile_size, transform


def direct(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, shape: Shape) -> np.ndarray:
    """The definition in float64: y[o, t] = b[o] + sum over c and k of w[o, c, k] x[c, t + (k - padding) * columns]."""
    y = np.zeros((shape.batch, shape.outputs, shape.out_length))
    for t in range(shape.out_length):
        for k in range(shape.kernel):
            source = t + (k - shape.padding) * shape.columns
            if 0 <= source < shape.length:
                y[:, :, t] += x[:, :, source] @ weight[:, :, k].T
    return y if bias is None else y + bias[:, None]


def values(seed: int, shape: Shape, has_bias: bool = True) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape.batch, shape.channels, shape.length, generator=generator)
    weight = torch.randn(shape.outputs, shape.channels, shape.kernel, generator=generator)
    bias = torch.randn(shape.outputs, generator=generator) if has_bias else None
    return x, weight, bias


SHAPES = [(n, kernel) for n in POINTS for kernel in (2, 3, 5, 7, 11) if kernel < n]


@pytest.mark.parametrize(("n", "kernel"), SHAPES)
def test_the_matrices_give_a_filters_outputs_exactly(n, kernel):
    """Lavin and Gray 2016, equation 5, on whole numbers: y = A^T [(G w) * (B^T x)]."""
    matrices = transform(n, kernel)
    outputs = n - kernel + 1
    rng = np.random.default_rng(n)
    w, x = rng.integers(-3, 4, kernel), rng.integers(-3, 4, n)
    by_points = matrices.outputs.T.astype(float) @ (
        (matrices.weights.astype(float) @ w) * (matrices.inputs.astype(float) @ x)
    )
    expected = [sum(int(w[k]) * int(x[t + k]) for k in range(kernel)) for t in range(outputs)]
    np.testing.assert_allclose(by_points, expected, atol=1e-4)


@pytest.mark.parametrize(("n", "kernel"), SHAPES)
def test_opposite_points_differ_in_the_signs_of_odd_places(n, kernel):
    matrices = transform(n, kernel)
    for matrix in (matrices.inputs, matrices.outputs):
        signs = (-1.0) ** np.arange(matrix.shape[1])
        np.testing.assert_array_equal(matrix[3::2], matrix[2::2] * signs)
    for row in (matrices.inputs[0], matrices.outputs[0]):
        assert not row[1::2].any()  # zero: only even powers
    assert not matrices.inputs[1][::-1][1::2].any()


def test_points_are_all_different():
    for n, points in POINTS.items():
        numbers = {Fraction(point) for point in points.split()}
        assert len(numbers) == len(points.split()) == (n - 2) // 2
        assert all(number > 0 for number in numbers)


@given(
    n=st.sampled_from(list(POINTS)),
    kernel=st.sampled_from([2, 3, 5, 7, 11]),
    batch=st.integers(1, 3),
    channels=st.integers(1, 5),
    outputs=st.integers(1, 5),
    length=st.integers(1, 70),
    columns=st.integers(1, 12),
    padding=st.integers(0, 6),
    has_bias=st.booleans(),
)
def test_outputs_are_those_of_the_definition(n, kernel, batch, channels, outputs, length, columns, padding, has_bias):
    shape = Shape(batch, channels, outputs, kernel, length, columns, padding)
    if kernel >= n or padding >= kernel or shape.out_length < 1:
        return
    x, weight, bias = values(length, shape, has_bias)
    found = ToomCook.apply(x, weight, bias, shape, n)
    expected = direct(x.double().numpy(), weight.double().numpy(), bias.double().numpy() if has_bias else None, shape)
    assert found.shape == expected.shape
    size = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found.numpy(), expected, atol=3e-4 * size)


@pytest.mark.parametrize("n", POINTS)
@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize(("runs", "outputs_at_once"), [(1, 4), (2, 3), (3, 1)])
def test_gradients_are_those_of_the_direct_convolution_in_float64(n, columns, runs, outputs_at_once, monkeypatch):
    kernel, padding = 5, 2
    shape = Shape(3, 6, 4, kernel, 40, columns, padding)
    monkeypatch.setattr(toom_cook, "ROWS_AT_ONCE", -(-3 // runs) * shape._replace(batch=1).rows(n))
    monkeypatch.setattr(toom_cook, "WEIGHTS_AT_ONCE", outputs_at_once * shape.channels * kernel)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert len(shape.batch_slices(n)) == runs
    x, weight, bias = (value.requires_grad_() for value in values(1, shape))
    gradient = torch.randn(3, 4, shape.out_length, generator=torch.Generator().manual_seed(2))
    found = torch.autograd.grad(ToomCook.apply(x, weight, bias, shape, n), (x, weight, bias), gradient)
    doubles = [value.detach().double().requires_grad_() for value in (x, weight, bias)]
    y = torch.nn.functional.conv1d(*doubles, padding=padding * columns, dilation=columns)
    expected = torch.autograd.grad(y, doubles, gradient.double())
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).norm() < 5e-5 * theirs.norm()


def test_a_weight_of_two_batches_gets_the_gradient_of_both():
    shape = Shape(2, 6, 4, 5, 40, 1, 2)
    first, weight, bias = (value.requires_grad_() for value in values(7, shape))
    second = values(8, shape)[0].requires_grad_()
    found, expected = (
        torch.autograd.grad(sum(f(x).square().sum() for x in (first, second)), (first, second, weight, bias))
        for f in (
            lambda x: ToomCook.apply(x, weight, bias, shape, 8),
            lambda x: torch.nn.functional.conv1d(x, weight, bias, padding=2),
        )
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).norm() < 5e-5 * theirs.norm()


@pytest.mark.parametrize(("n", "bound"), [(6, 2e-6), (8, 3e-6), (10, 6e-6), (12, 1.2e-5), (14, 4e-5)])
def test_rounding_stays_small_with_many_channels(n, bound):
    shape = Shape(1, 512, 64, 5, 60, 1, 2)
    x, weight, _ = values(3, shape)
    exact = torch.nn.functional.conv1d(x.double(), weight.double(), padding=2)
    assert (ToomCook.apply(x, weight, None, shape, n) - exact).norm() < bound * exact.norm()


def test_several_threads_give_the_very_same_numbers():
    shape = Shape(5, 8, 8, 5, 60, 2, 2)
    x, weight, bias = (value.requires_grad_() for value in values(4, shape))

    def run(threads: int) -> list[torch.Tensor]:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            y = ToomCook.apply(x, weight, bias, shape, 8)
            return [y, *torch.autograd.grad(y.square().sum(), (x, weight, bias))]
        finally:
            torch.set_num_threads(before)

    for one, three in zip(run(1), run(3), strict=True):
        torch.testing.assert_close(one, three, rtol=1e-6, atol=1e-6)


def test_wide_layers_go_through_points_and_narrow_ones_do_not():
    # The widest layers of the published discriminator and of the flow, and the decoder's narrowest.
    assert best_tile_size(Shape(8, 1024, 1024, 5, 102, 2, 2)) is not None
    assert best_tile_size(Shape(4, 192, 384, 5, 375, 1, 2)) is not None
    assert best_tile_size(Shape(4, 32, 32, 11, 8192, 1, 5)) is None
    assert best_tile_size(Shape(4, 192, 192, 1, 375, 1, 0)) is None
