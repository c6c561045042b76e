"""Fine-tune the current voice on the store's corrections, and publish it as a new version if it forgot nothing."""

import dataclasses
import hashlib
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from kurdtts_lib.audio.io import write_wav
from kurdtts_lib.core.cards import render
from kurdtts_lib.core.errors import CorpusError, TrainingError
from kurdtts_lib.core.settings import Profile, home
from kurdtts_lib.data.dataset import Clip, Parts
from kurdtts_lib.data.preprocess import preprocess
from kurdtts_lib.data.training_set import clips_of
from kurdtts_lib.evaluation.evaluate import evaluate, system_of
from kurdtts_lib.evaluation.held_out import held_out_of
from kurdtts_lib.evaluation.limits import limits_broken
from kurdtts_lib.evaluation.validation import likeness, validator
from kurdtts_lib.evaluation.words import CHOICES, Listener
from kurdtts_lib.feedback.database import now
from kurdtts_lib.feedback.replay import REPLAY_CLIPS, hold_out, mix, ordinary_sentences
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.finetune import check_machine, licence_of, trained_card
from kurdtts_lib.voices.lineage import check_profile, origin_of
from kurdtts_lib.voices.registry import RegisteredVoice

BEFORE, AFTER = "voice before", "new voice"
"""Names of the two systems in the evaluation."""
CHANGES = {
    "learned": "the corrections it learned from",
    "held_out": "the corrections held out",
    "elsewhere": "the sentences that must not get worse",
}
"""What is measured before and after a training; the last one decides whether the voice becomes the current one."""
RETENTION_SENTENCES = 12
"""Ordinary sentences on which forgetting is measured."""
OWN_SPEECH_NEPERS = 0.25
"""Allowed mel distance where a voice is compared with its own earlier speech, above that of its parent. Speech of one
voice with two seeds is 0.1 to 0.3 apart; 0.25 is 2 dB."""


class MetricChange(NamedTuple):
    """Mean mel distance (nepers) between speech and recordings of some sentences, before and after."""

    sentences: int
    before: float
    after: float


