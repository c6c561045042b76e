"""The state of a training, as a checkpoint stores it, and its identity: clips, voice and settings."""

import dataclasses
import hashlib
import json
import math
import statistics
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import gather_object, set_seed

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.settings import AudioSettings, TrainingSettings
from kurdtts_lib.vits.batches import ClipReader
from kurdtts_lib.vits.checkpoint import random_state, restore_random_state
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.generator import TrainableVits
from kurdtts_lib.vits.monitor import Monitor
from kurdtts_lib.vits.step import TrainingStep
from kurdtts_lib.vits.voice import Voice
from kurdtts_lib.vits.weight_norm import apply_decoder_weight_norm

FREE = {
    *("steps", "validate_every", "validation_clips", "patience", "checkpoint_every", "keep_checkpoints"),
    *("learning_rate", "discriminator_learning_rate", "lr_decay"),  # set at every step
    *("accumulation", "mixed_precision", "gradient_checkpointing"),  # the same training up to rounding
    "discriminator_warmup",  # fixed at the first step and stored in the checkpoint
}
"""Settings that may change while a training is stopped."""


@dataclass
class TrainingProgress:
    """Counters of a training."""

    step: int = 0
    """Steps done."""
    epoch: int = 0
    position: int = 0
    """Batches of this epoch that are done."""
    best_step: int | None = None
    best_scores: list[float] = field(default_factory=list)
    """`Validation.scores` of the best voice; empty before the first validation."""
    stale: int = 0
    """Validations since the best one."""
    skipped: int = 0
    """Steps that were skipped because a loss or gradient was not finite."""
    skipped_in_a_row: int = 0
    warmup: int = 0
    """Number of steps at the beginning in which only the discriminator learns."""

    @property
    def best_score(self) -> float | None:
        """Mean of `best_scores`."""
        return statistics.fmean(self.best_scores) if self.best_scores else None

    def count_scores(self, scores: list[float]) -> bool:
        """Record a validation's scores; returns whether the voice is the best so far.

        A better mean may be luck: it counts if the paired differences exceed their standard error, which needs three.
        """
        before = self.best_scores
        gains = [best - score for best, score in zip(before, scores, strict=False)]
        if len(before) != len(scores) and before:  # other sentences than before: only the means can be compared
            gains = [statistics.fmean(before) - statistics.fmean(scores)]
        error = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 2 else 0.0
        if gains and not statistics.fmean(gains) > error:
            self.stale += 1
            return False
        self.best_step, self.best_scores, self.stale = self.step, scores, 0
        return True

    @property
    def warming_up(self) -> bool:
        """Whether the next step trains the discriminator only."""
        return self.step < self.warmup


class TrainingState:
    """Both models, optimizers, counters, monitor and random generators; `state_dict` holds them all."""

    def __init__(
        self, voice: Voice, reader: ClipReader, settings: TrainingSettings, audio: AudioSettings, process: PartialState
    ) -> None:
        """The state before the first step. Seeds every random generator; adds a discriminator if the voice has none.

        Raises TrainingError if the warm-up of a new discriminator would leave no step for the voice.
        """
        set_seed(settings.seed + process.process_index)  # each process draws its own noise for its own clips
        self.voice, self.settings, self.process = voice, settings, process
        self.progress, self.health = TrainingProgress(), Monitor()
        clips = zip(reader.clips, reader.input_ids, reader.frames, strict=True)
        data = json.dumps([(clip.path.name, ids.tolist(), frames) for clip, ids, frames in clips])
        self._identity: dict[str, Any] = {
            "settings": dataclasses.asdict(settings),
            "data": hashlib.sha256(data.encode()).hexdigest(),
            "origin": fingerprint_of_voice(voice),
        }
        voice.discriminator = voice.discriminator or self._new_discriminator()
        apply_decoder_weight_norm(voice.model)
        generator = TrainableVits(voice.model, audio, settings.segment_samples, settings.gradient_checkpointing)
        self.training_step = TrainingStep(generator, voice.discriminator, settings, process)

    def _new_discriminator(self) -> VitsDiscriminator:
        warmup = self.settings.discriminator_warmup
        if warmup >= self.settings.steps:
            raise TrainingError(
                f"This voice came without a discriminator, so the first {warmup} steps teach only a new one; of "
                f"{self.settings.steps} steps none is left for the voice. Take more steps, or a lower "
                "discriminator_warmup."
            )
        warnings.warn(
            "No discriminator was published beside this voice. A new one is used; for the first "
            f"{warmup} steps only it learns.",
            stacklevel=4,
        )
        self.progress.warmup = warmup
        return VitsDiscriminator()

    def weights(self) -> dict[str, Any]:
        """Both models' weights. Raises TrainingError if they are not finite: a good checkpoint must not be replaced."""
        modules = {"generator": self.voice.model, "discriminator": self.training_step.discriminator}
        weights = {name: module.state_dict() for name, module in modules.items()}
        for module, state in weights.items():
            bad = [name for name, tensor in state.items() if not tensor.isfinite().all()]
            if bad:
                raise TrainingError(
                    f"At step {self.progress.step} weights of the {module} are not finite ({bad[0]}). The last "
                    "checkpoint is whole: start again from it, with half the learning rate."
                )
        return weights

    def state_dict(self) -> dict[str, Any]:
        """The whole state. Every process must call this: each contributes its random state."""
        return {
            **self._identity,
            **self.weights(),
            "step": self.training_step.state_dict(),
            "progress": dataclasses.asdict(self.progress),
            "health": self.health.state_dict(),
            "random": gather_object([random_state()]),
        }

    def load_state_dict(self, state: Mapping[str, Any], folder: Path) -> None:
        """Restore what `state_dict` returned. Raises TrainingError, naming `folder`, if it is of another training."""
        self._check_same(state, folder)
        self.voice.model.load_state_dict(state["generator"])
        self.training_step.discriminator.load_state_dict(state["discriminator"])
        self.training_step.load_state_dict(state["step"])
        self.progress = TrainingProgress(**state["progress"])
        self.health.load_state_dict(state["health"])
        if self.process.process_index < len(state["random"]):  # else there are more processes: this one keeps its seed
            restore_random_state(state["random"][self.process.process_index])

    def _check_same(self, saved: Mapping[str, Any], folder: Path) -> None:
        own, before = self._identity, saved["settings"]
        changed = [name for name, value in own["settings"].items() if name not in FREE and before.get(name) != value]
        for differs, difference in (
            (bool(changed), f"with other settings ({', '.join(sorted(changed))})"),
            (saved["data"] != own["data"], "on other clips or texts"),
            (saved["origin"] != own["origin"], "of another voice"),
        ):
            if differs:
                raise TrainingError(
                    f"{folder} holds a training {difference}. Resume it with its own, choose another folder, or delete "
                    "this one to start anew."
                )


def fingerprint_of_voice(voice: Voice) -> str:
    """Hash of all weights of the voice that the training began with.

    Without the discriminator's: where that is downloaded from the hub, a training can be resumed without a network.
    """
    digest = hashlib.sha256()
    for tensor in voice.model.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


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
