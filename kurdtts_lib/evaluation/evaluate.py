"""One judging: every voice speaks the test sentences, and everything that is said about it comes from here."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas

from kurdtts_lib.core.errors import EvaluationError, VoiceError
from kurdtts_lib.evaluation.confidence import Estimate, estimate
from kurdtts_lib.evaluation.held_out import HeldOut
from kurdtts_lib.evaluation.metric_descriptions import METRIC_DESCRIPTIONS
from kurdtts_lib.evaluation.metrics import Metrics, Progress, means, measured, measured_recordings
from kurdtts_lib.evaluation.resynthesis import resynthesise
from kurdtts_lib.speech.raw import speak_spoken
from kurdtts_lib.vits.voice import Voice

RECORDING = "recording"


@dataclass(frozen=True)
class SystemSpeech:
    """All test sentences as one voice says them, or as they were recorded."""

    name: str
    voice: Voice | None
    """None: these are the recordings."""
    waveforms: list[np.ndarray]
    held_out: HeldOut

    @functools.cached_property
    def copies(self) -> list[np.ndarray]:
        """The recordings as the voice copies them; see `copying`."""
        assert self.voice is not None
        reference = self.held_out.reference
        return [resynthesise(self.voice, recording, reference.audio) for recording in reference.recordings]


@dataclass(frozen=True)
class OptionalMetric:
    """One more figure than every judging has."""

    name: str
    """As in `meanings.MEANINGS`."""
    of_recordings: bool
    """Whether it means something for the recordings, too."""
    score: Callable[[SystemSpeech, int], float]
    """Of the sentence with this number, from 0; NaN where it is not defined."""


@dataclass(frozen=True)
class Evaluation:
    """What was found. Voices by name; the recordings are called `recording`."""

    held_out: HeldOut
    values: dict[str, pandas.DataFrame]
    """(sentences, figures), NaN where a figure is not defined; the recordings first, then the voices as given."""
    sounds: dict[str, list[np.ndarray]]
    """What was judged, at the data's sampling rate."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Figures that could not be had here, and why."""
    remarks: list[str] = field(default_factory=list)

    @property
    def voices(self) -> list[str]:
        """Names without the recordings."""
        return [name for name in self.values if name != RECORDING]

    @property
    def names(self) -> list[str]:
        """Of all figures, in the order in which they are explained."""
        found = set(itertools.chain.from_iterable(self.values.values()))
        return [name for name in METRIC_DESCRIPTIONS if name in found]

    def figures(self, voice: str) -> Metrics:
        """The means that a voice's card holds."""
        return means(self.values[voice])

    @functools.cached_property
    def estimates(self) -> dict[str, dict[str, Estimate]]:
        """Mean and interval of each figure, by voice."""
        return {
            voice: {name: estimate(table[name]) for name in self.names if name in table}
            for voice, table in self.values.items()
        }

    @functools.cached_property
    def differences(self) -> dict[str, dict[str, Estimate]]:
        """Of each voice to the first one, sentence by sentence."""
        first = self.values[self.voices[0]]
        return {
            voice: {name: estimate(self.values[voice][name] - first[name]) for name in self.names if name in first}
            for voice in self.voices[1:]
        }

    def table(self) -> pandas.DataFrame:
        """A row a figure, a column a voice, and the difference of each to the first, with intervals as texts."""
        columns = {
            **{voice: found for voice, found in self.estimates.items()},
            **{f"{voice}, difference": found for voice, found in self.differences.items()},
        }
        texts = {
            column: {METRIC_DESCRIPTIONS[name].title: self._cell(found.get(name)) for name in self.names}
            for column, found in columns.items()
        }
        return pandas.DataFrame(texts)

    def _cell(self, found: Estimate | None) -> str:
        if found is None:
            return ""
        return str(found) if found.n == len(self.held_out.texts) else f"{found}, n = {found.n}"

    def undefined(self) -> Iterator[tuple[str, str, int]]:
        """(voice, figure, sentences) for which a figure is not defined, where there are any."""
        for voice, found in self.estimates.items():
            for name, value in found.items():
                if value.n < len(self.held_out.texts):
                    yield voice, name, len(self.held_out.texts) - value.n


def evaluate(
    voices: Mapping[str, Voice],
    held_out: HeldOut,
    extras: Sequence[OptionalMetric] = (),
    left_out: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Let each voice speak the test sentences and measure them against the recordings.

    left_out: figures that were asked for and cannot be had, with the reason, to be shown.
    Raises JudgingError without a voice or for a voice of another sampling rate, VoiceError if its sound is not a
    number, TextError for a sentence that it cannot say.
    """
    if not voices:
        raise EvaluationError("There is no voice to judge. Name one: its folder, its number or its name on the hub.")
    reference = held_out.reference
    spoken = [SystemSpeech(RECORDING, None, list(reference.recordings), held_out)]
    for name, voice in voices.items():
        spoken.append(SystemSpeech(name, voice, _speech(name, voice, held_out, progress), held_out))
    values = {}
    for one in spoken:
        if one.voice is None:
            table = measured_recordings(reference)
        else:
            table = measured(one.waveforms, reference, progress, f"measuring {one.name}")
        values[one.name] = table.assign(**_extra_columns(one, extras, progress))
    sounds = {one.name: one.waveforms for one in spoken}
    return Evaluation(held_out, values, sounds, dict(left_out or {}))


def _speech(name: str, voice: Voice, held_out: HeldOut, progress: Progress | None) -> list[np.ndarray]:
    rate, needed = voice.model.config.sampling_rate, held_out.reference.audio.sampling_rate
    if rate != needed:
        raise EvaluationError(
            f"{name} speaks at {rate} Hz, and the recordings have {needed} Hz: they cannot be compared."
        )
    waveforms = []
    for number, text in enumerate(held_out.texts, 1):
        waveform = speak_spoken(voice, text)
        if not np.isfinite(waveform).all():
            raise VoiceError(f"{name} is broken: its sound is not a number in the sentence {text!r}.")
        waveforms.append(waveform)
        if progress:
            progress(number, f"{name} speaks", len(held_out.texts))
    return waveforms


def _extra_columns(
    spoken: SystemSpeech, extras: Sequence[OptionalMetric], progress: Progress | None
) -> dict[str, list[float]]:
    columns: dict[str, list[float]] = {}
    for extra in extras:
        if spoken.voice is None and not extra.of_recordings:
            continue
        column = columns[extra.name] = []
        for number in range(len(spoken.waveforms)):
            column.append(extra.score(spoken, number))
            if progress:
                progress(number + 1, f"{spoken.name}: {extra.name}", len(spoken.waveforms))
    return columns
