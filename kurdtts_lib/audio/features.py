"""What is measured of a waveform, frame by frame: log-mel spectrogram and pitch."""

import librosa
import numpy as np

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
