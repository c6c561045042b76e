"""Copy-synthesis: a voice is given a recording instead of a text, and gives it back with its own decoder.

What gets lost on the way is lost in everything that the voice says, so this is the best it could sound.
"""

import warnings
from collections.abc import Callable

import numpy as np
import torch

from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.vits.mel import linear_spectrogram
from kurdtts_lib.vits.voice import Voice

Score = Callable[[np.ndarray, np.ndarray, int], float]
"""Of a recording, its copy and their sampling rate in Hz; NaN where it is not defined."""


@torch.inference_mode()
def resynthesise(voice: Voice, recording: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """The recording through the voice's posterior encoder and decoder: (samples,), whole frames of it.

    The encoder's mean is decoded, without its noise, so a copy is the same each time.
    """
    model = voice.model
    waveform = torch.from_numpy(recording).to(model.device)
    spectrogram = linear_spectrogram(waveform.unsqueeze(0), audio)
    everything = torch.ones_like(spectrogram[:, :1])
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):  # the encoder draws noise also where only its mean is taken
        _, means, _ = model.posterior_encoder(spectrogram, everything)
    return model.decoder(means)[0, 0].float().cpu().numpy()


def stoi(recording: np.ndarray, copied: np.ndarray, rate: int) -> float:
    """Short-time objective intelligibility after Taal et al. 2011, about 0 to 1.

    NaN if the recording has less than 0.4 s of sound that is not silence: STOI compares stretches of that length.
    """
    import pystoi

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
        try:
            return float(pystoi.stoi(recording, copied, rate))
        except RuntimeWarning:
            return float("nan")
