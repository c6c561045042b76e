"""The same mathematics with less work and less memory, without touching the modules that ask for it."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from kurdtts_lib.vits.winograd.transform import Shape, ToomCook, points_for, unaligned


class OptimisedOps(TorchFunctionMode):
    """Inside `with Lean():` a few functions of torch are computed in a leaner way.

    Long filters of float32 models on the processor need fewer products; everything else (another device or precision,
    strides, groups, few channels) is computed as always. The results differ by rounding alone, about 1e-6 to 1e-5 of
    their size; see `toom_cook`. A leaky ReLU keeps its output for the backward pass, which the convolution after it
    keeps anyway, in place of its input: the decoder's memory is halved. A GELU gets neighbouring numbers: the gradient
    of transposed ones, as the duration predictor has them, takes ten times as long.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.conv1d or func is torch.conv2d:
            result = _quick_convolution(*args, **kwargs)
            if result is not None:
                return result
        elif func is F.leaky_relu:
            return _leaky_relu(*args, **kwargs)
        elif func is F.gelu and _on_processor(args[0]):
            return func(args[0].contiguous(), *args[1:], **kwargs)
        return func(*args, **kwargs)


def _on_processor(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32


def _memory_like(x: Tensor) -> Tensor:
    """Uninitialised, of the shape and kind of x."""
    return unaligned(*x.shape) if _on_processor(x) else torch.empty_like(x)


def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return _LeakyReLU.apply(input, negative_slope)


class _LeakyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        y = _memory_like(x)
        torch._C._nn.leaky_relu(x, slope, out=y)
        ctx.save_for_backward(y)
        ctx.slope = slope
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors  # its signs are the input's
        return torch.ops.aten.leaky_relu_backward(dy, y, ctx.slope, True), None


def _quick_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
    """The arguments of torch.conv1d, or of torch.conv2d with a (kernel, 1) filter; None where the usual way is used."""
    if (
        not _on_processor(input)
        or weight.dtype != input.dtype
        or groups != 1
        or isinstance(padding, str)
        or torch.is_autocast_enabled("cpu")
    ):
        return None
    (step, *_), (pad, *rest), (spread, *_) = _tuple(stride), _tuple(padding), _tuple(dilation)
    folded = input.dim() == 4
    if step != 1 or any(rest) or (folded and (weight.shape[3] != 1 or spread != 1)) or input.dim() not in (3, 4):
        return None
    columns = input.shape[3] if folded else spread
    if pad % spread:
        return None
    flat = input.flatten(2)
    (batch, channels, length), (outputs, _, kernel) = flat.shape, weight.shape[:3]
    shape = Shape(batch, channels, outputs, kernel, length, columns, pad // spread)
    n = points_for(shape)
    if n is None:
        return None
    y = ToomCook.apply(flat, weight.squeeze(3) if folded else weight, bias, shape, n)
    return y.unflatten(2, (-1, columns)) if folded else y


def _tuple(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def weight_norm(conv: nn.Conv1d | nn.Conv2d) -> nn.Conv1d | nn.Conv2d:
    """torch's own weight norm of a convolution (Salimans and Kingma 2016), same names, in fewer passes over memory.

    weight = g * v / |v|, the norm over all but the first dimension.
    """
    parametrize.register_parametrization(conv, "weight", _WeightNorm())
    return conv


def _norms(v: Tensor) -> Tensor:
    """|v| over all but the first dimension, which stay as ones."""
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
        return torch.mul(v, g / norm, out=_memory_like(v))

    @staticmethod
    def backward(ctx: Any, dw: Tensor) -> tuple[Tensor, Tensor]:
        g, v, norm = ctx.saved_tensors
        dv = torch.mul(dw, g / norm, out=_memory_like(v))
        along = torch.bmm(dv.view(len(v), 1, -1), v.view(len(v), -1, 1)).view_as(g)
        return along / g, dv.addcmul_(v, -along / norm.square())


def keep_freed_memory() -> None:
    """Let Linux's C library keep what torch frees, in place of giving it back and asking again at every step.

    New pages are filled with zeros by the system, one by one: a tenth of a training step. The whole process gives no
    memory back until it ends, so only a command that trains may call this. Other systems keep their ways.
    """
    if sys.platform == "linux":
        try:
            library = ctypes.CDLL("libc.so.6")
        except OSError:  # another C library
            return
        trim_threshold, top_pad, mmap_max = -1, -2, -4  # names of malloc.h
        for parameter, value in ((trim_threshold, 2**31 - 1), (top_pad, 2**26), (mmap_max, 0)):
            library.mallopt(parameter, value)
