"""One evaluation: every voice speaks the test sentences, which are measured against the recordings."""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas
import torch

from kurdtts_lib.core.errors import EvaluationError, VoiceError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.evaluation.confidence import Estimate, estimate
from kurdtts_lib.evaluation.held_out import HeldOut
from kurdtts_lib.evaluation.metrics import (
    METRIC_DESCRIPTIONS,
    Metrics,
    Progress,
    means,
    recording_metrics,
    sentence_metrics,
)
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.mel import linear_spectrogram
from kurdtts_lib.vits.voice import Voice

RECORDING = "recording"


@dataclass(frozen=True)
class System:
    """Anything that speaks; `system_of` makes one from a voice."""

    speak: Callable[[str], np.ndarray]
    """Text of a prepared clip -> waveform (samples,), float32. Raises TextError for a text that it cannot say."""
    sampling_rate: int
    """Hertz."""
    resynthesise: Callable[[np.ndarray, AudioSettings], np.ndarray] | None = None
    """Recording (samples,) -> its copy-synthesis; see `resynthesise`. None: metrics of copies are left out."""


def system_of(voice: Voice) -> System:
    say = functools.partial(speak, voice, level=False, normalized=True)
    return System(say, voice.sampling_rate, functools.partial(resynthesise, voice))


@torch.inference_mode()
def resynthesise(voice: Voice, recording: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """Copy-synthesis: the recording (samples,) through posterior encoder and decoder, cut to whole frames.

    What is lost here is lost in all speech of the voice, so this is an upper bound of its quality. The posterior mean
    is decoded, not a sample, so that the result is deterministic.
    """
    model = voice.model
    waveform = torch.from_numpy(recording).to(model.device)
    spectrogram = linear_spectrogram(waveform.unsqueeze(0), audio)
    mask = torch.ones_like(spectrogram[:, :1])
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):  # the encoder draws noise even if only its mean is used
        _, means, _ = model.posterior_encoder(spectrogram, mask)
    return model.decoder(means)[0, 0].float().cpu().numpy()


@dataclass(frozen=True)
class SystemSpeech:
    """All test sentences as spoken by one system, or as recorded."""

    name: str
    system: System | None
    """None for the recordings."""
    waveforms: list[np.ndarray]
    held_out: HeldOut

    @functools.cached_property
    def copies(self) -> list[np.ndarray]:
        """The recordings resynthesised by the system; computed once for several metrics."""
        assert self.system is not None and self.system.resynthesise is not None
        reference = self.held_out.reference
        return [self.system.resynthesise(recording, reference.audio) for recording in reference.recordings]


@dataclass(frozen=True)
class OptionalMetric:
    """A metric that is not part of every evaluation."""

    name: str
    """A key of `METRIC_DESCRIPTIONS`."""
    of_speech: bool
    """True: computed from the speech, so also for the recordings. False: from `SystemSpeech.copies`."""
    score: Callable[[SystemSpeech, int], float]
    """Value for one sentence, by its index from 0; NaN where it is not defined."""


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation. Voices by name; the recordings have the name `recording`."""

    held_out: HeldOut
    values: dict[str, pandas.DataFrame]
    """(sentences, metrics), NaN where a metric is not defined; the recordings first, then the voices as given."""
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

    def metrics(self, voice: str) -> Metrics:
        """Mean metrics of a voice, as in its card."""
        return means(self.values[voice])

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

    def table(self) -> pandas.DataFrame:
        """One row per metric; columns: voices, then their differences to the first voice, as text with intervals."""
        columns = self.estimates | {f"{voice}, difference": found for voice, found in self.differences.items()}
        return pandas.DataFrame(
            {
                column: {METRIC_DESCRIPTIONS[name].title: self._cell(found.get(name)) for name in self.names}
                for column, found in columns.items()
            }
        )

    def _cell(self, found: Estimate | None) -> str:
        if found is None:
            return ""
        return str(found) if found.n == len(self.held_out.texts) else f"{found}, n = {found.n}"


def evaluate(
    systems: Mapping[str, System],
    held_out: HeldOut,
    optional: Sequence[OptionalMetric] = (),
    left_out: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Let each system, by name, speak the test sentences and measure the speech against the recordings.

    optional: metrics to compute in addition. left_out: metrics that cannot be computed, with reasons, for the report.
    Raises EvaluationError without a system or for one with another sampling rate, VoiceError if its speech is not
    finite, TextError for a sentence that it cannot say.
    """
    if not systems:
        raise EvaluationError("There is no voice to judge. Name one: its folder, its number or its name on the hub.")
    reference = held_out.reference
    spoken = [SystemSpeech(RECORDING, None, list(reference.recordings), held_out)]
    spoken += [
        SystemSpeech(name, system, _speech(name, system, held_out, progress), held_out)
        for name, system in systems.items()
    ]
    values = {}
    for speech in spoken:
        if speech.system is None:
            table = recording_metrics(reference)
        else:
            table = sentence_metrics(speech.waveforms, reference, progress, f"measuring {speech.name}")
        values[speech.name] = table.assign(**_optional_columns(speech, optional, progress))
    return Evaluation(held_out, values, {speech.name: speech.waveforms for speech in spoken}, dict(left_out or {}))


def _speech(name: str, system: System, held_out: HeldOut, progress: Progress | None) -> list[np.ndarray]:
    rate, needed = system.sampling_rate, held_out.reference.audio.sampling_rate
    if rate != needed:
        raise EvaluationError(
            f"{name} speaks at {rate} Hz, and the recordings have {needed} Hz: they cannot be compared."
        )
    waveforms = []
    for number, text in enumerate(held_out.texts, 1):
        waveform = system.speak(text)
        if not np.isfinite(waveform).all():
            raise VoiceError(f"{name} is broken: its sound is not a number in the sentence {text!r}.")
        waveforms.append(waveform)
        if progress:
            progress(number, f"{name} speaks", len(held_out.texts))
    return waveforms


def _optional_columns(
    speech: SystemSpeech, optional: Sequence[OptionalMetric], progress: Progress | None
) -> dict[str, list[float]]:
    columns: dict[str, list[float]] = {}
    for metric in optional:
        if not metric.of_speech and (speech.system is None or speech.system.resynthesise is None):
            continue
        column = columns[metric.name] = []
        for number in range(len(speech.waveforms)):
            column.append(metric.score(speech, number))
            if progress:
                progress(number + 1, f"{speech.name}: {metric.name}", len(speech.waveforms))
    return columns
