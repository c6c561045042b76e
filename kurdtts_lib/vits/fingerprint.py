"""What makes a training the same training: its folder may go on only with its own clips, voice and settings."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.vits.batches import ClipReader
from kurdtts_lib.vits.voice import Voice

FREE = {
    *("steps", "validate_every", "validation_clips", "patience", "checkpoint_every", "keep_checkpoints", "tensorboard"),
    *("learning_rate", "discriminator_learning_rate", "lr_decay"),  # set anew at each step
    *("accumulation", "mixed_precision", "gradient_checkpointing"),  # the same training, to rounding
    "discriminator_warmup",  # decided at the first step, and kept in the checkpoint
}
"""Settings that may change while a training is stopped."""


def fingerprint_of_clips(reader: ClipReader) -> str:
    """Changes when a clip's name, encoded text or length does: the training would then learn something else."""
    clips = zip(reader.clips, reader.input_ids, reader.frames, strict=True)
    rows = [(clip.path.name, ids.tolist(), frames) for clip, ids, frames in clips]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def fingerprint_of_version_0_1(reader: ClipReader) -> str:
    """What version 0.1 wrote in place of `fingerprint_of_clips`: its trainings go on."""
    rows = [(clip.path.name, clip.text, frames) for clip, frames in zip(reader.clips, reader.frames, strict=True)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def fingerprint_of_voice(voice: Voice) -> str:
    """Changes with any weight of the voice: a training goes on only from the voice that it began with.

    The discriminator does not count: where it is fetched from the hub, a training must go on without a network too.
    """
    digest = hashlib.sha256()
    for tensor in voice.model.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_same(saved: Mapping[str, Any], current: Mapping[str, Any], folder: Path) -> None:
    """Raise TrainingError unless the checkpoint `saved` is of the training that `current` describes.

    Both hold `settings`, `data` and `origin`: the described settings and the two fingerprints.
    """
    changed = [
        name for name, value in current["settings"].items() if name not in FREE and saved["settings"].get(name) != value
    ]
    if changed:
        raise TrainingError(
            f"{folder} holds a training with other settings ({', '.join(sorted(changed))}). Resume it with its own "
            "settings, choose another folder, or delete this one to start anew."
        )
    for kind, named in (("data", "on other clips or texts"), ("origin", "of another voice")):
        if saved[kind] != current[kind]:
            raise TrainingError(
                f"{folder} holds a training {named}. Delete it, or choose another folder, to start anew."
            )


def check_fit(voice: Voice, audio: AudioSettings) -> None:
    """Raise TrainingError if the voice was not made for these audio settings."""
    config = voice.model.config
    expected = (config.sampling_rate, math.prod(config.upsample_rates), config.spectrogram_bins)
    given = (audio.sampling_rate, audio.hop_length, audio.n_fft // 2 + 1)
    if expected != given:
        raise TrainingError(
            f"The voice works with (sampling rate, hop length, spectrogram bins) = {expected}, the settings with "
            f"{given}. Change the audio settings to the voice's."
        )
