"""Gradient accumulation: one batch as micro-batches, on one process or several.

However a batch is divided, the update is that of the whole batch. Every loss is a mean over clips, frames or text
positions, so a micro-batch's loss is weighted by its share of the batch's clips, frames or positions, and gradients are
summed. (A mean of the micro-batches' means would give a frame of a short clip more weight than one of a long clip.)
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import Tensor

from kurdtts_lib.vits.batches import Batch

MEAN_OVER = {"kl": "frames", "duration": "positions"}
"""What a loss or diagnostic is averaged over, where it is not clips."""


Losses = Mapping[str, Tensor]
"""Scalar losses or diagnostics by name."""


class MicroBatch(NamedTuple):
    """A micro-batch on its device, and its shares of the whole batch's clips, frames and positions."""

    batch: Batch
    shares: dict[str, float]

    def weighted(self, terms: Losses) -> Losses:
        """This micro-batch's shares of the whole batch's losses or diagnostics."""
        return {name: self.shares[MEAN_OVER.get(name, "clips")] * term for name, term in terms.items()}


class UpdateOutcome(NamedTuple):
    """Results of the D step or the G step, over the whole batch."""

    means: dict[str, float]
    """Losses and diagnostics."""
    gradient_norm: float
    fault: str
    """Losses or gradient norm that were not finite. If there are any, the weights were not updated."""


def micro_batches_of(batches: Sequence[Batch], state: PartialState) -> list[MicroBatch]:
    """This process's micro-batches, with their shares of the whole batch over all processes."""
    units = ("clips", "frames", "positions")
    sizes = torch.tensor(
        [[len(batch.text_lengths), batch.frame_lengths.sum(), batch.text_lengths.sum()] for batch in batches],
        dtype=torch.float64,
    )
    shares = (sizes / reduce(sizes.sum(0).to(state.device), "sum").cpu()).tolist()
    return [
        MicroBatch(batch.to(state.device), dict(zip(units, share, strict=True)))
        for batch, share in zip(batches, shares, strict=True)
    ]


def summed(parts: Iterable[Losses]) -> Losses:
    """The sums of the parts' losses and diagnostics, without their graphs."""
    values = [{name: value.detach().float() for name, value in part.items()} for part in parts]
    return {name: torch.stack([part[name] for part in values]).sum() for name in values[0]}
