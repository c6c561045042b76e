"""Cheap diagnostics of a training step that show early when a voice goes wrong: silent, saturated or misaligned."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from kurdtts_lib.audio.levels import CLIPPED, decibels
from kurdtts_lib.vits.alignment import expand_by_durations
from kurdtts_lib.vits.batches import Batch
from kurdtts_lib.vits.generator import GeneratorOutputs


def path_shape(durations: Tensor, text_lengths: Tensor, frame_lengths: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Distance from the diagonal and longest share of the alignment paths, each (batch,), float32.

    durations: (batch, positions), frames per text position; text_lengths, frame_lengths: (batch,); frames: the longest
    clip's. The distance is the mean over a clip's frames of |position in the text - position in the audio|, both taken
    at the centre of a token or frame and scaled to 0..1: 0 is the straight line, and nearly 0.5 is reached if all
    frames are on the first or the last token. The share is the largest fraction of a clip's frames on one token.
    """
    text_positions = (torch.arange(durations.shape[1], device=durations.device) + 0.5) / text_lengths.unsqueeze(1)
    frame_positions = (torch.arange(frames, device=durations.device) + 0.5) / frame_lengths.unsqueeze(1)
    along_path = expand_by_durations(text_positions.unsqueeze(1), durations, frames).squeeze(1)
    distances = (along_path - frame_positions).abs() * (frame_positions < 1)
    return distances.sum(1) / frame_lengths, durations.amax(1) / frame_lengths


@torch.no_grad()
def step_diagnostics(batch: Batch, outputs: GeneratorOutputs) -> dict[str, Tensor]:
    """Means over the slices' samples (powers, share of saturated samples), and over the clips' paths."""
    generated = outputs.generated
    diagonal, longest = path_shape(
        outputs.durations, batch.text_lengths, batch.frame_lengths, batch.spectrograms.shape[2]
    )
    return {
        "power": generated.square().mean(),
        "real_power": outputs.real.square().mean(),
        "clipped": (generated.abs() >= CLIPPED).float().mean(),
        "diagonal": diagonal.mean(),
        "longest": longest.mean(),
    }


def in_decibels(diagnostics: Mapping[str, float]) -> dict[str, float]:
    """Powers as levels in dB of full scale, at least -120. Only at the end: powers can be averaged, decibels cannot."""
    levels = {"power": "rms_db", "real_power": "real_rms_db"}
    return {
        levels.get(name, name): decibels(math.sqrt(value)) if name in levels else value
        for name, value in diagnostics.items()
    }
