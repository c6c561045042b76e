"""The lean ways of computing: the same results, only where they are allowed, and nothing left behind."""

import math
import platform
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm as torch_weight_norm

from kurdtts_lib.vits import optimised_ops
from kurdtts_lib.vits.optimised_ops import OptimisedOps, weight_norm


@pytest.fixture
def taken(monkeypatch) -> list:
    """Shapes of the convolutions that went through points."""
    shapes = []
    apply = optimised_ops.ToomCook.apply
    monkeypatch.setattr(optimised_ops.ToomCook, "apply", lambda *a: (shapes.append(a[3]), apply(*a))[1])
    return shapes


WIDE = {
    "filter": (lambda: nn.Conv1d(192, 384, 5, padding=2), (4, 192, 375)),
    "dilated": (lambda: nn.Conv1d(256, 256, 7, padding=9, dilation=3), (4, 256, 256)),
    "no padding": (lambda: nn.Conv1d(192, 768, 3), (4, 192, 203)),
    "no bias": (lambda: nn.Conv1d(192, 192, 5, padding=2, bias=False), (4, 192, 375)),
    "period": (lambda: nn.Conv2d(256, 256, (5, 1), padding=(2, 0)), (4, 256, 51, 5)),
}


@pytest.mark.parametrize("kind", WIDE)
def test_wide_filters_give_the_direct_convolutions_values_and_gradients(kind, taken):
    make, size = WIDE[kind]
    conv, x = make(), torch.randn(size, requires_grad=True)
    inputs = [x, *conv.parameters()]
    with OptimisedOps():
        y = conv(x)
        found = torch.autograd.grad(y.square().mean(), inputs)
    assert len(taken) == 1
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
    ],
)
def test_other_convolutions_are_computed_as_always(conv, size, taken):
    x = torch.randn(size)
    with OptimisedOps():
        y = conv(x)
    assert taken == []
    assert torch.equal(y, conv(x))


def test_other_precisions_are_computed_as_always(taken):
    conv, x = nn.Conv1d(192, 384, 5, padding=2), torch.randn(4, 192, 375)
    with OptimisedOps(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16
    with OptimisedOps():
        conv.double()(x.double())
    assert taken == []


def test_outside_of_the_context_nothing_is_changed(taken):
    conv, x = nn.Conv1d(192, 384, 5, padding=2), torch.randn(4, 192, 375)
    with OptimisedOps():
        conv(x)
    assert len(taken) == 1
    conv(x)
    assert len(taken) == 1


@pytest.mark.parametrize("slope", [0.1, 0.01])
def test_leaky_relu_has_the_same_values_and_gradient_and_keeps_its_output(slope):
    x = torch.tensor([[-3.0, -0.0, 0.0, 1e-30, 2.0, -1e-30]], requires_grad=True)
    kept = []
    with OptimisedOps(), torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t), t)[1], lambda t: t):
        y = F.leaky_relu(x, slope)
    assert torch.equal(y, torch.where(x > 0, x, slope * x))
    assert [t.data_ptr() for t in kept] == [y.data_ptr()]
    (found,) = torch.autograd.grad(y.sum(), x)
    assert found[0].tolist() == pytest.approx([slope, slope, slope, 1.0, 1.0, slope])


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_has_the_same_values_and_gradient_and_keeps_neighbouring_numbers(approximate):
    x = torch.randn(3, 5, 7).transpose(1, 2).requires_grad_()
    weights, kept = torch.randn(x.shape), []
    with OptimisedOps(), torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t), t)[1], lambda t: t):
        y = F.gelu(x, approximate=approximate)
    assert [t.is_contiguous() for t in kept] == [True]
    expected = F.gelu(x, approximate=approximate)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(torch.autograd.grad(y, x, weights), torch.autograd.grad(expected, x, weights))


@pytest.mark.parametrize(
    "make",
    [lambda: nn.Conv1d(6, 8, 5), lambda: nn.Conv2d(6, 8, (5, 1)), lambda: nn.Conv1d(6, 8, 5, groups=2)],
    ids=["filter", "period", "groups"],
)
def test_weight_norm_is_torchs_with_the_same_names(make):
    ours, theirs = weight_norm(make().double()), torch_weight_norm(make().double())
    theirs.load_state_dict(ours.state_dict())  # strict: the same names and shapes
    x = torch.randn(2, 6, 20, 3).double() if ours.weight.dim() == 4 else torch.randn(2, 6, 20).double()
    gradients = []
    for conv in (ours, theirs):
        gradients.append(torch.autograd.grad(conv(x).square().sum(), list(conv.parameters())))
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_weight_norm_keeps_the_weight_that_a_convolution_had():
    conv = nn.Conv1d(6, 8, 5)
    before = conv.weight.detach().clone()
    weight_norm(conv)
    torch.testing.assert_close(conv.weight, before)
    g, v = conv.parametrizations.weight.original0, conv.parametrizations.weight.original1
    assert g.flatten().tolist() == pytest.approx([math.sqrt(row.detach().square().sum()) for row in v])


FREED = """
import sys
import psutil
import torch
from kurdtts_lib.vits.optimised_ops import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
before = psutil.Process().memory_info().rss
torch.ones(100_000_000)  # 400 MB, and gone
print(psutil.Process().memory_info().rss - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep their ways")
def test_a_process_that_keeps_freed_memory_is_one_that_asked_for_it():
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", FREED, what], stdout=subprocess.PIPE, check=True).stdout)
        for what in ("keep", "leave")
    )
    assert kept > 300e6 > 100e6 > given_back


def test_other_systems_keep_their_ways(keep_freed_memory, monkeypatch):
    monkeypatch.setattr(optimised_ops, "ctypes", None)  # would raise
    monkeypatch.setattr(optimised_ops.sys, "platform", "win32")
    keep_freed_memory()


def test_a_training_of_the_library_leaves_the_processs_memory_as_it_is(keep_freed_memory, start, monkeypatch):
    monkeypatch.setattr(optimised_ops, "keep_freed_memory", keep_freed_memory)
    monkeypatch.setattr(optimised_ops, "ctypes", None)  # would raise
    assert start(steps=1).run()
