"""Fine-tune a base voice on a prepared corpus, evaluate it on held-out sentences, and publish it with its metrics."""

import dataclasses
import datetime
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate.utils import gather_object

from kurdtts_lib import __version__
from kurdtts_lib.core.cards import UNKNOWN_LICENCE, public_name, render
from kurdtts_lib.core.errors import TrainingError, VoiceError
from kurdtts_lib.core.settings import Profile
from kurdtts_lib.data.dataset import balanced
from kurdtts_lib.data.training_set import clips_of, corpus_settings, speakers_of
from kurdtts_lib.evaluation.confidence import Estimate, shown
from kurdtts_lib.evaluation.evaluate import RECORDING, Evaluation, evaluate, system_of
from kurdtts_lib.evaluation.held_out import counted, held_out
from kurdtts_lib.evaluation.limits import limits_broken
from kurdtts_lib.evaluation.metrics import METRIC_DESCRIPTIONS
from kurdtts_lib.evaluation.report import as_files
from kurdtts_lib.evaluation.validation import validator
from kurdtts_lib.evaluation.words import Listener
from kurdtts_lib.text import without_marks
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.marks import with_marks
from kurdtts_lib.vits.mms import mms_code, mms_discriminator
from kurdtts_lib.vits.speakers import add_speakers
from kurdtts_lib.vits.trainer import Trainer, this_process
from kurdtts_lib.vits.voice import Voice, load_unfolded, load_voice
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.card import VoiceCard
from kurdtts_lib.voices.lineage import origin_of

MMS_LICENCE = "CC BY-NC 4.0"
BEFORE, AFTER = "base voice", "new voice"
"""Names of the two systems in a training's report."""
SAMPLES = 5
"""Test sentences whose audio is saved beside the voice."""


class FineTuningResult(NamedTuple):
    """A finished fine-tuning."""

    entry: registry.RegisteredVoice
    """The new voice; its `faults` say why it did not become the current one."""
    evaluation: Evaluation
    """Of `BEFORE` and `AFTER`, on test sentences that were used neither to train nor to choose the step."""


def check_machine(profile: Profile) -> None:
    """Raise TrainingError if this machine cannot run the profile's training in its precision."""
    precision, card = profile.training.mixed_precision, torch.cuda.is_available()
    if precision == "bf16" and card and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise TrainingError("This graphics card has no bf16. Train with mixed_precision=fp16.")
    if precision == "fp16" and not card:
        raise TrainingError(
            "This training computes in fp16, which needs an NVIDIA card; on a processor it would take many times "
            "longer. Take a machine with a card, or compute in fp32: `kurdtts train --preset cpu`; in a notebook "
            'profile = dataclasses.replace(profile, training=with_preset(profile.training, "cpu")).'
        )


def prepare_training(profile: Profile) -> Trainer:
    """A trainer for the profile's base voice and prepared data; it resumes if its folder holds a checkpoint.

    Raises TrainingError if the data do not suffice or this machine cannot run the profile's training.
    """
    parts = clips_of(profile)
    check_machine(profile)
    base = voice_for(load_unfolded(profile.base_voice), speakers_of(profile.prepared_dir, parts.train))
    if any(clip.text != without_marks(clip.text) for clip in parts.train):  # data of an older version has no marks
        base = with_marks(base)
    teacher = load_voice(profile.base_voice)
    teacher.model.to(device=this_process().device)
    if base.discriminator is None and (code := mms_code(profile.base_voice)):
        base.discriminator = _published_discriminator(code)
    listener = Listener(teacher, profile.audio)
    validate = validator(parts.validation, profile.audio, profile.training.validation_clips, listener)
    return Trainer(base, balanced(parts.train), validate, profile.training, profile.audio, profile.training_dir)


def voice_for(base: Voice, speakers: Sequence[str]) -> Voice:
    """`base` as a training on these speakers begins: conditioned on them, or for a single speaker with one speaker.

    A base voice of several speakers keeps those who are in the data; for others its first one is the beginning.
    """
    if len(speakers) > 1 and set(speakers) <= set(base.speakers):
        return base
    known = [name for name in speakers if name in base.speakers] or base.speakers
    single = base.speaking_as(*known[:1])
    return single if len(speakers) < 2 else dataclasses.replace(single, model=add_speakers(single.model, speakers))


