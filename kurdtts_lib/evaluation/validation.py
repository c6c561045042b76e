"""Validation during training: the voice speaks held-out sentences, which are compared with their recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kurdtts_lib.audio import levels
from kurdtts_lib.audio.io import decode, write_wav
from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.data.dataset import Clip, sampled
from kurdtts_lib.evaluation.metrics import mel_distance
from kurdtts_lib.evaluation.words import Listener, word_test
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.checkpoint import writing
from kurdtts_lib.vits.log import Validation
from kurdtts_lib.vits.voice import Voice

DEMOS = 4
"""Sentences whose audio is saved at each validation: enough to hear progress, with little disk space."""


class Likeness(NamedTuple):
    """A voice's speech compared with recordings of the same sentences: fast metrics."""

    mel_distances: list[float]
    """Of each sentence."""
    loudness_difference_db: float
    speech: list[np.ndarray]
    """(samples,) of each sentence."""

    @property
    def mel_distance(self) -> float:
        """Mean over the sentences."""
        return float(np.mean(self.mel_distances))


def likeness(voice: Voice, clips: Sequence[Clip], audio: AudioSettings) -> Likeness:
    """Speak the sentence of each clip and compare it with the recording.

    Raises TrainingError if the speech is not finite.
    """
    mel_distances, loudness, spoken = [], [], []
    voices = {speaker: voice.speaking_as(speaker) for speaker in {clip.speaker for clip in clips}}
    for clip in clips:
        speech = speak(voices[clip.speaker], clip.text, level=False, normalized=True)
        recording = decode(clip.path, audio.sampling_rate)
        if not np.isfinite(speech).all():
            raise TrainingError(
                "The voice's sound is not a number. The last checkpoint is whole: start again with half the learning "
                "rate."
            )
        mel_distances.append(mel_distance(recording, speech, audio))
        loudness.append(levels.rms_db(speech) - levels.rms_db(recording))
        spoken.append(speech)
    return Likeness(mel_distances, float(np.mean(loudness)), spoken)


@dataclass(frozen=True)
class Validator:
    """The callable that a `Trainer` calls at each validation."""

    clips: Sequence[Clip]
    audio: AudioSettings
    listener: Listener | None = None

    def __call__(self, voice: Voice, step: int, folder: Path) -> Validation:
        """The `likeness` after `step` steps; the speech of the first `DEMOS` clips is saved as WAV in `folder`.

        Cleanliness is not part of the scores: DNSMOS takes half a second of processor time a sentence, more than
        all else of a validation, and both terms grow with noise.
        Raises TrainingError if the speech is not finite, or if a file cannot be written.
        """
        found = likeness(voice, self.clips, self.audio)
        for number, speech in enumerate(found.speech[:DEMOS], 1):
            path = demo_path(folder, step, number)
            with writing(path):
                write_wav(path, speech, self.audio.sampling_rate)
        scores, margin = found.mel_distances, None
        if self.listener:
            texts = word_test([clip.text for clip in self.clips], [])
            margins = self.listener.metrics(found.speech, texts)["words_margin"]
            scores, margin = (np.array(scores) + 1 - margins.to_numpy()).tolist(), float(margins.mean())
        return Validation(step, found.mel_distance, found.loudness_difference_db, margin, scores)


def validator(
    clips: Sequence[Clip], audio: AudioSettings, most: int, listener: Listener | None = None
) -> Validator | None:
    """A validator on at most `most` of the clips, chosen by the hash of their sentences; None without clips."""
    return Validator(sampled(clips, most), audio, listener) if clips else None


def demo_path(folder: Path, step: int, number: int) -> Path:
    """Path of the audio of sentence `number` (from 1) after `step` steps."""
    return folder / f"step-{step:06d}-{number}.wav"
