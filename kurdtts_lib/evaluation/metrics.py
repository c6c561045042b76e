"""Metrics of speech against recordings of the same sentences: per sentence, and their means."""

import dataclasses
import functools
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas

from kurdtts_lib.audio import distances, levels
from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.data.dataset import Clip

Progress = Callable[[int, str, int], None]
"""Called with the number of sentences done, the name of the activity, and the total."""


@dataclass(frozen=True)
class MetricDescription:
    """A metric in words; `hears`: what it is sensitive to, `deaf`: what it is invariant to."""

    title: str
    best: str
    """Which value is good."""
    hears: str
    deaf: str


METRIC_DESCRIPTIONS = {
    name: MetricDescription(**texts)
    for name, texts in tomllib.loads(Path(__file__).with_name("metrics.toml").read_text(encoding="utf-8")).items()
}
"""By the metric names used in tables and files."""


def metric_table(names: Iterable[str]) -> pandas.DataFrame:
    """One row per metric: title, which value is good, what it is sensitive and what it is invariant to."""
    table = pandas.DataFrame([vars(METRIC_DESCRIPTIONS[name]) for name in names])
    return table.set_axis(["figure", "best", "hears", "deaf to"], axis=1).set_index("figure")


@dataclass(frozen=True)
class Metrics:
    """Means over the test sentences; see `METRIC_DESCRIPTIONS`. None: not defined for any sentence."""

    sentences: int
    mel_cepstral_distance: float
    """dB, lower is closer."""
    mel_distance: float
    """Nepers, lower is closer."""
    speaker_distance: float
    """Around 0 for the speaker, lower is more similar; see `distances.speaker_distances`."""
    pitch: float
    """Median F0 of a sentence in Hertz, averaged over the sentences; 0 if nothing is voiced."""
    loudness_difference_db: float
    """RMS level of speech minus recording, dB."""
    duration_ratio: float
    """Speech over recording; 1 is the same speaking rate."""
    pitch_error: float | None
    """RMS difference of F0 in cents, over frames where both are voiced."""
    voicing_error: float
    """Share of frames that are voiced in only one of the two."""
    silence_share: float
    clipped_share: float


METRICS = tuple(field.name for field in dataclasses.fields(Metrics) if field.name != "sentences")
RECORDING_METRICS = ("speaker_distance", "pitch", "silence_share", "clipped_share")
"""Metrics that need no recording of the same sentence, so they are also computed for the recordings."""


@dataclass(frozen=True)
class Reference:
    """The recordings that speech is compared with, each (samples,) at `audio.sampling_rate`."""

    recordings: Sequence[np.ndarray]
    """Recordings of the test sentences."""
    speaker: Sequence[np.ndarray]
    """Recordings of other sentences by the same speaker: speaker distance must not depend on the text."""
    audio: AudioSettings

    def __post_init__(self) -> None:
        """Raises CorpusError if nothing is held out."""
        if not self.recordings:
            raise CorpusError("No sentence is held out, so nothing can be judged. Prepare more clips.")

    @functools.cached_property
    def pitch_tracks(self) -> list[np.ndarray]:
        """F0 of the trimmed recordings (`distances.pitch_track`), computed once for all voices, because it is slow."""
        return [distances.pitch_track(distances.trim(recording), self.audio) for recording in self.recordings]

    def speaker_distances(self, speech: Sequence[np.ndarray]) -> np.ndarray:
        """Contribution of each waveform to the distance from the speaker (`distances.speaker_distances`)."""
        return distances.speaker_distances(self._speaker_moments, distances.cepstral_moments(speech, self.audio))

    @functools.cached_property
    def _speaker_moments(self) -> np.ndarray:
        return distances.cepstral_moments(self.speaker, self.audio)


def load(clips: Sequence[Clip], audio: AudioSettings) -> list[np.ndarray]:
    """The clips' waveforms."""
    return [decode(clip.path, audio.sampling_rate) for clip in clips]


def sentence_metrics(
    speech: Sequence[np.ndarray], reference: Reference, progress: Progress | None = None, name: str = "measuring"
) -> pandas.DataFrame:
    """`METRICS` of each sentence, (sentences, metrics); NaN where a metric is not defined (nothing is voiced)."""
    rows = []
    pairs = zip(reference.recordings, speech, reference.pitch_tracks, strict=True)
    for recording, waveform, recorded in pairs:
        track = distances.pitch_track(distances.trim(waveform), reference.audio)
        mel_cepstral_distance, path = distances.mel_cepstral_distance(recording, waveform, reference.audio)
        pitch_error, voicing_error = distances.pitch_errors(recorded, track, path)
        rows.append(
            {
                "mel_cepstral_distance": mel_cepstral_distance,
                "mel_distance": distances.mel_distance(recording, waveform, reference.audio),
                "loudness_difference_db": levels.rms_db(waveform) - levels.rms_db(recording),
                "duration_ratio": distances.duration_ratio(recording, waveform),
                "pitch_error": pitch_error,
                "voicing_error": voicing_error,
                **_without_reference(waveform, track, reference.audio),
            }
        )
        if progress:
            progress(len(rows), name, len(speech))
    likeness = reference.speaker_distances(speech)
    return pandas.DataFrame(rows).assign(speaker_distance=likeness)[list(METRICS)]


def recording_metrics(reference: Reference) -> pandas.DataFrame:
    """`RECORDING_METRICS` of each recording, (sentences, metrics)."""
    pairs = zip(reference.recordings, reference.pitch_tracks, strict=True)
    rows = [_without_reference(recording, track, reference.audio) for recording, track in pairs]
    likeness = reference.speaker_distances(reference.recordings)
    return pandas.DataFrame(rows).assign(speaker_distance=likeness)[list(RECORDING_METRICS)]


def _without_reference(waveform: np.ndarray, track: np.ndarray, audio: AudioSettings) -> dict[str, float]:
    """Metrics that need no recording of the same sentence. track: F0 of the trimmed waveform, NaN if unvoiced."""
    voiced = track[~np.isnan(track)]
    return {
        "pitch": float(np.median(voiced)) if len(voiced) else float("nan"),
        "silence_share": levels.silence_share(waveform, audio.sampling_rate),
        "clipped_share": levels.clipped_share(waveform),
    }


def means(table: pandas.DataFrame) -> Metrics:
    """Means over the sentences of a `sentence_metrics` table."""
    found = table.mean()
    pitch_error = None if np.isnan(found["pitch_error"]) else float(found["pitch_error"])
    values = {name: float(found[name]) for name in METRICS} | {"pitch_error": pitch_error}
    return Metrics(len(table), **values | {"pitch": float(np.nan_to_num(found["pitch"]))})  # type: ignore[arg-type]


def compare(speech: Sequence[np.ndarray], reference: Reference) -> Metrics:
    """Mean metrics of `speech`: one waveform (samples,) for each of the recordings."""
    return means(sentence_metrics(speech, reference))
