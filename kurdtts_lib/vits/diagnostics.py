"""Cheap figures of a training step that show early when a voice goes wrong: silent, saturated or unaligned."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from kurdtts_lib.vits.alignment import expand_by_durations
from kurdtts_lib.vits.batches import Batch

CLIPPED_ABOVE = 0.99
"""Full scale is 1. A decoder ends in tanh: what is this loud is saturated."""
SILENCE_POWER = 1e-12
"""-120 dB, as in `measures.rms_db`."""
POWERS = {"power": "rms_db", "real_power": "real_rms_db"}
"""The names under which powers are shown in decibels."""


def path_shape(durations: Tensor, text_lengths: Tensor, frame_lengths: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """How alignment paths run, each (batch,), float32: their distance from the diagonal and their longest rest.

    durations: (batch, positions), frames per text position; text_lengths, frame_lengths: (batch,); frames: the longest
    clip's. The distance is the mean over a clip's frames of |place in the text - place in the audio|, each the middle
    of its position or frame on a scale from 0 to 1: 0 is the straight line, and nearly 0.5 is reached where all frames
    lie on the first or the last position. The rest is the largest share of a clip's frames on one text position.
    """
    text_places = (torch.arange(durations.shape[1], device=durations.device) + 0.5) / text_lengths.unsqueeze(1)
    frame_places = (torch.arange(frames, device=durations.device) + 0.5) / frame_lengths.unsqueeze(1)
    along_path = expand_by_durations(text_places.unsqueeze(1), durations, frames).squeeze(1)
    distances = (along_path - frame_places).abs() * (frame_places < 1)
    return distances.sum(1) / frame_lengths, durations.amax(1) / frame_lengths


def path_signals(durations: Tensor, batch: Batch) -> dict[str, Tensor]:
    """`diagonal` and `longest`: means over the clips of what `path_shape` gives."""
    diagonal, longest = path_shape(durations, batch.text_lengths, batch.frame_lengths, batch.spectrograms.shape[2])
    return {"diagonal": diagonal.mean(), "longest": longest.mean()}


def slice_signals(real: Tensor, generated: Tensor) -> dict[str, Tensor]:
    """Means over the samples of all slices (powers, offset, share of saturated samples), and the largest sample.

    real, generated: (batch, 1, samples), full scale 1.
    """
    size = generated.abs()
    return {
        "power": generated.square().mean(),
        "real_power": real.square().mean(),
        "dc": generated.mean(),
        "clipped": (size > CLIPPED_ABOVE).float().mean(),
        "peak": size.amax(),
    }


def in_decibels(signals: Mapping[str, float]) -> dict[str, float]:
    """Powers become dB of full scale, at least -120: only at the end, because powers may be averaged."""
    return {
        POWERS.get(name, name): 10 * math.log10(max(value, SILENCE_POWER)) if name in POWERS else value
        for name, value in signals.items()
    }
