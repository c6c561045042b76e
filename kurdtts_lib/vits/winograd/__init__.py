"""Convolutions with long filters and many channels in fewer multiplications: on a processor, in float32.

    with winograd.Convolutions():
        ...  # torch.conv1d and torch.conv2d, forward and backward

The package uses nothing else of this library. `transform` explains the mathematics and decides for each convolution
whether it gains; `kernels` are the loops around the matrix products, compiled by numba at their first call, which takes
up to 20 seconds once per machine.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from kurdtts_lib.vits.winograd.transform import Shape, ToomCook, best_tile_size, unaligned

__all__ = ["Convolutions", "pays", "unaligned"]

LEAST_PARAMETERS = 10_000_000
"""The full voice and its discriminator have 83 million and gain a sixth of a step; the sample's have 2 million, gain
nothing, and their training would be half over before the kernels are compiled."""


def pays(device: torch.device, *modules: nn.Module) -> bool:
    """Whether a training of these modules on this device is quicker inside `Convolutions`."""
    parameters = sum(parameter.numel() for module in modules for parameter in module.parameters())
    return device.type == "cpu" and parameters >= LEAST_PARAMETERS


class Convolutions(TorchFunctionMode):
    """Inside `with Convolutions():` convolutions with long filters need fewer multiplications.

    Only in float32 on the CPU; all others (another device or dtype, strides, groups, few channels) are computed as
    usual. The results differ only by rounding, about 1e-6 to 1e-5 of their size.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = _convolution(*args, **kwargs) if func is torch.conv1d or func is torch.conv2d else None
        return func(*args, **kwargs) if result is None else result


def _convolution(
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
        input.device.type != "cpu"
        or input.dtype != torch.float32
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
