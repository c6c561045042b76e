"""Gradient accumulation: one batch as micro-batches, on one process or several.

However a batch is divided, the update is that of the whole batch. Every loss is a mean over clips, frames or text
positions, so a micro-batch's loss is weighted by its share of the batch's clips, frames or positions, and gradients are
summed. (A mean of the micro-batches' means would give a frame of a short clip more weight than one of a long clip.)
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor, nn

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.settings import TrainingSettings

if TYPE_CHECKING:
    from kurdtts_lib.vits.batches import Batch

MEAN_OVER = {"kl": "frames", "duration": "positions"}
"""What a loss or diagnostic is averaged over, where it is not clips."""


Losses = Mapping[str, Tensor]
"""Scalar losses or diagnostics by name."""


def cut(indices: Sequence[int], accumulation: int, process_index: int, num_processes: int) -> list[list[int]]:
    """The clips of one process's micro-batches; `indices` are those of a whole batch, sorted by length."""
    # Strides give every process short and long clips, chunks need little padding.
    own = indices[process_index::num_processes]
    return [chunk.tolist() for chunk in np.array_split(own, accumulation)]


def check_division(clips: int, settings: TrainingSettings, num_processes: int) -> None:
    """Raises TrainingError if an epoch's smallest batch leaves a micro-batch empty."""
    micro_batches = num_processes * settings.accumulation
    smallest = clips // -(-clips // settings.batch_size)
    if smallest >= micro_batches:
        return
    # Batch sizes differ by at most one, so with several batches the smallest has more than half of batch_size.
    remedy = f"make batch_size at least {2 * micro_batches}" if clips >= micro_batches else "prepare more clips"
    raise TrainingError(
        f"{clips} clip(s) in batches of up to batch_size={settings.batch_size} leave {smallest} for the smallest one, "
        f"which {num_processes} process(es) times accumulation={settings.accumulation} must share. Lower "
        f"accumulation, or {remedy}."
    )


class MicroBatch(NamedTuple):
    """A micro-batch on its device, and its shares of the whole batch's clips, frames and positions."""

    batch: "Batch"
    shares: dict[str, float]

    def share(self, name: str) -> float:
        """Weight of this micro-batch in the whole batch's loss or diagnostic `name`."""
        return self.shares[MEAN_OVER.get(name, "clips")]

    def weighted(self, terms: Losses, weights: Mapping[str, float]) -> Tensor:
        """The scalar to differentiate: this micro-batch's share of the whole batch's weighted loss."""
        return torch.stack([weights[name] * self.share(name) * term for name, term in terms.items()]).sum()


def micro_batches_of(batches: Sequence["Batch"], state: PartialState) -> list[MicroBatch]:
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

    def add(self, micro_batch: MicroBatch, terms: Losses, diagnostics: Losses) -> None:
        """Add the means over one micro-batch; of the diagnostic `peak` the maximum is kept."""
        self._peak = torch.maximum(self._peak, diagnostics.get("peak", self._peak))
        for sums, values in ((self._terms, terms), (self._diagnostics, diagnostics)):
            for name in (name for name in values if name != "peak"):
                weighted = values[name].detach().float() * micro_batch.share(name)
                sums[name] = sums[name] + weighted if name in sums else weighted

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


def accumulate(
    micro_batches: Sequence[MicroBatch], backward: Callable[[MicroBatch], tuple[Losses, Losses]], state: PartialState
) -> Sums:
    """Sum the gradients, losses and diagnostics of all micro-batches of this process.

    backward: adds the gradients of a micro-batch's share to the parameters; returns its losses and its diagnostics.
    """
    sums = Sums(state)
    for micro_batch in micro_batches:
        sums.add(micro_batch, *backward(micro_batch))
    return sums


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
