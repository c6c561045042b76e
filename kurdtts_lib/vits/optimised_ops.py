"""A few torch functions with less computation and memory, without changes to the modules that call them."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from kurdtts_lib.vits.winograd import unaligned


class OptimisedOps(TorchFunctionMode):
    """Inside `with OptimisedOps():` a few torch functions are replaced by more efficient ones, up to rounding.

    A leaky ReLU saves its output for the backward pass, which the convolution after it saves anyway, instead of its
    input: this halves the decoder's memory. A GELU gets a contiguous input: the gradient of a transposed one, as in the
    duration predictor, takes ten times as long. Convolutions are the business of `winograd`.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.leaky_relu:
            return _LeakyReLU.apply(*args, **kwargs)
        if func is F.gelu and _is_cpu_float32(args[0]):
            return func(args[0].contiguous(), *args[1:], **kwargs)
        return func(*args, **kwargs)


def _is_cpu_float32(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32


class _LeakyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
        y = unaligned(*input.shape) if _is_cpu_float32(input) else torch.empty_like(input)
        torch._C._nn.leaky_relu(input, negative_slope, out=y)
        ctx.save_for_backward(y)
        ctx.slope = negative_slope
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        (y,) = ctx.saved_tensors  # it has the signs of the input
        return torch.ops.aten.leaky_relu_backward(dy, y, ctx.slope, True), None, None


def keep_freed_memory() -> None:
    """Let glibc keep memory that torch frees, instead of returning it and requesting it again at every step.

    The kernel fills new pages with zeros, one by one: a tenth of a training step. The whole process then returns no
    memory until it ends, so only a command that trains may call this. Linux only; no effect on other systems.
    """
    if sys.platform == "linux":
        try:
            library = ctypes.CDLL("libc.so.6")
        except OSError:  # another C library
            return
        trim_threshold, top_pad, mmap_max = -1, -2, -4  # constants of malloc.h
        for parameter, value in ((trim_threshold, 2**31 - 1), (top_pad, 2**26), (mmap_max, 0)):
            library.mallopt(parameter, value)
