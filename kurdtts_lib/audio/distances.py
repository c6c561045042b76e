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


def dtw_mean(distances: np.ndarray) -> float:
    """Mean of `distances` (frames, frames) along the cheapest monotonic path (dynamic time warping)."""
    path = librosa.sequence.dtw(C=distances)[1]
    return float(distances[path[:, 0], path[:, 1]].mean())


def mel_cepstral_distance(reference: np.ndarray, speech: np.ndarray, audio: AudioSettings) -> float:
    """MCD in dB after Kubichek 1993: 10 / ln 10 * sqrt(2 * sum of squared differences), frames matched by DTW.

    Sensitive to the shape of the vocal tract: the phones and the speaker. Invariant to loudness, largely to pitch
    and, through the warping, to rhythm. 0 is identical; compare only values computed by this code.
    """
    cepstra = [mel_cepstra(log_mel(trim(waveform), audio)) for waveform in (reference, speech)]
    distances = scipy.spatial.distance.cdist(*cepstra)
    return 10 / np.log(10) * np.sqrt(2) * dtw_mean(distances)


def mel_distance(reference: np.ndarray, speech: np.ndarray, audio: AudioSettings) -> float:
    """Mean absolute log-mel difference in nepers (1 neper = 8.7 dB), frames matched by DTW.

    Sensitive to all of the spectrogram: phones, loudness, noise, slightly pitch. Invariant to rhythm and phase.
    """
    mels = [log_mel(trim(waveform), audio) for waveform in (reference, speech)]
    return dtw_mean(scipy.spatial.distance.cdist(*mels, metric="cityblock") / audio.n_mels)


def duration_ratio(reference: np.ndarray, speech: np.ndarray) -> float:
    """Length of the speech over length of the reference, edges trimmed. 1 is the same speaking rate."""
    return len(trim(speech)) / len(trim(reference))


def pitch(waveform: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """F0 of the voiced frames in Hertz, (voiced frames,); empty if nothing is voiced."""
    track = pitch_track(waveform, audio)
    return track[~np.isnan(track)]


def pitch_track(waveform: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """F0 in Hertz (pYIN, 60 to 500 Hz) of the frames of `log_mel`, (frames,); NaN where a frame is not voiced."""
    f0, voiced, _ = librosa.pyin(
        waveform,
        fmin=60,
        fmax=500,
        sr=audio.sampling_rate,
        frame_length=audio.n_fft,
        hop_length=audio.hop_length,
    )
    return np.where(voiced, f0, np.nan)


def warping_path(reference: np.ndarray, speech: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """Pairs of matching frames, (steps, 2): the cheapest DTW path of the mel cepstra, edges trimmed."""
    cepstra = [mel_cepstra(log_mel(trim(waveform), audio)) for waveform in (reference, speech)]
    return librosa.sequence.dtw(C=scipy.spatial.distance.cdist(*cepstra))[1]


def pitch_errors(reference: np.ndarray, speech: np.ndarray, path: np.ndarray) -> tuple[float, float]:
    """(root mean square difference in cents, share of pairs in which only one of the two is voiced).

    reference, speech: pitch tracks of the trimmed waveforms; path: from `warping_path`. 100 cents are a semitone. The
    difference is over the pairs in which both are voiced, NaN if there is none.
    """
    cents = 1200 * np.log2(speech[path[:, 1]] / reference[path[:, 0]])
    both = ~np.isnan(cents)
    one = np.isnan(reference[path[:, 0]]) != np.isnan(speech[path[:, 1]])
    return float(np.sqrt(np.mean(cents[both] ** 2))) if both.any() else float("nan"), float(one.mean())


def speaker_distance(reference: Sequence[np.ndarray], speech: Sequence[np.ndarray], audio: AudioSettings) -> float:
    """Distance between two voices: the divergence of their mel cepstra, in nats per coefficient.

    A Gaussian is fitted to all frames of each side; the distance is the symmetric Kullback-Leibler divergence of the
    two (Campbell 1997, "Speaker recognition: a tutorial", section VII), over the number of coefficients. 0 is the
    same distribution. Sensitive to the speaker's timbre, largely invariant to pitch and to what is said. Give each
    side several sentences; interpret it with baselines (the same speaker's other sentences, other speakers).
    """
    return _divergence(_statistics(_moments(reference, audio).sum(axis=0)), _moments(speech, audio).sum(axis=0))


def speaker_distances(
    reference: Sequence[np.ndarray], speech: Sequence[np.ndarray], audio: AudioSettings
) -> np.ndarray:
    """Contribution of each sentence of `speech` to `speaker_distance`, (sentences,): the jackknife's pseudo-values.

    Sentence i has n d - (n - 1) d_i, with d the distance of all n sentences and d_i that of all but this one (Tukey
    1958). Their mean is the distance without the bias of few sentences, whose frames never have exactly the speaker's
    statistics. The same speaker is around 0, so values slightly below 0 are possible.
    """
    target, moments = _statistics(_moments(reference, audio).sum(axis=0)), _moments(speech, audio)
    total, count = moments.sum(axis=0), len(moments)
    distance = _divergence(target, total)
    if count == 1:
        return np.array([distance])
    leave_one_out = np.array([_divergence(target, total - one) for one in moments])
    return count * distance - (count - 1) * leave_one_out


def _moments(waveforms: Sequence[np.ndarray], audio: AudioSettings) -> np.ndarray:
    """Sums over each waveform's frames of (1, c) (1, c)^T, c their mel cepstra: (waveforms, order + 1, order + 1)."""
    frames = [mel_cepstra(log_mel(trim(waveform), audio)).astype(np.float64) for waveform in waveforms]
    extended = [np.column_stack([np.ones(len(cepstra)), cepstra]) for cepstra in frames]
    return np.stack([rows.T @ rows for rows in extended])


def _statistics(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance from sums as in `_moments`."""
    frames, total = moments[0, 0], moments[0, 1:]
    covariance = (moments[1:, 1:] - np.outer(total, total) / frames) / (frames - 1)
    # A silent voice has a singular covariance; a millionth on the diagonal keeps the metric finite (and very large).
    return total / frames, covariance + 1e-6 * np.eye(len(total))


def _divergence(reference: tuple[np.ndarray, np.ndarray], moments: np.ndarray) -> float:
    (mean_r, covariance_r), (mean_s, covariance_s) = reference, _statistics(moments)
    precisions = np.linalg.inv(covariance_r), np.linalg.inv(covariance_s)
    covariance_term = np.trace((covariance_r - covariance_s) @ (precisions[1] - precisions[0]))
    difference = mean_r - mean_s
    mean_term = difference @ (precisions[0] + precisions[1]) @ difference
    return float(0.5 * (covariance_term + mean_term) / len(mean_r))
