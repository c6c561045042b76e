"""Gradient accumulation: one batch as micro-batches, on one process or several.

However a batch is divided, the update is that of the whole batch. Every loss is a mean over clips, frames or text
positions, so a micro-batch's loss is weighted by its share of the batch's clips, frames or positions, and gradients are
summed. (A mean of the micro-batches' means would give a frame of a short clip more weight than one of a long clip.)
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from accelerate import PartialState
from torch import Tensor, nn

from kurdtts_lib.vits.batches import Batch

MEAN_OVER = {"kl": "frames", "duration": "positions"}
"""What a loss or diagnostic is averaged over, where it is not clips."""


class MicroBatch(NamedTuple):
    """A micro-batch on its device, and its shares of the whole batch's clips, frames and positions."""

    batch: Batch
    shares: dict[str, float]

    def share(self, name: str) -> float:
        """Weight of this micro-batch in the whole batch's loss or diagnostic `name`."""
        return self.shares[MEAN_OVER.get(name, "clips")]


def micro_batches_of(batches: Sequence[Batch], state: PartialState) -> list[MicroBatch]:
    """This process's micro-batches, with their shares of the whole batch over all processes."""
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


class UpdateOutcome(NamedTuple):
    """Results of the D step or the G step, over the whole batch."""

    terms: dict[str, float]
    diagnostics: dict[str, float]
    gradient_norm: float
    not_finite: list[str]
    """Losses or gradient norms that were not finite. If there are any, the weights were not updated."""


class Sums:
    """The whole batch's losses and diagnostics. They stay on the device until all are read in one transfer."""

    def __init__(self, state: PartialState) -> None:
        self._state = state
        self._terms: dict[str, Tensor] = {}
        self._diagnostics: dict[str, Tensor] = {}
        self._peak = torch.zeros((), device=state.device)

    def add_terms(self, micro_batch: MicroBatch, values: Mapping[str, Tensor]) -> None:
        """Add the losses of one micro-batch."""
        _add(self._terms, micro_batch, values)

    def add_diagnostics(self, micro_batch: MicroBatch, values: Mapping[str, Tensor]) -> None:
        """Add means over one micro-batch's clips; of `peak` the maximum is kept."""
        peak = values.get("peak", self._peak)
        self._peak = torch.maximum(self._peak, peak)
        _add(self._diagnostics, micro_batch, {name: value for name, value in values.items() if name != "peak"})

    def read(self, gradient_norm: Tensor) -> UpdateOutcome:
        """gradient_norm: a scalar, already of the whole batch. Synchronises with the device."""
        means = torch.stack([*self._terms.values(), *self._diagnostics.values()])
        if self._state.num_processes > 1:
            torch.distributed.all_reduce(means)
            torch.distributed.all_reduce(self._peak, torch.distributed.ReduceOp.MAX)
        *values, peak, norm = torch.cat([means, self._peak.view(1), gradient_norm.view(1)]).tolist()
        terms = dict(zip(self._terms, values, strict=False))
        diagnostics = dict(zip(self._diagnostics, values[len(terms) :], strict=True)) | {"peak": peak}
        not_finite = [f"loss {name} is {value}" for name, value in terms.items() if not math.isfinite(value)]
        if not not_finite and not math.isfinite(norm):
            not_finite = [f"gradient norm is {norm}"]
        return UpdateOutcome(terms, diagnostics if self._diagnostics else {}, norm, not_finite)


def _add(sums: dict[str, Tensor], micro_batch: MicroBatch, values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        weighted = value.detach().float() * micro_batch.share(name)
        sums[name] = sums[name] + weighted if name in sums else weighted


def sum_gradients(parameters: Sequence[nn.Parameter], state: PartialState) -> None:
    """Replace every gradient by its sum over all processes, in one flat buffer: one message instead of hundreds.

    parameters: those with a gradient. Which these are depends on the model, so they are the same on every process.
    """
    if state.num_processes == 1:
        return
    flat = torch.cat([parameter.grad.flatten() for parameter in parameters if parameter.grad is not None])
    torch.distributed.all_reduce(flat)
    summed = flat.split([parameter.numel() for parameter in parameters])
    for parameter, gradient in zip(parameters, summed, strict=True):
        parameter.grad = gradient.view_as(parameter)
