"""The lean ways of computing: the same results, only where they are allowed, and nothing left behind."""

import platform
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from kurdtts_lib.vits import optimised_ops
from kurdtts_lib.vits.optimised_ops import OptimisedOps


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


FREED = """
import psutil
import torch
from kurdtts_lib.vits.optimised_ops import keep_freed_memory

for prepare in (lambda: None, keep_freed_memory):
    prepare()
    before = psutil.Process().memory_info().rss
    torch.ones(100_000_000)  # 400 MB, and gone
    print(psutil.Process().memory_info().rss - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep their ways")
def test_a_process_that_keeps_freed_memory_is_one_that_asked_for_it():
    done = subprocess.run([sys.executable, "-c", FREED], stdout=subprocess.PIPE, check=True)
    given_back, kept = map(int, done.stdout.split())
    assert kept > 300e6 > 100e6 > given_back


def test_other_systems_keep_their_ways(keep_freed_memory, monkeypatch):
    monkeypatch.setattr(optimised_ops, "ctypes", None)  # would raise
    monkeypatch.setattr(optimised_ops.sys, "platform", "win32")
    keep_freed_memory()


def test_a_training_of_the_library_leaves_the_processs_memory_as_it_is(keep_freed_memory, start, monkeypatch):
    monkeypatch.setattr(optimised_ops, "keep_freed_memory", keep_freed_memory)
    monkeypatch.setattr(optimised_ops, "ctypes", None)  # would raise
    assert start(steps=1).run()
