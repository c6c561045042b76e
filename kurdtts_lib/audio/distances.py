"""How close speech is to a recording: each metric with what it is sensitive and invariant to."""

from collections.abc import Sequence

import librosa
import numpy as np
import scipy.fft
import scipy.spatial.distance

from kurdtts_lib.audio.levels import EDGE_DB
from kurdtts_lib.core.settings import AudioSettings

MEL_FLOOR = 1e-5
"""Amplitude; the same floor as in the training's mel spectrogram."""


def trim(waveform: np.ndarray) -> np.ndarray:
    """(samples,) without edges `EDGE_DB` below the loudest frame: silence at the ends is not compared."""
    return librosa.effects.trim(waveform, top_db=EDGE_DB, frame_length=1024, hop_length=256)[0]


def log_mel(waveform: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """Natural-log mel amplitudes, (frames, n_mels). waveform: (samples,), float32 in [-1, 1]."""
    amplitudes = librosa.feature.melspectrogram(
        y=waveform,
        sr=audio.sampling_rate,
        n_fft=audio.n_fft,
        hop_length=audio.hop_length,
        win_length=audio.win_length,
        n_mels=audio.n_mels,
        fmin=audio.mel_fmin,
        fmax=audio.mel_fmax,
        power=1.0,
    )
    return np.log(np.maximum(amplitudes, MEL_FLOOR)).T


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

    Sensitive to all of the spectrogram: phones, loudness, noise, slightly pitch. Invariant to rhythm and phase.
    """
    mels = [log_mel(trim(waveform), audio) for waveform in (reference, speech)]
    return dtw(scipy.spatial.distance.cdist(*mels, metric="cityblock") / audio.n_mels)[0]


def duration_ratio(reference: np.ndarray, speech: np.ndarray) -> float:
    """Length of the speech over length of the reference, edges trimmed. 1 is the same speaking rate."""
    return len(trim(speech)) / len(trim(reference))


def pitch_track(waveform: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """F0 in Hertz (pYIN, 60 to 500 Hz) of the frames of `log_mel`, (frames,); NaN where a frame is not voiced.

    Steps of 25 cents in place of librosa's 10, and a quarter of its thresholds, take a quarter of the time. With fewer
    steps pYIN calls fewer frames voiced, which a prior for higher thresholds makes good; see benchmarks/README.md.
    """
    return librosa.pyin(
        waveform,
        fmin=60,
        fmax=500,
        sr=audio.sampling_rate,
        frame_length=audio.n_fft,
        hop_length=audio.hop_length,
        resolution=0.25,
        n_thresholds=25,
        beta_parameters=(2, 12),
    )[0]


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
