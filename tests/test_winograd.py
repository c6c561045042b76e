"""Convolution through points: the same numbers as the direct sum, for every shape, in both directions."""

import numpy as np
import pytest
import torch
from accelerate import PartialState
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import VitsConfig, VitsModel

from kurdtts_lib.core.settings import REPOSITORY, TrainingSettings
from kurdtts_lib.vits import winograd
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.generator import TrainableVits
from kurdtts_lib.vits.step import TrainingStep
from kurdtts_lib.vits.voice import load_voice
from kurdtts_lib.vits.winograd import transform as toom_cook
from kurdtts_lib.vits.winograd.transform import POINTS, Shape, ToomCook, transform


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
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3 if runs == 1 else 1)
    assert len(shape.batch_slices(n)) == runs
    x, weight, bias = (value.requires_grad_() for value in values(1, shape))
    gradient = torch.randn(3, 4, shape.out_length, generator=torch.Generator().manual_seed(2))
    found = torch.autograd.grad(ToomCook.apply(x, weight, bias, shape, n), (x, weight, bias), gradient)
    doubles = [value.detach().double().requires_grad_() for value in (x, weight, bias)]
    y = torch.nn.functional.conv1d(*doubles, padding=padding * columns, dilation=columns)
    expected = torch.autograd.grad(y, doubles, gradient.double())
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).norm() < 5e-5 * theirs.norm()


@pytest.mark.parametrize(("n", "bound"), [(6, 2e-6), (8, 3e-6), (10, 6e-6), (12, 1.2e-5), (14, 4e-5)])
def test_rounding_stays_small_with_many_channels(n, bound):
    shape = Shape(1, 512, 64, 5, 60, 1, 2)
    x, weight, _ = values(3, shape)
    exact = torch.nn.functional.conv1d(x.double(), weight.double(), padding=2)
    assert (ToomCook.apply(x, weight, None, shape, n) - exact).norm() < bound * exact.norm()


# --- in place of torch's convolutions ---------------------------------------------------------------------------------


@pytest.fixture
def taken(monkeypatch) -> list:
    """Shapes of the convolutions that went through points."""
    shapes = []
    apply = ToomCook.apply
    monkeypatch.setattr(ToomCook, "apply", lambda *a: (shapes.append(a[3]), apply(*a))[1])
    return shapes


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: nn.Conv1d(192, 384, 5, padding=2), (4, 192, 375)),
        (lambda: nn.Conv1d(256, 256, 7, padding=9, dilation=3), (4, 256, 256)),
        (lambda: nn.Conv1d(192, 768, 3, bias=False), (4, 192, 203)),
        (lambda: nn.Conv2d(256, 256, (5, 1), padding=(2, 0)), (4, 256, 51, 5)),
    ],
    ids=["filter", "dilated", "no padding, no bias", "period"],
)
def test_wide_filters_give_the_direct_convolutions_values_and_gradients(make, size, taken):
    conv, x = make(), torch.randn(size, requires_grad=True)
    with winograd.Convolutions():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert conv(x).dtype == torch.bfloat16 and taken == []
        y = conv(x)
        found = torch.autograd.grad(y.square().mean(), [x, *conv.parameters()])
    assert len(taken) == 1
    conv(x)
    assert len(taken) == 1  # outside of the context nothing is changed
    doubles = make().double()
    doubles.load_state_dict(conv.state_dict())
    exact_x = x.detach().double().requires_grad_()
    exact = doubles(exact_x)
    assert y.shape == exact.shape
    assert (y - exact).norm() < 3e-5 * exact.norm()
    expected = torch.autograd.grad(exact.square().mean(), [exact_x, *doubles.parameters()])
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).norm() < 5e-5 * theirs.norm()


@pytest.mark.parametrize(
    ("conv", "size"),
    [
        (nn.Conv1d(192, 384, 5, stride=2), (4, 192, 375)),
        (nn.Conv1d(192, 384, 5, groups=2), (4, 192, 375)),
        (nn.Conv1d(192, 384, 1), (4, 192, 375)),
        (nn.Conv1d(192, 384, 5, padding="same"), (4, 192, 375)),
        (nn.Conv1d(192, 384, 5, padding=1, dilation=2), (4, 192, 375)),
        (nn.Conv2d(192, 384, (5, 3)), (4, 192, 75, 5)),
        (nn.Conv2d(192, 384, (5, 1), padding=(2, 1)), (4, 192, 75, 5)),
        (nn.Conv2d(192, 384, (5, 1), dilation=(2, 1)), (4, 192, 75, 5)),
        (nn.Conv1d(4, 4, 5), (2, 4, 60)),
        (nn.Conv1d(192, 384, 5, padding=2).double(), (4, 192, 375)),
    ],
)
def test_other_convolutions_are_computed_as_always(conv, size, taken):
    x = torch.randn(size, dtype=conv.weight.dtype)
    with winograd.Convolutions():
        y = conv(x)
    assert taken == [] and torch.equal(y, conv(x))


def test_the_full_voice_on_a_processor_is_trained_with_them_and_nothing_else(audio):
    small = load_voice(REPOSITORY / "models" / "tiny-kmr")
    with torch.device("meta"):  # sizes without memory
        full = VitsModel(VitsConfig(vocab_size=40)), VitsDiscriminator()
    processor, card = torch.device("cpu"), torch.device("cuda")
    assert winograd.pays(processor, *full) and not winograd.pays(card, *full)
    assert not winograd.pays(processor, small.model, small.discriminator)
    generator = TrainableVits(small.model, audio, 8192)
    step = TrainingStep(generator, small.discriminator, TrainingSettings(), PartialState(cpu=True))
    assert step._convolutions is not winograd.Convolutions
