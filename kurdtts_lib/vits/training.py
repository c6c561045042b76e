"""Adversarial fine-tuning: the step, the loop around it, and what the loop leaves on disk."""

import dataclasses
import hashlib
import json
import math
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from transformers import VitsModel

from kurdtts_lib import measures
from kurdtts_lib.audio import decode, write_wav
from kurdtts_lib.corpus.clips import Clip
from kurdtts_lib.errors import TrainingError
from kurdtts_lib.files import write_json, write_text
from kurdtts_lib.settings import AudioSettings, TrainingSettings, describe
from kurdtts_lib.vits import losses
from kurdtts_lib.vits.batches import Batch, ClipReader, batches_from
from kurdtts_lib.vits.checkpoint import load_checkpoint, random_state, restore_random_state, save_checkpoint
from kurdtts_lib.vits.discriminator import VitsDiscriminator, split_batch
from kurdtts_lib.vits.generator import TrainableVits, mel_term
from kurdtts_lib.vits.synthesis import speak
from kurdtts_lib.vits.voice import Voice, apply_decoder_weight_norm


@dataclass(frozen=True)
class StepReport:
    """One step as it is logged and shown."""

    step: int
    epoch: int
    terms: dict[str, float]
    """The unweighted losses by name."""
    seconds: float
    validation: dict[str, float] | None = None
    """Means over the held-out sentences, where this step validated."""


