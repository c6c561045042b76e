"""Metrics of speech against recordings of the same sentences: their formulas, per sentence, and their means.

Those that need DNSMOS or a speech recogniser are in `optional_metrics`.
"""

import functools
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import pandas
import scipy.fft
import scipy.spatial.distance

from kurdtts_lib.audio import levels
from kurdtts_lib.audio.features import log_mel, pitch_track, trim
from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.data.dataset import Clip

NOISE_MARGIN = 0.69
"""Nepers (6 dB) between the 10th percentile of a band of a recording and what counts as sound in it."""
AUDIBLE_BANDS = 0.25
"""Share of bands in which a frame of speech stands out of the noise."""
Progress = Callable[[int, str, int], None]
"""Called with the number of sentences done, the name of the activity, and the total."""


@dataclass(frozen=True)
class MetricDescription:
    """A metric in words; `hears`: what it is sensitive to, `deaf`: what it is invariant to."""

    title: str
    best: str
    """Which value is good."""
    good: str
    """The same for programs: `low`, `high`, `recording` (the recording's value), or a number."""
    hears: str
    deaf: str


METRIC_DESCRIPTIONS = {
    name: MetricDescription(**texts)
    for name, texts in tomllib.loads(Path(__file__).with_name("metrics.toml").read_text(encoding="utf-8")).items()
}
"""By the metric names used in tables and files."""


def metric_table(names: Iterable[str]) -> pandas.DataFrame:
    """One row per metric: title, which value is good, what it is sensitive and what it is invariant to."""
    table = pandas.DataFrame([vars(METRIC_DESCRIPTIONS[name]) for name in names]).drop(columns="good")
    return table.set_axis(["figure", "best", "hears", "deaf to"], axis=1).set_index("figure")


