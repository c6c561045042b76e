"""One evaluation: every voice speaks the test sentences, which are measured against the recordings."""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas

from kurdtts_lib.core.errors import EvaluationError, VoiceError
from kurdtts_lib.evaluation.confidence import Estimate, estimate
from kurdtts_lib.evaluation.held_out import HeldOut
from kurdtts_lib.evaluation.metrics import METRIC_DESCRIPTIONS, Progress, recording_metrics, sentence_metrics
from kurdtts_lib.evaluation.words import Listener
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.voice import Voice

RECORDING = "recording"
OptionalMetric = Callable[[np.ndarray, str], float]
"""Value for the waveform (samples,) of a sentence, at the data's sampling rate, and its text."""


@dataclass(frozen=True)
class System:
    """Anything that speaks; `system_of` makes one from a voice."""

    speak: Callable[[str], np.ndarray]
    """Text of a prepared clip -> waveform (samples,), float32. Raises TextError for a text that it cannot say."""
    sampling_rate: int
    """Hertz."""
    check: Callable[[Sequence[str]], None] = lambda texts: None
    """Raises EvaluationError, once for all of these texts, if some cannot be had."""


def system_of(voice: Voice, normalized: bool = True) -> System:
    """normalized: whether it gets texts of prepared clips, not any text."""
    say = functools.partial(speak, voice, level=False, normalized=normalized)
    return System(say, voice.sampling_rate)


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation. Voices by name; the recordings have the name `recording`."""

    held_out: HeldOut
    values: dict[str, pandas.DataFrame]
    """(sentences, metrics), NaN where a metric is not defined; the recordings first, then the voices as given. The rows
    are `HeldOut.word_texts`: after those of the test sentences come some that have only `WORD_METRICS`; of the
    recordings these are the speaker's recordings of other sentences."""
    waveforms: dict[str, list[np.ndarray]]
    """The evaluated audio by name, each (samples,), at the data's sampling rate."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Metrics that could not be computed, and why."""

    @property
    def voices(self) -> list[str]:
        """Names of the voices, without the recordings."""
        return [name for name in self.values if name != RECORDING]

    @property
    def names(self) -> list[str]:
        """Names of all metrics, in the order of `METRIC_DESCRIPTIONS`."""
        found = set(itertools.chain.from_iterable(self.values.values()))
        return [name for name in METRIC_DESCRIPTIONS if name in found]

    def metrics(self, voice: str) -> pandas.Series:
        """Mean metrics of a voice, by name; NaN where a metric is not defined for any sentence."""
        return self.values[voice].mean()

    @functools.cached_property
    def estimates(self) -> dict[str, dict[str, Estimate]]:
        """Mean and confidence interval of each metric, by voice."""
        return {
            voice: {name: estimate(table[name]) for name in self.names if name in table}
            for voice, table in self.values.items()
        }

    @functools.cached_property
    def differences(self) -> dict[str, dict[str, Estimate]]:
        """Each voice minus the first one: estimates of the paired differences over the sentences."""
        first = self.values[self.voices[0]]
        return {
            voice: {name: estimate(table[name] - first[name]) for name in self.names if name in first and name in table}
            for voice, table in self.values.items()
            if voice in self.voices[1:]
        }

    @functools.cached_property
    def verdicts(self) -> dict[str, dict[str, str]]:
        """Of each voice but the first: `better`, `worse` or `cannot be told`, by metric, compared with the first."""
        return {
            voice: {name: self._verdict(voice, name) for name in found} for voice, found in self.differences.items()
        }

    def _verdict(self, voice: str, name: str) -> str:
        """By the interval of the paired differences of what is bad: the value itself, or its distance from the good."""
        found, good = self.differences[voice][name], METRIC_DESCRIPTIONS[name].good
        if good not in ("low", "high"):
            target = self.values[RECORDING][name] if good == "recording" else float(good)
            own, first = ((self.values[one][name] - target).abs() for one in (voice, self.voices[0]))
            found = estimate(own - first)
        if not found.differs or found.mean is None:
            return "cannot be told"
        return "better" if (found.mean > 0) == (good == "high") else "worse"

    def table(self) -> pandas.DataFrame:
        """One row per metric; columns: voices, then their differences to the first voice, as text with intervals, and
        whether they are better."""
        columns = {voice: self._cells(found) for voice, found in self.estimates.items()}
        for voice, found in self.differences.items():
            columns |= {f"{voice}, difference": self._cells(found), f"{voice} is": self.verdicts[voice]}
        table = pandas.DataFrame(columns, index=self.names).fillna("")
        return table.rename(index=lambda name: METRIC_DESCRIPTIONS[name].title)

    def _cells(self, found: dict[str, Estimate]) -> dict[str, str]:
        every = len(self.held_out.texts)
        return {name: str(one) if one.n == every else f"{one}, n = {one.n}" for name, one in found.items()}


def evaluate(
    systems: Mapping[str, System],
    held_out: HeldOut,
    optional: Mapping[str, OptionalMetric] | None = None,
    left_out: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    listener: Listener | None = None,
) -> Evaluation:
    """Let each system, by name, speak the test sentences and measure the speech against the recordings.

    optional: metrics to compute in addition, by name. left_out: metrics that cannot be computed, with reasons.
    listener: computes `WORD_METRICS`; for this alone the systems speak `HeldOut.word_texts`.
    Raises EvaluationError without a system, or for one with another sampling rate or without a sentence; VoiceError if
    its speech is not finite; TextError for a sentence that it cannot say.
    """
    if not systems:
        raise EvaluationError("There is no voice to judge. Name one: its folder, its number or its name on the hub.")
    count, reference = len(held_out.texts), held_out.reference
    texts = held_out.word_texts if listener else held_out.texts
    for system in systems.values():
        system.check(texts)
    spoken = {RECORDING: [*reference.recordings, *reference.speaker][: len(texts)]}
    spoken |= {name: _speech(name, system, held_out, progress, texts) for name, system in systems.items()}
    values = {}
    for name, waveforms in spoken.items():
        speech = waveforms[:count]
        if name == RECORDING:
            table = recording_metrics(reference)
        else:
            table = sentence_metrics(speech, reference, progress, f"measuring {name}")
        for metric, score in (optional or {}).items():
            table[metric] = 0.0
            for number, pair in enumerate(zip(speech, held_out.texts, strict=True)):
                table.loc[number, metric] = score(*pair)
                if progress:
                    progress(number + 1, f"{name}: {metric}", count)
        if listener:
            said = texts if name != RECORDING else [*held_out.texts, *held_out.speaker_texts]
            words = listener.metrics(waveforms, said, progress, f"listening to {name}")
            table = table.join(words, how="outer")
        values[name] = table
    return Evaluation(held_out, values, {name: speech[:count] for name, speech in spoken.items()}, dict(left_out or {}))


def _speech(
    name: str, system: System, held_out: HeldOut, progress: Progress | None, texts: Sequence[str]
) -> list[np.ndarray]:
    rate, needed = system.sampling_rate, held_out.reference.audio.sampling_rate
    if rate != needed:
        raise EvaluationError(
            f"{name} speaks at {rate} Hz, and the recordings have {needed} Hz: they cannot be compared."
        )
    waveforms = []
    for number, text in enumerate(texts, 1):
        waveform = system.speak(text)
        if not np.isfinite(waveform).all():
            raise VoiceError(f"{name} is broken: its sound is not a number in the sentence {text!r}.")
        waveforms.append(waveform)
        if progress:
            progress(number, f"{name} speaks", len(texts))
    return waveforms