def _published_discriminator(code: str) -> VitsDiscriminator | None:
    """MMS's discriminator, in all processes or in none."""
    faults: list[str] = []
    try:
        found = mms_discriminator(code)  # one process downloads it, the others wait for the file
    except VoiceError as error:
        faults = [str(error)]
    if not (faults := gather_object(faults)):
        return found
    warnings.warn(f"The training begins without MMS's discriminator. {faults[0]}", stacklevel=3)
    return None


def finish_training(trainer: Trainer, profile: Profile, notify: Callable[[str], None] = print) -> FineTuningResult:
    """Evaluate the base and the best fine-tuned voice on test sentences, then publish the latter with its card.

    The best voice is chosen by `Validation.scores`, on the validation sentences. `notify` is called with a line
    of text before each stage; on a large corpus a stage takes minutes.
    """
    parts = clips_of(profile)
    voice, step = trainer.best_voice()
    notify(f"The best voice is that of step {step} (of {trainer.step}), by the validation sentences.")
    notify("Measuring the recordings ...")
    sentences = held_out(profile)
    notify(f"Test sentences: {sentences.size}.")
    base = load_voice(profile.base_voice)
    base.model.to(device=voice.model.device)
    speaking = voice.speaking_as(*voice.speakers[:1])
    systems = {BEFORE: system_of(base), AFTER: system_of(speaking)}

    def announce(done: int, stage: str, of: int) -> None:
        if done == 1:
            notify(f"{stage[0].upper()}{stage[1:]}, {of} sentences ...")

    evaluation = evaluate(systems, sentences, progress=announce, listener=Listener(base, profile.audio))
    parent = next(iter(registry.known([profile.base_voice])), None)
    voice.card = trained_card(
        trainer,
        step,
        name=f"kurdtts {profile.name}",
        base_voice=public_name(profile.base_voice),
        parent=parent.version if parent else None,
        licence=licence_of(voice, profile.base_voice),
        data=public_name(corpus_settings(profile.prepared_dir).source),
        faults=limits_broken(evaluation, AFTER),
        speakers=voice.speakers,
        training_clips=len(parts.train),
        validation_clips=len(parts.validation),
        test_clips=len(sentences.texts),
        test_clips_of=sentences.of,
        before={name: found.mean for name, found in evaluation.estimates[BEFORE].items()},
        after={name: found.mean for name, found in evaluation.estimates[AFTER].items()},
        differences={name: asdict(found) for name, found in evaluation.differences[AFTER].items()},
        likeness_baselines=asdict(sentences.baselines),
    ).content()
    origin = origin_of(profile, parent)
    entry = registry.publish(voice, profile.name, _readme, _samples(evaluation), as_files(evaluation), origin)
    return FineTuningResult(entry, evaluation)


def trained_card(trainer: Trainer, step: int, **facts: Any) -> VoiceCard:
    """The card of the voice at `step` of a training that ends now. facts: its other fields."""
    return VoiceCard(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        kurdtts=__version__,
        steps=step,
        steps_trained=trainer.step,
        training_seconds=trainer.seconds,
        settings=dataclasses.asdict(trainer.settings),
        **facts,
    )


def _samples(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """By file name, waveforms (samples,) of the first test sentences: as recorded, before and after."""
    return {
        f"{number:02d}-{kind}.wav": waveform
        for kind, name in (("recording", RECORDING), ("before", BEFORE), ("after", AFTER))
        for number, waveform in enumerate(evaluation.waveforms[name][:SAMPLES], 1)
    }


def licence_of(voice: Voice, base_voice: str) -> str:
    """The licence that a voice fine-tuned from `voice` inherits: its card's, MMS's for an MMS voice, or unknown."""
    default = MMS_LICENCE if base_voice.startswith("facebook/mms-tts") else UNKNOWN_LICENCE
    return voice.card.get("licence", default)


def _readme(card: VoiceCard) -> str:
    assert card.before and card.after and card.differences and card.test_clips and card.test_clips_of
    rows = [
        (METRIC_DESCRIPTIONS[name].title, shown(card.before[name]), shown(after), Estimate(**card.differences[name]))
        for name, after in card.after.items()
    ]
    return render("voices/voice.md", card=card, rows=rows, measured_on=counted(card.test_clips, card.test_clips_of))