WORD_METRICS = ("words_margin", "words_first", "near_misses")
"""Shares, see `words.Listener`."""
OPTIONAL_METRICS = ("dnsmos", "character_error_rate")
"""Of `optional_metrics`."""
METRICS = tuple(name for name in METRIC_DESCRIPTIONS if name not in (*WORD_METRICS, *OPTIONAL_METRICS))
"""Those of every evaluation."""
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

    @functools.cached_property
    def pitch_tracks(self) -> list[np.ndarray]:
        """F0 of the trimmed recordings (`pitch_track`), computed once for all voices, because it is slow."""
        return [pitch_track(trim(recording), self.audio) for recording in self.recordings]

    def speaker_distances(self, speech: Sequence[np.ndarray]) -> np.ndarray:
        """Contribution of each waveform to the distance from the speaker (`speaker_distances`)."""
        return speaker_distances(self._speaker_moments, cepstral_moments(speech, self.audio))

    @functools.cached_property
    def _speaker_moments(self) -> np.ndarray:
        return cepstral_moments(self.speaker, self.audio)


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
        track = pitch_track(trim(waveform), reference.audio)
        cepstral_distance, path = mel_cepstral_distance(recording, waveform, reference.audio)
        pitch_error, voicing_error = pitch_errors(recorded, track, path)
        rows.append(
            {
                "mel_cepstral_distance": cepstral_distance,
                "mel_distance": mel_distance(recording, waveform, reference.audio),
                "loudness_difference_db": levels.rms_db(waveform) - levels.rms_db(recording),
                "duration_ratio": duration_ratio(recording, waveform),
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


# --- formulas


def mel_cepstra(log_mels: np.ndarray, order: int = 13) -> np.ndarray:
    """Mel cepstral coefficients 1 to `order`, (frames, order), of (frames, n_mels); 0, the loudness, is left out.

    With log P the natural log of the mel *power*, c_d = 1/N sum_n log P_n cos(pi d (n + 1/2) / N).
    """
    bands = log_mels.shape[1]
    return scipy.fft.dct(2 * log_mels, type=2, axis=1)[:, 1 : order + 1] / (2 * bands)


def dtw(distances: np.ndarray) -> tuple[float, np.ndarray]:
    """(mean of `distances` along the path, the path) of dynamic time warping: the cheapest monotonic path.

    distances: (frames, frames). The path: pairs of matching frames, (steps, 2), from the last pair to the first.
    """
    path = librosa.sequence.dtw(C=distances)[1]
    return float(distances[path[:, 0], path[:, 1]].mean()), path


def mel_cepstral_distance(reference: np.ndarray, speech: np.ndarray, audio: AudioSettings) -> tuple[float, np.ndarray]:
    """(MCD in dB, the DTW path that matches the frames of the trimmed waveforms).

    MCD after Kubichek 1993: 10 / ln 10 * sqrt(2 * sum of squared differences), the mean over the pairs of frames.
    Sensitive to the shape of the vocal tract: the phones and the speaker. Invariant to loudness, largely to pitch
    and, through the warping, to rhythm. 0 is identical; compare only values computed by this code.
    """
    cepstra = [mel_cepstra(log_mel(trim(waveform), audio)) for waveform in (reference, speech)]
    mean, path = dtw(scipy.spatial.distance.cdist(*cepstra))
    return 10 / np.log(10) * np.sqrt(2) * mean, path


def mel_distance(reference: np.ndarray, speech: np.ndarray, audio: AudioSettings) -> float:
    """Mean absolute log-mel difference in nepers (1 neper = 8.7 dB), frames matched by DTW.

    Sensitive to the spectrogram of speech: phones, loudness, slightly pitch. Invariant to rhythm, to phase, and to the
    recording's own noise: both spectrograms are raised band by band to `NOISE_MARGIN` above the reference's 10th
    percentile, and pairs of frames in which nothing is left of either are not counted. So a clean copy of a noisy
    recording is not further from it than one with the same hiss.
    """
    mels = [log_mel(trim(waveform), audio) for waveform in (reference, speech)]
    floor = np.percentile(mels[0], 10, axis=0) + NOISE_MARGIN
    mels = [np.maximum(mel, floor) for mel in mels]
    distances = scipy.spatial.distance.cdist(*mels, metric="cityblock") / audio.n_mels
    path = dtw(distances)[1]
    audible = [(mel > floor).mean(axis=1) > AUDIBLE_BANDS for mel in mels]
    counted = path[audible[0][path[:, 0]] | audible[1][path[:, 1]]]
    return float(distances[counted[:, 0], counted[:, 1]].mean()) if len(counted) else 0.0


def duration_ratio(reference: np.ndarray, speech: np.ndarray) -> float:
    """Length of the speech over length of the reference, edges trimmed. 1 is the same speaking rate."""
    return len(trim(speech)) / len(trim(reference))


def pitch_errors(reference: np.ndarray, speech: np.ndarray, path: np.ndarray) -> tuple[float, float]:
    """(root mean square difference in cents, share of pairs in which only one of the two is voiced).

    reference, speech: pitch tracks of the trimmed waveforms; path: from `mel_cepstral_distance`. 100 cents are a
    semitone. The difference is over the pairs in which both are voiced, NaN if there is none.
    """
    cents = 1200 * np.log2(speech[path[:, 1]] / reference[path[:, 0]])
    both = ~np.isnan(cents)
    one = np.isnan(reference[path[:, 0]]) != np.isnan(speech[path[:, 1]])
    return float(np.sqrt(np.mean(cents[both] ** 2))) if both.any() else float("nan"), float(one.mean())


def cepstral_moments(waveforms: Sequence[np.ndarray], audio: AudioSettings) -> np.ndarray:
    """Sums over each waveform's frames of (1, c) (1, c)^T, c their mel cepstra: (waveforms, order + 1, order + 1)."""
    frames = [mel_cepstra(log_mel(trim(waveform), audio)).astype(np.float64) for waveform in waveforms]
    extended = [np.column_stack([np.ones(len(cepstra)), cepstra]) for cepstra in frames]
    return np.stack([rows.T @ rows for rows in extended])


def speaker_distance(reference: np.ndarray, speech: np.ndarray) -> float:
    """Distance between two voices: the divergence of their mel cepstra, in nats per coefficient.

    reference, speech: their `cepstral_moments`. A Gaussian is fitted to all frames of each side; the distance is the
    symmetric Kullback-Leibler divergence of the two (Campbell 1997, "Speaker recognition: a tutorial", section VII),
    over the number of coefficients. 0 is the same distribution. Sensitive to the speaker's timbre, largely invariant to
    pitch and to what is said. Give each side several sentences; interpret it with baselines (the same speaker's other
    sentences, other speakers).
    """
    (mean_r, covariance_r), (mean_s, covariance_s) = _statistics(reference), _statistics(speech)
    precisions = np.linalg.inv(covariance_r), np.linalg.inv(covariance_s)
    covariance_term = np.trace((covariance_r - covariance_s) @ (precisions[1] - precisions[0]))
    difference = mean_r - mean_s
    mean_term = difference @ (precisions[0] + precisions[1]) @ difference
    return float(0.5 * (covariance_term + mean_term) / len(mean_r))


def speaker_distances(reference: np.ndarray, speech: np.ndarray) -> np.ndarray:
    """Contribution of each sentence of `speech` to `speaker_distance`, (sentences,): the jackknife's pseudo-values.

    Sentence i has n d - (n - 1) d_i, with d the distance of all n sentences and d_i that of all but this one (Tukey
    1958). Their mean is the distance without the bias of few sentences, whose frames never have exactly the speaker's
    statistics. The same speaker is around 0, so values slightly below 0 are possible.
    """
    distance, count = speaker_distance(reference, speech), len(speech)
    if count == 1:
        return np.array([distance])
    leave_one_out = [speaker_distance(reference, np.delete(speech, index, axis=0)) for index in range(count)]
    return count * distance - (count - 1) * np.array(leave_one_out)


def _statistics(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all frames of `cepstral_moments`."""
    sums = moments.sum(axis=0)
    frames, total = sums[0, 0], sums[0, 1:]
    covariance = (sums[1:, 1:] - np.outer(total, total) / frames) / (frames - 1)
    # A silent voice has a singular covariance; a millionth on the diagonal keeps the metric finite (and very large).
    return total / frames, covariance + 1e-6 * np.eye(len(total))
