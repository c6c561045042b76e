"""A few torch functions with less computation and memory, without changes to the modules that call them."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from kurdtts_lib.vits.winograd.transform import Shape, ToomCook, best_tile_size, unaligned


class OptimisedOps(TorchFunctionMode):
    """Inside `with OptimisedOps():` a few torch functions are replaced by more efficient ones.

    Convolutions with long filters, in float32 on the CPU, need fewer multiplications; all others (another device or
    dtype, strides, groups, few channels) are computed as usual. The results differ only by rounding, about 1e-6 to 1e-5
    of their size; see `winograd.transform`. A leaky ReLU saves its output for the backward pass, which the convolution
    after it saves anyway, instead of its input: this halves the decoder's memory. A GELU gets a contiguous input: the
    gradient of a transposed one, as in the duration predictor, takes ten times as long.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.conv1d or func is torch.conv2d:
            result = _winograd_convolution(*args, **kwargs)
            if result is not None:
                return result
        elif func is F.leaky_relu:
            return _leaky_relu(*args, **kwargs)
        elif func is F.gelu and _is_cpu_float32(args[0]):
            return func(args[0].contiguous(), *args[1:], **kwargs)
        return func(*args, **kwargs)


def _is_cpu_float32(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32


def _empty_like(x: Tensor) -> Tensor:
    """Uninitialised, with the shape, dtype and device of x."""
    return unaligned(*x.shape) if _is_cpu_float32(x) else torch.empty_like(x)


def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return _LeakyReLU.apply(input, negative_slope)


class _LeakyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        y = _empty_like(x)
        torch._C._nn.leaky_relu(x, slope, out=y)
        ctx.save_for_backward(y)
        ctx.slope = slope
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors  # it has the signs of the input
        return torch.ops.aten.leaky_relu_backward(dy, y, ctx.slope, True), None


def _winograd_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
    """Arguments as torch.conv1d, or torch.conv2d with a (kernel, 1) filter; None if the direct convolution is used."""
    if (
        not _is_cpu_float32(input)
        or weight.dtype != input.dtype
        or groups != 1
        or isinstance(padding, str)
        or torch.is_autocast_enabled("cpu")
    ):
        return None
    (step, *_), (pad, *rest), (dilated, *_) = _tuple(stride), _tuple(padding), _tuple(dilation)
    folded = input.dim() == 4
    if step != 1 or any(rest) or (folded and (weight.shape[3] != 1 or dilated != 1)) or input.dim() not in (3, 4):
        return None
    columns = input.shape[3] if folded else dilated
    if pad % dilated:
        return None
    flat = input.flatten(2)
    (batch, channels, length), (outputs, _, kernel) = flat.shape, weight.shape[:3]
    shape = Shape(batch, channels, outputs, kernel, length, columns, pad // dilated)
    n = best_tile_size(shape)
    if n is None:
        return None
    y = ToomCook.apply(flat, weight.squeeze(3) if folded else weight, bias, shape, n)
    return y.unflatten(2, (-1, columns)) if folded else y


def _tuple(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def weight_norm(conv: nn.Conv1d | nn.Conv2d) -> nn.Conv1d | nn.Conv2d:
    """Weight norm of a convolution (Salimans and Kingma 2016) as in torch, in fewer passes over memory.

    weight = g * v / |v|, the norm over all dimensions but the first. The parameters have torch's names.
    """
    parametrize.register_parametrization(conv, "weight", _WeightNorm())
    return conv


def _norms(v: Tensor) -> Tensor:
    """|v| over all dimensions but the first; those are kept with size 1."""
    return torch.linalg.vector_norm(v.flatten(1), dim=1).view(-1, *[1] * (v.dim() - 1))


class _WeightNorm(nn.Module):
    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return _NormedWeight.apply(g, v)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return _norms(weight), weight


class _NormedWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, v: Tensor) -> Tensor:
        norm = _norms(v)
        ctx.save_for_backward(g, v, norm)
        return torch.mul(v, g / norm, out=_empty_like(v))

    @staticmethod
    def backward(ctx: Any, dw: Tensor) -> tuple[Tensor, Tensor]:
        g, v, norm = ctx.saved_tensors
        dv = torch.mul(dw, g / norm, out=_empty_like(v))
        projection = torch.bmm(dv.view(len(v), 1, -1), v.view(len(v), -1, 1)).view_as(g)
        return projection / g, dv.addcmul_(v, -projection / norm.square())


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
