"""The identity of a training: its folder can be resumed only with the same clips, voice and settings."""

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
    *("learning_rate", "discriminator_learning_rate", "lr_decay"),  # set at every step
    *("accumulation", "mixed_precision", "gradient_checkpointing"),  # the same training up to rounding
    "discriminator_warmup",  # fixed at the first step and stored in the checkpoint
}
"""Settings that may change while a training is stopped."""


def fingerprint_of_clips(reader: ClipReader) -> str:
    """Hash of the clips' names, encoded texts and lengths in frames: what the training learns from."""
    clips = zip(reader.clips, reader.input_ids, reader.frames, strict=True)
    rows = [(clip.path.name, ids.tolist(), frames) for clip, ids, frames in clips]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def fingerprint_of_version_0_1(reader: ClipReader) -> str:
    """What version 0.1 stored in place of `fingerprint_of_clips`, so that its trainings can be resumed."""
    rows = [(clip.path.name, clip.text, frames) for clip, frames in zip(reader.clips, reader.frames, strict=True)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def fingerprint_of_voice(voice: Voice) -> str:
    """Hash of all weights of the voice that the training began with.

    Without the discriminator's: where that is downloaded from the hub, a training can be resumed without a network.
    """
    digest = hashlib.sha256()
    for tensor in voice.model.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_same(saved: Mapping[str, Any], current: Mapping[str, Any], folder: Path) -> None:
    """Raise TrainingError unless the checkpoint `saved` belongs to the training that `current` describes.

    Both hold `settings`, as `describe` returns them, and the two fingerprints, `data` and `origin`.
    """
    changed = [
        name for name, value in current["settings"].items() if name not in FREE and saved["settings"].get(name) != value
    ]
    if changed:
        raise TrainingError(
            f"{folder} holds a training with other settings ({', '.join(sorted(changed))}). Resume it with its own "
            "settings, choose another folder, or delete this one to start anew."
        )
    for kind, described in (("data", "on other clips or texts"), ("origin", "of another voice")):
        if saved[kind] != current[kind]:
            raise TrainingError(
                f"{folder} holds a training {described}. Delete it, or choose another folder, to start anew."
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