class Trainer:
    """One training in one folder: `checkpoint.pt`, `log.jsonl`, `settings.json`, `demos/`.

    A folder that holds a checkpoint is resumed: same data order, same random numbers, same losses.
    """

    def __init__(
        self,
        voice: Voice,
        train_clips: Sequence[Clip],
        validation_clips: Sequence[Clip],
        settings: TrainingSettings,
        audio: AudioSettings,
        folder: Path,
    ) -> None:
        """Raises TrainingError, before the first step, for data or a folder that cannot be trained on."""
        self.settings, self.audio, self.folder, self.voice = settings, audio, folder, voice
        _check_fit(voice, audio)
        self.reader = ClipReader(train_clips, voice.tokenizer, audio, settings.segment_samples)
        self.validation_clips = list(validation_clips)[: settings.validation_clips]
        self.step = self.epoch = self.position = 0
        self.history: list[StepReport] = []

        set_seed(settings.seed)
        self._data, self._origin = _fingerprint_of_clips(self.reader), _fingerprint_of_voice(voice)
        if voice.discriminator is None:
            warnings.warn(
                "No discriminator was published beside this voice. A new one is used: the voice will sound worse "
                "before it sounds better.",
                stacklevel=2,
            )
            voice.discriminator = VitsDiscriminator()
        apply_decoder_weight_norm(voice.model)
        self._build(voice.model, voice.discriminator)
        self._resume()
        # Restored when the training runs: whatever else draws random numbers in between changes nothing.
        self._random_state = random_state()

    def _build(self, model: VitsModel, discriminator: VitsDiscriminator) -> None:
        try:
            self.accelerator = Accelerator(
                mixed_precision=self.settings.mixed_precision, cpu=not torch.cuda.is_available()
            )
        except ValueError as error:  # accelerate keeps one precision for a whole process
            raise TrainingError("Another precision was used before. Restart the kernel (or program) first.") from error
        generator = TrainableVits(model, self.audio, self.settings.segment_samples)
        rate_g, rate_d = self.settings.learning_rate, self.settings.discriminator_learning_rate
        self.base_rates = (rate_g, rate_g if rate_d is None else rate_d)
        optimizers = [
            torch.optim.AdamW(
                module.parameters(),
                lr=rate,
                betas=self.settings.betas,
                eps=self.settings.eps,
                weight_decay=self.settings.weight_decay,
            )
            for module, rate in zip((generator, discriminator), self.base_rates, strict=True)
        ]
        self.generator, self.discriminator, self.optimizer_g, self.optimizer_d = self.accelerator.prepare(
            generator, discriminator, *optimizers
        )

    # --- the step -------------------------------------------------------------------------------------------

    def _train_step(self, batch: Batch) -> dict[str, Tensor]:
        self.generator.train()
        outputs = self.generator(batch)
        terms_g = {"mel": mel_term(outputs, self.audio), "kl": outputs.kl, "duration": outputs.duration}
        adversarial = self.step >= self.settings.adversarial_from
        terms_d: dict[str, Tensor] = {}
        if adversarial:
            terms_d = {"discriminator": self._discriminator_term(outputs.real, outputs.generated.detach())}
            self._update(terms_d, self.discriminator, self.optimizer_d)
            terms_g |= self._adversarial_terms(outputs.real, outputs.generated)
        self._update(terms_g, self.generator, self.optimizer_g)
        return {**terms_g, **terms_d}

    def _discriminator_term(self, real: Tensor, generated: Tensor) -> Tensor:
        scores, _ = self.discriminator(torch.cat([real, generated]))
        return losses.discriminator_loss(*split_batch(scores))

    def _adversarial_terms(self, real: Tensor, generated: Tensor) -> dict[str, Tensor]:
        discriminator = self.accelerator.unwrap_model(self.discriminator)
        # Frozen here: the generator's step must leave nothing in the discriminator's gradients, and computing
        # them only to throw them away would cost time.
        discriminator.requires_grad_(False)
        try:
            with self.accelerator.autocast():
                with torch.no_grad():
                    _, real_features = discriminator(real)
                scores, features = discriminator(generated)
        finally:
            discriminator.requires_grad_(True)
        return {
            "generator": losses.generator_loss(scores),
            "feature_matching": losses.feature_matching_loss(real_features, features),
        }

    def _update(self, terms: Mapping[str, Tensor], module: torch.nn.Module, optimizer: Any) -> None:
        weights = dataclasses.asdict(self.settings.weights)
        total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        if not math.isfinite(total.item()):
            values = ", ".join(f"{name} {term.item():.3g}" for name, term in terms.items())
            raise TrainingError(
                f"A loss is not a number at step {self.step} ({values}). The last checkpoint is whole: start again "
                "with half the learning rate."
            )
        optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(total)
        self.accelerator.clip_grad_norm_(module.parameters(), self.settings.gradient_clip)
        optimizer.step()

    # --- the loop -------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event | None = None, report: Callable[[StepReport], None] | None = None) -> bool:
        """Train up to `settings.steps`. Returns True when done, False when `stop` was set first.

        Either way the folder then holds a checkpoint of the last whole step. An error leaves the one before: at most
        `checkpoint_every` steps are lost. Call from any thread.
        """
        batches = batches_from(self.reader, self.settings.batch_size, self.settings.seed, self.epoch, self.position)
        saved_at = self.step
        restore_random_state(self._random_state)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8", newline="\n") as log:
            while self.step < self.settings.steps and not (stop and stop.is_set()):
                started = time.perf_counter()
                self.epoch, self.position, batch = next(batches)
                self._set_rates()
                terms = self._train_step(batch.to(self.accelerator.device))
                self.step, self.position = self.step + 1, self.position + 1
                values = {name: term.item() for name, term in terms.items()}
                seconds = time.perf_counter() - started
                due = self.step % self.settings.validate_every == 0 or self.step == self.settings.steps
                entry = StepReport(self.step, self.epoch, values, seconds, self.validate() if due else None)
                self.history.append(entry)
                log.write(json.dumps(dataclasses.asdict(entry)) + "\n")
                log.flush()
                if self.step % self.settings.checkpoint_every == 0:
                    self.save()
                    saved_at = self.step
                if report:
                    report(entry)
            if saved_at != self.step:
                self.save()
        self._random_state = random_state()
        return self.step >= self.settings.steps

    def _set_rates(self) -> None:
        factor = self.settings.lr_decay**self.epoch
        for optimizer, rate in zip((self.optimizer_g, self.optimizer_d), self.base_rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def validate(self) -> dict[str, float] | None:
        """Speak the held-out sentences, keep them under `demos/`, and measure them against the recordings."""
        if not self.validation_clips:
            return None
        results = []
        for number, clip in enumerate(self.validation_clips, 1):
            speech = speak(self.voice, clip.text)
            recording = decode(clip.path, self.audio.sampling_rate)
            demo = self.folder / "demos" / f"step-{self.step:06d}-{number}.wav"
            write_wav(demo, speech, self.audio.sampling_rate)
            results.append(
                {
                    "mel_distance": measures.mel_distance(recording, speech, self.audio),
                    "loudness_difference_db": measures.rms_db(speech) - measures.rms_db(recording),
                }
            )
        return {name: float(np.mean([result[name] for result in results])) for name in results[0]}

    # --- what stays on disk ---------------------------------------------------------------------------------

    def save(self) -> None:
        """Write `checkpoint.pt` for the last whole step."""
        state = {
            "settings": describe(self.settings),
            "data": self._data,
            "origin": self._origin,
            "step": self.step,
            "epoch": self.epoch,
            "position": self.position,
            "generator": self.voice.model.state_dict(),
            "discriminator": self.accelerator.unwrap_model(self.discriminator).state_dict(),
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else {},
            "random": random_state(),
        }
        save_checkpoint(self.folder / "checkpoint.pt", state)

    def _resume(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint = self.folder / "checkpoint.pt"
        if not checkpoint.is_file():
            write_text(self.folder / "log.jsonl", "")
            write_json(self.folder / "settings.json", describe(self.settings))
            return
        state = load_checkpoint(checkpoint)
        _check_same_settings(state["settings"], describe(self.settings), self.folder)
        if state["data"] != self._data:
            raise TrainingError(
                f"{self.folder} holds a training on other clips. Delete it, or choose another folder, to start anew."
            )
        if state["origin"] != self._origin:
            raise TrainingError(
                f"{self.folder} holds a training of another voice. Delete it, or choose another folder, to start anew."
            )
        self.voice.model.load_state_dict(state["generator"])
        self.accelerator.unwrap_model(self.discriminator).load_state_dict(state["discriminator"])
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.step, self.epoch, self.position = state["step"], state["epoch"], state["position"]
        restore_random_state(state["random"])
        self._resume_log()

    def _resume_log(self) -> None:
        """Keep the log up to the checkpoint: steps after it will be done, and logged, again."""
        log = self.folder / "log.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
        self.history = []
        for line in lines:
            try:
                entry = StepReport(**json.loads(line))
            except json.JSONDecodeError:  # kill -9 may leave half a line, and nothing behind it
                break
            if entry.step <= self.step:
                self.history.append(entry)
        kept = [json.dumps(dataclasses.asdict(entry)) + "\n" for entry in self.history]
        write_text(log, "".join(kept))


def _fingerprint_of_clips(reader: ClipReader) -> str:
    """Changes when a clip's name, text or length does: the sampler's position would then mean another clip."""
    rows = [(clip.path.name, clip.text, frames) for clip, frames in zip(reader.clips, reader.frames, strict=True)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _fingerprint_of_voice(voice: Voice) -> str:
    """Changes with any weight of the voice: a training goes on only from the voice that it began with."""
    digest = hashlib.sha256()
    for module in (voice.model, voice.discriminator):
        for tensor in module.state_dict().values() if module is not None else ():
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _check_fit(voice: Voice, audio: AudioSettings) -> None:
    config = voice.model.config
    expected = (config.sampling_rate, math.prod(config.upsample_rates), config.spectrogram_bins)
    given = (audio.sampling_rate, audio.hop_length, audio.n_fft // 2 + 1)
    if expected != given:
        raise TrainingError(
            f"The voice works with (sampling rate, hop length, spectrogram bins) = {expected}, the settings with "
            f"{given}. Change the audio settings to the voice's."
        )


def _check_same_settings(saved: dict, current: dict, folder: Path) -> None:
    free = {"steps", "validate_every", "validation_clips", "checkpoint_every"}
    free |= {"learning_rate", "discriminator_learning_rate", "lr_decay"}  # set anew at each step
    # JSON-like comparison: a checkpoint gives tuples back as it stored them
    changed = [name for name in current if name not in free and saved.get(name) != current[name]]
    if changed:
        raise TrainingError(
            f"{folder} holds a training with other settings ({', '.join(sorted(changed))}). Resume it with its own "
            "settings, choose another folder, or delete this one to start anew."
        )