class FeedbackResult(NamedTuple):
    """The result of a training on corrections."""

    entry: RegisteredVoice
    """The new voice; without a better step, the one that the training started from."""
    better: bool
    """Whether a step was nearer to the held-out corrections than the voice it started from. If not, no voice is
    published, no correction is marked as used, and `before` equals `after`."""
    learned: MetricChange
    """On corrections that it was trained on."""
    held_out: MetricChange | None
    """On held-out corrections, which chose the step. None if there was only one correction."""
    elsewhere: MetricChange
    """On ordinary sentences, which must not get worse."""

    @property
    def message(self) -> str:
        """The result in a sentence."""
        version = self.entry.version
        if not self.better:
            return (
                f"Nothing better was found: no step came nearer to the held-out corrections than voice {version}, so "
                "it stays the current voice, and the corrections stay as they were. More corrections may help."
            )
        if self.entry.faults:
            return f"Voice {version} was made and did not become the current voice: {' '.join(self.entry.faults)}"
        return f"Voice {version} was made and is the current voice now."

    @property
    def changes(self) -> dict[str, Any]:
        """The three changes as data."""
        return {name: change and change._asdict() for name, change in self._asdict().items() if name in CHANGES}

    def voice_facts(self, left_out: dict[str, str]) -> dict | None:
        """The new voice as data for other programs. left_out: why, by correction. None if no voice was published."""
        about = {"version": self.entry.version, "voice": self.entry.folder.name, "faults": self.entry.faults}
        return {**about, **self.changes, "left_out": left_out} if self.better else None


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
        feedback = profile.feedback
        taken_over = ("steps", "learning_rate", "frozen", "validate_every", "patience")
        settings = dataclasses.replace(
            profile.training,
            **{name: getattr(feedback, name) for name in taken_over},
            checkpoint_every=feedback.validate_every,
            adversarial_from=feedback.steps,  # never: the decoder does not learn
            discriminator_warmup=0,
        )
        mixed = mix(self.learned, self.base.train, feedback.base_share)
        validate = validator(self.held_out, profile.audio, settings.validation_clips)
        self.trainer = Trainer(voice, mixed, validate, settings, profile.audio, self.folder)

    def _digest(self) -> str:
        """Identifies the run's folder: a training of the same voice on the same corrections resumes there."""
        facts = [self.parent.folder.name, str(self.profile.feedback), str(self.profile.prepared_dir)]
        facts.append(f"{self.profile.corpus.max_seconds} {REPLAY_CLIPS} {RETENTION_SENTENCES}")
        facts += [f"{one.id} {one.digest} {one.spoken}" for one in self.corrections]
        return hashlib.sha256("\n".join(facts).encode("utf-8")).hexdigest()[:12]

    def _corrected_clips(self) -> tuple[list[Clip], list[Clip]]:
        """The corrections' audio, preprocessed as all recordings are: clips to train on, and clips held out."""
        rate = self.profile.audio.sampling_rate
        longest, clips = self.profile.corpus.max_seconds, []
        for correction in self.corrections:
            processed = preprocess(self.store.sound(correction), self.profile.corpus, rate)
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
        clips = []
        for text in ordinary_sentences(4 * RETENTION_SENTENCES):
            path = self.folder / "own-speech" / f"{hashlib.sha256(text.encode('utf-8')).hexdigest()[:12]}.wav"
            if not path.is_file():
                waveform = speak(voice, text, seed=2, level=False, normalized=True)
                write_wav(path, waveform, self.profile.audio.sampling_rate)
            clips.append(Clip(path, text))
        return Parts(clips[RETENTION_SENTENCES:], [], clips[:RETENTION_SENTENCES]), True

    def finish(self, notify: Callable[[str], None] = print) -> FeedbackResult:
        """Compare before and after, publish the voice, and mark its corrections as used.

        It becomes the current voice unless it breaks a limit (`limits_broken`), which `entry.faults` then names. If no
        step was better than the voice it started from, nothing changes. notify: called with a line of text before each
        stage.
        """
        best, step = self.trainer.best_voice()
        notify(f"The best voice is that of step {step} (of {self.trainer.step}).")
        parent = load_voice(str(self.parent.folder))
        parent.model.to(device=best.model.device)
        voices = [parent, best] if step else [parent]  # step 0 is the validation of the parent itself
        changes: dict[str, Any] = {}
        for name, clips in (("learned", self.learned), ("held_out", self.held_out)):
            notify(f"Measuring {CHANGES[name]} ...")
            found = [likeness(voice, clips, self.profile.audio).mel_distance for voice in voices if clips]
            changes[name] = MetricChange(len(clips), found[0], found[-1]) if found else None
        notify(f"Measuring {CHANGES['elsewhere']} ...")
        ordinary = held_out_of(self.base, self.profile.audio, RETENTION_SENTENCES)
        # Half of the sentences for words take half of the time.
        ordinary = dataclasses.replace(ordinary, word_texts=ordinary.word_texts[:CHOICES])
        systems = dict(zip((BEFORE, AFTER), map(system_of, voices), strict=False))
        evaluation = evaluate(systems, ordinary, listener=Listener(parent, self.profile.audio) if step else None)
        distances = [evaluation.metrics(name).mel_distance for name in systems]
        changes["elsewhere"] = MetricChange(len(ordinary.texts), distances[0], distances[-1])
        result = FeedbackResult(self.parent, bool(step), **changes)
        if step:
            was = distances[0]
            allowed = was + (OWN_SPEECH_NEPERS if self.rehearsal else was * self.profile.feedback.tolerance)
            faults = limits_broken(evaluation, AFTER, allowed)
            best.card = trained_card(
                self.trainer,
                step,
                name=f"kurdtts {self.profile.name}",
                base_voice=parent.card.get("base_voice", self.parent.name),
                parent=self.parent.version,
                licence=licence_of(parent, self.parent.folder.name),
                data=f"{len(self.corrections)} corrections",
                faults=faults,
                corrections=[one.id for one in self.corrections],
                corrections_read_at=self.read_at,
                corrections_left_out=self.left_out,
                rehearsal=self.rehearsal,
                **result.changes,
            ).content()
            origin = origin_of(self.profile, self.parent)
            entry = registry.publish(
                best, self.parent.name, lambda card: render("feedback/voice.md", card=card), origin=origin
            )
            mark_voices(self.store)
            result = result._replace(entry=entry)
        return result


def mark_voices(store: FeedbackStore) -> None:
    """Mark in the store which voices learned from which corrections, according to their cards. Idempotent.

    The card is written together with the voice, so nothing is lost if a training is killed before this is called.
    """
    there = {correction.id for correction in store.corrections()}
    for entry in registry.voices():
        # A card may name corrections of another store.
        if ids := [id for id in entry.card.corrections if id in there]:
            store.mark_used(ids, entry.folder.name, entry.card.corrections_read_at)
