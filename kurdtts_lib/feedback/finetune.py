"""Fine-tune the current voice on the store's corrections, and publish it as a new version if it forgot nothing."""

import dataclasses
import datetime
import hashlib
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from kurdtts_lib import __version__
from kurdtts_lib.audio import distances, levels
from kurdtts_lib.audio.io import write_wav
from kurdtts_lib.core.errors import CorpusError, TrainingError
from kurdtts_lib.core.files import locked
from kurdtts_lib.core.settings import Profile, TrainingSettings, describe, home
from kurdtts_lib.data.dataset import Clip, Parts, sampled
from kurdtts_lib.data.preprocess import Preprocessing, preprocess
from kurdtts_lib.evaluation import load
from kurdtts_lib.evaluation.validation import validator
from kurdtts_lib.feedback.database import now
from kurdtts_lib.feedback.outcome import FeedbackResult, MetricChange, readme
from kurdtts_lib.feedback.replay import REPLAY_CLIPS, hold_out, mix, ordinary_sentences
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.speech.raw import speak_spoken
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.finetune import check_machine, clips_of, licence_of
from kurdtts_lib.voices.lineage import check_profile, origin_of

RETENTION_SENTENCES = 12
"""Ordinary sentences on which forgetting is measured."""
OWN_SPEECH_NEPERS = 0.25
"""Allowed mel distance where a voice is compared with its own earlier speech, above that of its parent. Speech of one
voice with two seeds is 0.1 to 0.3 apart; 0.25 is 2 dB."""


@dataclass(frozen=True)
class _Likeness:
    """Speech compared with recordings of the same sentences, means: the few fast metrics that `faults_of` needs."""

    sentences: int
    mel_distance: float
    loudness_difference_db: float
    clipped_share: float


