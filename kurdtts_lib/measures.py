"""How close speech is to a recording, each measure with what it hears and what it is deaf to."""

from collections.abc import Sequence

import librosa
import numpy as np
import scipy.fft
import scipy.spatial.distance

from kurdtts_lib.settings import AudioSettings

MEL_FLOOR = 1e-5
"""Amplitude; the same floor as the training's mel spectrogram."""


def trim(waveform: np.ndarray, top_db: float = 40.0) -> np.ndarray:
    """Cut edges that are `top_db` below the peak: silence at the ends is not speech to compare."""
    return librosa.effects.trim(waveform, top_db=top_db, frame_length=1024, hop_length=256)[0]


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
    """Coefficients 1 to `order` of each frame, (frames, order); 0, the loudness, is left out.

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

    Hears the shape of the vocal tract: which sounds are said, and whose mouth. Deaf to pitch, loudness and,
    through the warping, to rhythm. 0 is identical; compare only figures of this same code.
    """
    cepstra = [mel_cepstra(log_mel(trim(waveform), audio)) for waveform in (reference, speech)]
    distances = scipy.spatial.distance.cdist(*cepstra)
    return 10 / np.log(10) * np.sqrt(2) * dtw_mean(distances)


def mel_distance(reference: np.ndarray, speech: np.ndarray, audio: AudioSettings) -> float:
    """Mean absolute log-mel difference in nepers (1 neper = 8.7 dB), frames matched by DTW.

    Hears everything in the spectrogram: sounds, loudness, noise, pitch a little. Deaf to rhythm and phase.
    """
    mels = [log_mel(trim(waveform), audio) for waveform in (reference, speech)]
    return dtw_mean(scipy.spatial.distance.cdist(*mels, metric="cityblock") / audio.n_mels)


def rms_db(waveform: np.ndarray) -> float:
    """Loudness as root mean square in dB of full scale, at least -120 (silence). Deaf to how ears weigh pitch."""
    return 10 * np.log10(max(1e-12, float(np.mean(np.square(waveform, dtype=np.float64)))))


def duration_ratio(reference: np.ndarray, speech: np.ndarray) -> float:
    """Length of the speech over length of the reference, edges trimmed. 1 is the same pace."""
    return len(trim(speech)) / len(trim(reference))


def pitch(waveform: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """F0 of the voiced frames in Hertz (pYIN, 60 to 500 Hz); empty if nothing is voiced."""
    f0, voiced, _ = librosa.pyin(
        waveform,
        fmin=60,
        fmax=500,
        sr=audio.sampling_rate,
        frame_length=audio.n_fft,
        hop_length=audio.hop_length,
    )
    return f0[voiced]


def speaker_distance(reference: Sequence[np.ndarray], speech: Sequence[np.ndarray], audio: AudioSettings) -> float:
    """How unlike two voices are: the divergence of their cepstra, in nats per coefficient.

    A Gaussian is fitted to all frames of each side; the distance is the symmetric Kullback-Leibler divergence of the
    two (Campbell 1997, "Speaker recognition: a tutorial", section VII), over the number of coefficients. 0 is the
    same distribution. Hears the way a mouth shapes sound, whatever is said; deaf to pitch and to single words. Give
    each side several sentences; meaning comes from baselines (the same speaker's other sentences, other speakers).
    """
    (mean_r, covariance_r), (mean_s, covariance_s) = (
        _cepstral_statistics(waveforms, audio) for waveforms in (reference, speech)
    )
    precisions = np.linalg.inv(covariance_r), np.linalg.inv(covariance_s)
    shape = np.trace((covariance_r - covariance_s) @ (precisions[1] - precisions[0]))
    difference = mean_r - mean_s
    place = difference @ (precisions[0] + precisions[1]) @ difference
    return float(0.5 * (shape + place) / len(mean_r))


def _cepstral_statistics(waveforms: Sequence[np.ndarray], audio: AudioSettings) -> tuple[np.ndarray, np.ndarray]:
    frames = np.concatenate([mel_cepstra(log_mel(trim(waveform), audio)) for waveform in waveforms])
    # A voice that is silent has no covariance to invert; a millionth keeps the measure finite (and very large).
    return frames.mean(axis=0), np.cov(frames, rowvar=False) + 1e-6 * np.eye(frames.shape[1])
