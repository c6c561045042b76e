"""Adversarial fine-tuning: the loop around the step. A stopped or killed training resumes bit-exactly."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object, reduce

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.files import locked, write_json
from kurdtts_lib.core.settings import AudioSettings, TrainingSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.vits import checkpoint
from kurdtts_lib.vits.batches import ClipReader, LoadedBatch, check_division, read_ahead
from kurdtts_lib.vits.log import Event, History, StepReport, Validation, append_log, cut_log, read_log
from kurdtts_lib.vits.speakers import speaker_ids
from kurdtts_lib.vits.state import TrainingState, check_fit
from kurdtts_lib.vits.voice import Voice, voice_with

MAX_SKIPPED_IN_A_ROW = 10
"""fp16 halves its loss scale at each skipped step: ten times is a thousandth, which no ordinary overflow needs."""

Validate = Callable[[Voice, int, Path], Validation]
"""(voice, steps done, folder) -> scores. Synthesises held-out sentences; writes some of them to the folder."""


def this_process() -> PartialState:
    """The index and the device of this process among those of the training."""
    return PartialState(cpu=not torch.cuda.is_available())


class Trainer:
    """One training in one folder: `checkpoints/`, `best.pt`, `log.jsonl`, `settings.json`, `demos/`.

    A folder with a checkpoint is resumed: same data order, same random numbers, same losses. The best voice is the one
    with the lowest mean mel distance over the validation sentences. With several processes, each creates a Trainer on
    the same folder; only the main process writes.
    """

    def __init__(
        self,
        voice: Voice,
        train_clips: Sequence[Clip],
        validate: Validate | None,
        settings: TrainingSettings,
        audio: AudioSettings,
        folder: Path,
    ) -> None:
        """validate: None trains without validations; the result is then the voice of the last step.

        Raises TrainingError, before the first step, if the data or the folder cannot be used.
        """
        self.settings, self.audio, self.folder, self.voice = settings, audio, folder, voice
        self.process = this_process()
        check_fit(voice, audio)
        self.reader = ClipReader(
            train_clips, voice.tokenizer, audio, settings.segment_samples, speaker_ids(voice.model)
        )
        check_division(len(train_clips), settings, self.process.num_processes)
        self.validate = validate
        self.state = TrainingState(voice, self.reader, settings, audio, self.process)
        saved = checkpoint.load_latest(folder)
        if saved:
            self.state.load_state_dict(saved, folder)
        self.progress = self.state.progress
        self.history = read_log(folder, self.step) if saved else History()
        if not (folder / checkpoint.BEST).is_file():  # deleted: the next validation sets a new best voice
            self.progress.best_step, self.progress.best_scores = None, []
        # Restored by `run`, so that random numbers drawn in between by other code have no effect.
        self._random_state: dict[str, Any] | None = checkpoint.random_state()

    @property
    def step(self) -> int:
        """Steps done."""
        return self.progress.step

    @property
    def seconds(self) -> int:
        """Total duration of all steps, without validating and saving."""
        return round(sum(entry.seconds for entry in self.history.steps))

    @property
    def stopped_early(self) -> bool:
        """Whether the last `settings.patience` validations brought no better voice."""
        return self.settings.patience is not None and self.progress.stale >= self.settings.patience

    @property
    def finished(self) -> bool:
        return self.step >= self.settings.steps or self.stopped_early

    def best_voice(self) -> tuple[Voice, int]:
        """The voice of the best validation and its step; without validations, the current voice and step.

        Raises TrainingError if its file cannot be read.
        """
        if self.progress.best_step is None:
            return self.voice, self.step
        advice = "Delete it and run the training again: the next validation chooses anew."
        best = checkpoint.load_checkpoint(self.folder / checkpoint.BEST, advice)
        return voice_with(best, self.voice), best["step"]

    # --- the loop -------------------------------------------------------------------------------------------

    def run(
        self,
        stop: threading.Event | None = None,
        report: Callable[[StepReport], None] | None = None,
        notify: Callable[[Event], None] | None = None,
    ) -> bool:
        """Train until `finished`. Returns True then, False when `stop` was set first.

        Either way the folder then holds a checkpoint of the last whole step. An error leaves the one before: at most
        `checkpoint_every` steps are lost, and a new Trainer on the same folder resumes. Call from any thread; `report`
        (each step) and `notify` (each event) are called in that thread, on the main process only.

        Raises TrainingError if another training is using the folder or has saved later steps in it, if the disk is
        full, or if `MAX_SKIPPED_IN_A_ROW` steps in a row were skipped.
        """
        if self._random_state is None:
            raise TrainingError("This training ended by an error. Build it anew: it goes on from its last checkpoint.")
        with ExitStack() as stack:
            self._open_folder(stack)
            checkpoint.restore_random_state(self._random_state)
            self._random_state, self._report, self._on_event = None, report, notify
            self._begin()
            place = self.progress.epoch, self.progress.position
            with closing(read_ahead(self.reader, self.settings, self.process, *place)) as batches:
                self._steps(batches, stop)
            self._end()
        self._random_state = checkpoint.random_state()
        return self.finished

    def _open_folder(self, stack: ExitStack) -> None:
        """Lock the folder and begin its log, on the main process; the others write nothing.

        Raises TrainingError, in all processes, if another training holds the folder or has saved later steps in it.
        """
        running = f"Another training is running in {self.folder}. Wait until it is done, or give this one a --name."
        refused: list[str] = []
        if self.process.is_main_process:
            try:
                stack.enter_context(locked(self.folder, TrainingError(running)))
                saved = [0, *map(checkpoint.step_of, checkpoint.checkpoints(self.folder))]
                if saved[-1] > self.step:
                    raise TrainingError(
                        f"{self.folder} holds step {saved[-1]} of another training; this one stands at {self.step}. "
                        "Build it anew: it goes on from there."
                    )
                checkpoint.delete_partial_files(self.folder)
                with checkpoint.writing(self.folder):
                    write_json(self.folder / "settings.json", dataclasses.asdict(self.settings))
                    cut_log(self.folder, self.step if self.step else -1)  # a training from step 0 begins a new log
            except TrainingError as error:
                refused = [str(error)]
        if refused := gather_object(refused):
            raise TrainingError(refused[0])

    def _steps(self, batches: Iterator[LoadedBatch], stop: threading.Event | None) -> None:
        saved_at = self.step
        while not (self.finished or self._asked_to_stop(stop)):
            step_report = self._one_step(batches)
            self._record_step(step_report)
            if self.step % self.settings.validate_every == 0 or self.step >= self.settings.steps:
                self._validate()
            if self.step % self.settings.checkpoint_every == 0:
                self.save()
                saved_at = self.step
            if self._report and self.process.is_main_process:
                self._report(step_report)
        if saved_at != self.step:
            self.save()

    def _asked_to_stop(self, stop: threading.Event | None) -> bool:
        """Whether any process was asked to. All get the same answer, so that none waits for one that has stopped."""
        asked = float(stop is not None and stop.is_set())
        return bool(reduce(torch.tensor(asked, device=self.process.device), "sum"))

    def _one_step(self, batches: Iterator[LoadedBatch]) -> StepReport:
        started, progress, warming_up = time.perf_counter(), self.progress, self.progress.warming_up
        loaded = next(batches)
        waited = time.perf_counter() - started
        progress.epoch, progress.position = loaded.epoch, loaded.position
        self.state.training_step.set_rates(self.settings.lr_decay**progress.epoch)
        outcome = self.state.training_step(
            loaded.batches,
            adversarial=warming_up or self.step >= self.settings.adversarial_from,
            generator_learns=not warming_up,
        )
        progress.step, progress.position = progress.step + 1, progress.position + 1
        return StepReport(
            step=progress.step,
            epoch=progress.epoch,
            seconds=time.perf_counter() - started,
            wait_seconds=waited,
            warming_up=warming_up,
            **outcome._asdict(),
        )

    def _record_step(self, entry: StepReport) -> None:
        """Log the step, count it if it was skipped, and report conditions that it begins or ends."""
        self._record(entry)
        progress, skipped = self.progress, entry.skipped is not None
        progress.skipped += skipped
        progress.skipped_in_a_row = progress.skipped_in_a_row + 1 if skipped else 0
        for condition, began in self.state.health.update(entry.signals, skipped):
            text = f"{condition.meaning} {condition.advice}" if began else f"Over: {condition.meaning}"
            self._notify("warning" if began else "recovered", text)
        if self.step == progress.warmup:
            self._notify("warm-up", "The discriminator has warmed up; from now on the voice learns.")
        if progress.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            raise TrainingError(
                f"{MAX_SKIPPED_IN_A_ROW} steps in a row changed nothing, up to step {entry.step}, because numbers were "
                f"not finite ({entry.skipped}). The last checkpoint in {self.folder} is whole: start again with half "
                'the learning rate, or with mixed_precision="no".'
            )

    def _validate(self) -> None:
        """Evaluate the voice, and save it as `best.pt` if it is the best so far."""
        if not self.validate or self.progress.warming_up:  # during the warm-up the voice does not change
            return
        scores: list[list[float]] = [[]]
        if self.process.is_main_process:
            validation = self.validate(self.voice, self.step, self.folder / "demos")
            self._record(validation)
            scores = [validation.scores or [validation.mel_distance]]
        broadcast_object_list(scores)  # the other processes wait here
        if self.progress.count_scores(scores[0]) and self.process.is_main_process:
            best = {"step": self.step, "score": (score := self.progress.best_score), **self.state.weights()}
            checkpoint.save_checkpoint(self.folder / checkpoint.BEST, best)
            self._notify("best", f"The best voice so far: score {score:.3f} on the validation sentences.")

    def save(self) -> None:
        """Write the checkpoint of the last whole step. Raises TrainingError if the disk is full."""
        state = self.state.state_dict()
        if self.process.is_main_process:
            checkpoint.save_step(self.folder, self.step, state, self.settings.keep_checkpoints)

    # --- log and events -------------------------------------------------------------------------------------

    def _record(self, entry: StepReport | Validation | Event) -> None:
        self.history.add(entry)
        if self.process.is_main_process:
            append_log(self.folder, entry)

    def _notify(self, kind: str, text: str) -> None:
        if self.process.is_main_process:
            event = Event(self.step, kind, text)
            self._record(event)
            if self._on_event:
                self._on_event(event)

    def _begin(self) -> None:
        if self.step:
            self._notify("resumed", f"Goes on from step {self.step}.")
        elif self.progress.warmup:
            self._notify("warm-up", f"Up to step {self.progress.warmup} only the new discriminator learns.")
        if self.progress.best_step is None:  # the base voice: a later one must be better
            self._validate()

    def _end(self) -> None:
        if self.stopped_early:
            self._notify("done", f"Stopped: no better voice in {self.progress.stale} validations.")
        else:
            self._notify("done" if self.finished else "stopped", f"{self.step} steps are done and saved.")