class FeedbackTraining:
    """One training of the current voice on the accepted corrections. Run `trainer`, then call `finish`."""

    def __init__(self, profile: Profile, store: FeedbackStore) -> None:
        """Raises TrainingError if no accepted correction can be used, or this machine cannot run the training.

        Raises VoiceError without a current voice, or if it was trained with another profile or on other data.
        """
        check_machine(profile)
        mark_voices(store)
        self.profile, self.store = profile, store
        self.parent = registry.current()
        check_profile(self.parent, profile)
        self.read_at = now()  # before the texts are read: a later edit is not learned
        self.corrections = [one for one in store.corrections() if one.state in ("accepted", "used")]
        if not self.corrections:
            raise TrainingError(
                "No correction is accepted yet. Accept one: notebook 6, or `kurdtts feedback accept ID`."
            )
        voice = load_voice(str(self.parent.folder))
        self.folder = home() / "runs" / f"feedback-{self._digest()}"
        self.left_out: dict[str, str] = {}
        """By id: why an accepted correction is not used."""
        self.learned, self.held_out = self._corrected_clips()
        self.base, self.rehearsal = self._ordinary_clips(voice)
        settings = self._settings()
        mixed = mix(self.learned, self.base.train, profile.feedback.base_share)
        validate = validator(self.held_out, profile.audio, settings.validation_clips)
        self.trainer = Trainer(voice, mixed, validate, settings, profile.audio, self.folder)

    def _digest(self) -> str:
        """Identifies the run's folder: a training of the same voice on the same corrections resumes there."""
        facts = [self.parent.folder.name, str(self.profile.feedback), str(self.profile.prepared_dir)]
        facts.append(f"{self.profile.corpus.max_seconds} {REPLAY_CLIPS} {RETENTION_SENTENCES}")
        facts += [f"{one.id} {one.digest} {one.spoken}" for one in self.corrections]
        return hashlib.sha256("\n".join(facts).encode("utf-8")).hexdigest()[:12]

    def _settings(self) -> TrainingSettings:
        feedback = self.profile.feedback
        return dataclasses.replace(
            self.profile.training,
            steps=feedback.steps,
            learning_rate=feedback.learning_rate,
            validate_every=feedback.validate_every,
            checkpoint_every=feedback.validate_every,
            patience=feedback.patience,
        )

    def _corrected_clips(self) -> tuple[list[Clip], list[Clip]]:
        """The corrections' audio, preprocessed as all recordings are: clips to train on, and clips held out."""
        preprocessing = Preprocessing.of(self.profile.corpus, self.profile.audio)
        longest, clips = self.profile.corpus.max_seconds, []
        for correction in self.corrections:
            processed = preprocess(self.store.sound(correction), preprocessing)
            if processed.waveform is None or processed.figures is None:
                raise TrainingError(f"Correction {correction.id} cannot be used: {processed.fault}. Withdraw it.")
            seconds = processed.figures["seconds"]
            if longest is not None and seconds > longest:
                self.left_out[correction.id] = f"It is {seconds:.1f} s long; a voice learns from {longest:g} s at most."
                continue
            path = self.folder / "wavs" / f"{correction.id}.wav"
            write_wav(path, processed.waveform, self.profile.audio.sampling_rate)
            clips.append(Clip(path, correction.spoken))
        if not clips:
            raise TrainingError(
                f"All {len(self.left_out)} accepted corrections are longer than {longest:g} s, more than a voice "
                "learns from at a time. Record them again, one sentence at a time."
            )
        self.corrections = [one for one in self.corrections if one.id not in self.left_out]
        return hold_out(clips, self.profile.feedback.held_out_share)

    def _ordinary_clips(self, voice: Voice) -> tuple[Parts, bool]:
        """Recordings for replay, against forgetting; without any, speech of the voice itself. Returns whether it is."""
        try:
            return clips_of(self.profile), False
        except (CorpusError, TrainingError) as error:
            warnings.warn(
                f"There are no ordinary recordings to train with ({error}) The voice practises its own earlier speech "
                "in their place, and must not move far from it. It is better to prepare the recordings that it came "
                "from.",
                stacklevel=3,
            )
        spoken = [self._own_speech(voice, text) for text in ordinary_sentences(4 * RETENTION_SENTENCES)]
        return Parts(spoken[RETENTION_SENTENCES:], [], spoken[:RETENTION_SENTENCES]), True

    def _own_speech(self, voice: Voice, text: str) -> Clip:
        path = self.folder / "own-speech" / f"{hashlib.sha256(text.encode('utf-8')).hexdigest()[:12]}.wav"
        if not path.is_file():
            write_wav(path, speak_spoken(voice, text, seed=2), self.profile.audio.sampling_rate)
        return Clip(path, text)

    def finish(self, notify: Callable[[str], None] = print) -> FeedbackResult:
        """Compare before and after, publish the voice, and mark its corrections as used.

        It becomes the current voice unless it has faults (`entry.faults`). If no step was better than the voice it
        started from, nothing changes. notify: called with a line of text before each stage.
        """
        best, step = self.trainer.best_voice()
        voice = best if step else None  # step 0 is the validation of the parent itself
        notify(f"The best voice is that of step {step} (of {self.trainer.step}).")
        parent = load_voice(str(self.parent.folder))
        parent.model.to(device=best.model.device)  # type: ignore[call-arg]
        notify("Measuring the sentences that must not get worse ...")
        elsewhere, faults = self._elsewhere(parent, voice, sampled(self.base.test, RETENTION_SENTENCES))
        notify("Measuring the corrections ...")
        learned = self._change(parent, voice, self.learned)
        held_out = self._change(parent, voice, self.held_out) if self.held_out else None
        entry = self.parent
        if voice is not None:
            voice.card = self._card(parent, step) | {
                "learned": dataclasses.asdict(learned),
                "elsewhere": dataclasses.asdict(elsewhere),
                "faults": faults,
                "held_out": dataclasses.asdict(held_out) if held_out else None,
            }
            origin = origin_of(self.profile, self.parent)
            entry = registry.publish(voice, self.parent.name, readme, origin=origin, notify=notify)
            mark_voices(self.store)
        return FeedbackResult(entry, voice is not None, learned, held_out, elsewhere)

    def _card(self, parent: Voice, step: int) -> dict:
        """The voice's card, without its metrics."""
        return {
            "name": f"kurdtts {self.profile.name}",
            "base_voice": parent.card.get("base_voice", self.parent.name),
            "licence": licence_of(parent, self.parent.folder.name),
            "parent": self.parent.version,
            "data": f"{len(self.corrections)} corrections",
            "corrections": [one.id for one in self.corrections],
            "corrections_read_at": self.read_at,
            "corrections_left_out": self.left_out,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "kurdtts": __version__,
            "steps": step,
            "steps_trained": self.trainer.step,
            "training_seconds": self.trainer.seconds,
            "rehearsal": self.rehearsal,
            "settings": describe(self.trainer.settings),
        }

    def _elsewhere(self, parent: Voice, voice: Voice | None, clips: Sequence[Clip]) -> tuple[MetricChange, list[str]]:
        """The change on ordinary sentences, and the voice's faults."""
        was = self._likeness(_speech(parent, clips), clips).mel_distance
        if voice is None:
            return MetricChange(len(clips), was, was), []
        speech = _speech(voice, clips)
        after = self._likeness(speech, clips)
        allowed = was + OWN_SPEECH_NEPERS if self.rehearsal else was * (1 + self.profile.feedback.tolerance)
        return MetricChange(len(clips), was, after.mel_distance), registry.faults_of(speech, after, was, allowed)

    def _change(self, parent: Voice, voice: Voice | None, clips: Sequence[Clip]) -> MetricChange:
        was = self._likeness(_speech(parent, clips), clips).mel_distance
        after = was if voice is None else self._likeness(_speech(voice, clips), clips).mel_distance
        return MetricChange(len(clips), was, after)

    def _likeness(self, speech: Sequence[np.ndarray], clips: Sequence[Clip]) -> _Likeness:
        audio = self.profile.audio
        pairs = list(zip(load(clips, audio), speech, strict=True))
        return _Likeness(
            sentences=len(pairs),
            mel_distance=float(np.mean([distances.mel_distance(*pair, audio) for pair in pairs])),
            loudness_difference_db=float(np.mean([levels.rms_db(b) - levels.rms_db(a) for a, b in pairs])),
            clipped_share=float(np.mean([levels.clipped_share(waveform) for waveform in speech])),
        )


def _speech(voice: Voice, clips: Sequence[Clip]) -> list[np.ndarray]:
    return [speak_spoken(voice, clip.text) for clip in clips]


def mark_voices(store: FeedbackStore) -> None:
    """Mark in the store which voices learned from which corrections, according to their cards. Idempotent.

    The card is written together with the voice, so nothing is lost if a training is killed before this is called.
    """
    there = {correction.id for correction in store.corrections()}
    for entry in registry.voices():
        # A card may name corrections of another store.
        if ids := [id for id in entry.card.get("corrections", []) if id in there]:
            store.mark_used(ids, entry.folder.name, entry.card.get("corrections_read_at", ""))


def only_training() -> AbstractContextManager[None]:
    """Hold the lock of feedback trainings on this machine, which is also released if the process is killed.

    Raises TrainingError if another program holds it.
    """
    busy = TrainingError("Another training on corrections is running. Wait until it is done.")
    return locked(home() / "runs" / "feedback", busy)
