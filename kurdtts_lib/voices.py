"""From a prepared corpus and a base voice to a published voice with honest figures on its card."""

import datetime
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kurdtts_lib import __version__, measures
from kurdtts_lib.corpus.clips import Clip, read_metadata, split
from kurdtts_lib.corpus.preparation import corpus_settings, other_speakers
from kurdtts_lib.errors import TrainingError
from kurdtts_lib.judging import Figures, compare, load
from kurdtts_lib.settings import Profile, describe
from kurdtts_lib.vits.synthesis import speak
from kurdtts_lib.vits.training import Trainer
from kurdtts_lib.vits.voice import Voice, load_voice, save_voice

MMS_LICENCE = "CC BY-NC 4.0"
UNKNOWN_LICENCE = "unknown: ask the maker of the base voice"
SPEAKER_CLIPS = 200
"""Training clips that stand for the speaker when voices are compared: enough for stable statistics."""
SAMPLES = 5
"""Held-out sentences kept beside the voice as sound."""


@dataclass(frozen=True)
class LikenessBaselines:
    """What the speaker distance is for real speech: without these the figure means nothing."""

    same_voice: float
    """The speaker's held-out recordings against the speaker's training recordings."""
    other_voices: float | None
    """The nearest of at most four other speakers of the corpus, against the same; None if there is none."""


@dataclass(frozen=True)
class Result:
    """A finished fine-tuning, measured on held-out sentences only."""

    folder: Path
    before: Figures
    after: Figures
    baselines: LikenessBaselines


def prepare_training(profile: Profile) -> Trainer:
    """A trainer for the profile's base voice and prepared data, resumed where its folder holds a checkpoint."""
    training, validation = training_and_validation(profile)
    if not validation:
        raise TrainingError("No sentence is held out; no honest figure is possible. Prepare more clips.")
    base = load_voice(profile.base_voice)
    return Trainer(base, training, validation, profile.training, profile.audio, profile.training_dir)


def finish_training(trainer: Trainer, profile: Profile, tell: Callable[[str], None] = print) -> Result:
    """Judge the base and the fine-tuned voice on all held-out sentences, then save the voice with its card.

    `tell` is called with a line before each part of the work, which takes minutes on a large corpus.
    """
    training, validation = training_and_validation(profile)
    tell("Measuring the recordings ...")
    recordings, speaker = load(validation, profile.audio), load(training[:SPEAKER_CLIPS], profile.audio)
    baselines = likeness_baselines(profile, recordings, speaker)
    tell("Measuring the base voice ...")
    base = load_voice(profile.base_voice)
    base.model.to(device=trainer.voice.model.device)  # type: ignore[call-arg]
    spoken_before = [speak(base, clip.text) for clip in validation]
    before = compare(spoken_before, recordings, speaker, profile.audio)
    tell("Measuring the new voice ...")
    spoken_after = [speak(trainer.voice, clip.text) for clip in validation]
    after = compare(spoken_after, recordings, speaker, profile.audio)
    trainer.voice.card = {
        "name": f"kurdtts {profile.name}",
        "base_voice": _public_name(profile.base_voice),
        "licence": licence_of(trainer.voice, profile.base_voice),
        "data": _public_name(corpus_settings(profile.prepared_dir).source),
        "training_clips": len(training),
        "held_out_clips": len(validation),
        "steps": trainer.step,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "kurdtts": __version__,
        "settings": describe(profile.training),
        "before": asdict(before),
        "after": asdict(after),
        "likeness_baselines": asdict(baselines),
    }
    samples = _samples(recording=recordings, before=spoken_before, after=spoken_after)
    save_voice(trainer.voice, profile.voice_dir, _readme(trainer.voice.card), samples)
    return Result(profile.voice_dir, before, after, baselines)


def _public_name(source: str) -> str:
    """A hub name as it is; of a folder only its last part: a card travels, the reader's paths should not."""
    return Path(source).name if Path(source).exists() else source


def _samples(**sounds: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The first sentences of each kind of sound, by file name."""
    return {
        f"{number:02d}-{kind}.wav": waveform
        for kind, waveforms in sounds.items()
        for number, waveform in enumerate(waveforms[:SAMPLES], 1)
    }


def likeness_baselines(
    profile: Profile, recordings: list[np.ndarray], speaker: list[np.ndarray], clips_per_speaker: int = 12
) -> LikenessBaselines:
    """The held-out `recordings`, and other speakers, each against the `speaker`'s training clips."""
    others = other_speakers(profile.prepared_dir, profile.audio, clips_per_speaker)
    distances = [measures.speaker_distance(speaker, speech, profile.audio) for speech in others.values()]
    same = measures.speaker_distance(speaker, recordings, profile.audio)
    return LikenessBaselines(same, min(distances, default=None))


def training_and_validation(profile: Profile) -> tuple[list[Clip], list[Clip]]:
    """The prepared clips in two parts, as the prepared folder's own settings split them."""
    share = corpus_settings(profile.prepared_dir).validation_share
    return split(read_metadata(profile.prepared_dir), share)


def licence_of(voice: Voice, base_voice: str) -> str:
    """A fine-tuned voice inherits its base's licence."""
    if "licence" in voice.card:
        return voice.card["licence"]
    return MMS_LICENCE if base_voice.startswith("facebook/mms-tts") else UNKNOWN_LICENCE


def _readme(card: dict) -> str:
    rows = "\n".join(
        f"| {name.replace('_', ' ')} | {card['before'][name]:.2f} | {card['after'][name]:.2f} |"
        for name in card["after"]
    )
    return f"""# {card["name"]}

A Kurmanji voice, fine-tuned from `{card["base_voice"]}`.

- Licence: {card["licence"]} (inherited from the base voice)
- Data: {card["data"]}, {card["training_clips"]} clips; {card["held_out_clips"]} sentences held out
- Training: {card["steps"]} steps, {card["date"]}, kurdtts {card["kurdtts"]}

Measured on the held-out sentences, against the real recordings:

| figure | base voice | this voice |
|---|---|---|
{rows}
"""
