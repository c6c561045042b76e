"""Copy-synthesis: a recording is encoded by the voice's posterior encoder and reconstructed by its decoder.

What is lost here is lost in all speech of the voice, so this is an upper bound of its quality.
"""

import warnings
from collections.abc import Callable

import numpy as np
import torch

from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.vits.mel import linear_spectrogram
from kurdtts_lib.vits.voice import Voice

Score = Callable[[np.ndarray, np.ndarray, int], float]
"""Compares a recording, its copy and their sampling rate in Hz; NaN where it is not defined."""


@torch.inference_mode()
def resynthesise(voice: Voice, recording: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """The recording (samples,) through posterior encoder and decoder: (samples,), cut to whole frames.

    The posterior mean is decoded, not a sample, so that the result is deterministic.
    """
    model = voice.model
    waveform = torch.from_numpy(recording).to(model.device)
    spectrogram = linear_spectrogram(waveform.unsqueeze(0), audio)
    mask = torch.ones_like(spectrogram[:, :1])
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):  # the encoder draws noise even if only its mean is used
        _, means, _ = model.posterior_encoder(spectrogram, mask)
    return model.decoder(means)[0, 0].float().cpu().numpy()


def stoi(recording: np.ndarray, copy: np.ndarray, rate: int) -> float:
    """Short-time objective intelligibility after Taal et al. 2011, about 0 to 1.

    NaN if the recording has less than 0.4 s of audio that is not silence: STOI compares segments of that length.
    """
    import pystoi

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
        try:
            return float(pystoi.stoi(recording, copy, rate))
        except RuntimeWarning:
            return float("nan")
