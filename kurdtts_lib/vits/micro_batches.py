"""A batch in parts: micro-batches on one process, and their like on the others.

Whatever the parts, the update is that of the whole batch. Every loss is a mean over clips, frames or text positions, so
a part's loss counts by its share of the whole's clips, frames or positions, and gradients are summed. (A mean of the
parts' means would let a frame of a short clip count more than one of a long clip.)
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from accelerate import PartialState
from torch import Tensor, nn

from kurdtts_lib.vits.batches import Batch

MEAN_OVER = {"kl": "frames", "duration": "positions"}
"""What a loss or signal is a mean over, where it is not clips."""


class MicroBatch(NamedTuple):
    """A micro-batch on its device, and its shares of the whole batch's clips, frames and positions."""

    batch: Batch
    shares: dict[str, float]

    def share(self, name: str) -> float:
        """How much of the whole batch's loss or signal `name` comes from this part."""
        return self.shares[MEAN_OVER.get(name, "clips")]


def micro_batches_of(batches: Sequence[Batch], state: PartialState) -> list[MicroBatch]:
    """This process's micro-batches as parts of the whole batch over all processes."""
    sizes = [
        {
            "clips": len(batch.text_lengths),
            "frames": int(batch.frame_lengths.sum()),
            "positions": int(batch.text_lengths.sum()),
        }
        for batch in batches
    ]
    whole = {unit: sum(size[unit] for size in sizes) for unit in sizes[0]}
    if state.num_processes > 1:
        counts = torch.tensor(list(whole.values()), device=state.device)
        torch.distributed.all_reduce(counts)
        whole = dict(zip(whole, counts.tolist(), strict=True))
    return [
        MicroBatch(batch.to(state.device), {unit: count / whole[unit] for unit, count in size.items()})
        for batch, size in zip(batches, sizes, strict=True)
    ]


class HalfStepOutcome(NamedTuple):
    """What one half of a step found, over the whole batch."""

    terms: dict[str, float]
    signals: dict[str, float]
    gradient_norm: float
    bad: list[str]
    """What was not finite. If anything was, the half changes nothing."""


class Sums:
    """The whole batch's losses and signals. They stay on the device until all are read in one transfer."""

    def __init__(self, state: PartialState) -> None:
        self._state = state
        self._terms: dict[str, Tensor] = {}
        self._signals: dict[str, Tensor] = {}
        self._peak = torch.zeros((), device=state.device)

    def add_terms(self, part: MicroBatch, values: Mapping[str, Tensor]) -> None:
        """Losses of one part."""
        _add(self._terms, part, values)

    def add_signals(self, part: MicroBatch, values: Mapping[str, Tensor]) -> None:
        """Means over one part's clips; `peak` alone is the largest of all parts."""
        peak = values.get("peak", self._peak)
        self._peak = torch.maximum(self._peak, peak)
        _add(self._signals, part, {name: value for name, value in values.items() if name != "peak"})

    def read(self, gradient_norm: Tensor) -> HalfStepOutcome:
        """gradient_norm: of the whole batch already. Waits for the device."""
        means = torch.stack([*self._terms.values(), *self._signals.values()])
        if self._state.num_processes > 1:
            torch.distributed.all_reduce(means)
            torch.distributed.all_reduce(self._peak, torch.distributed.ReduceOp.MAX)
        *numbers, peak, norm = torch.cat([means, self._peak.view(1), gradient_norm.view(1)]).tolist()
        terms = dict(zip(self._terms, numbers, strict=False))
        signals = dict(zip(self._signals, numbers[len(terms) :], strict=True)) | {"peak": peak}
        bad = [f"loss {name} is {value}" for name, value in terms.items() if not math.isfinite(value)]
        if not bad and not math.isfinite(norm):
            bad = [f"gradient norm is {norm}"]
        return HalfStepOutcome(terms, signals if self._signals else {}, norm, bad)


def _add(sums: dict[str, Tensor], part: MicroBatch, values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        weighted = value.detach().float() * part.share(name)
        sums[name] = sums[name] + weighted if name in sums else weighted


def sum_gradients(parameters: Sequence[nn.Parameter], state: PartialState) -> None:
    """Replace every gradient by its sum over all processes, in one flat buffer: one message instead of hundreds.

    parameters: those with a gradient. The model decides which these are, so they are the same on every process.
    """
    if state.num_processes == 1:
        return
    flat = torch.cat([parameter.grad.flatten() for parameter in parameters if parameter.grad is not None])
    torch.distributed.all_reduce(flat)
    summed = flat.split([parameter.numel() for parameter in parameters])
    for parameter, gradient in zip(parameters, summed, strict=True):
        parameter.grad = gradient.view_as(parameter)
