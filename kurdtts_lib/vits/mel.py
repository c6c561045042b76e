"""Spectrograms as VITS defines them, in torch, so that gradients flow through the mel loss."""

from functools import lru_cache

import librosa
import torch
from torch import Tensor
from torch.nn import functional as F

from kurdtts_lib.core.settings import AudioSettings

LOG_FLOOR = 1e-5
"""Floor of the mel amplitudes: about 115 dB below a full-scale sine, far below any recording's noise."""


@lru_cache(maxsize=8)
def _window_and_filters(audio: AudioSettings, device: torch.device) -> tuple[Tensor, Tensor]:
    """Hann window (win_length,) and mel filters (n_mels, n_fft // 2 + 1)."""
    filters = librosa.filters.mel(
        sr=audio.sampling_rate, n_fft=audio.n_fft, n_mels=audio.n_mels, fmin=audio.mel_fmin, fmax=audio.mel_fmax
    )
    # Cached between calls: a tensor created in inference mode could not be used in training later.
    with torch.inference_mode(False):
        window = torch.hann_window(audio.win_length, device=device)
        return window, torch.from_numpy(filters).to(device=device, dtype=torch.float32)


def linear_spectrogram(waveform: Tensor, audio: AudioSettings) -> Tensor:
    """Amplitude spectrogram, the posterior encoder's input.

    waveform: (batch, samples) in [-1, 1]. Returns (batch, n_fft // 2 + 1, frames), frames = samples // hop_length.
    Always float32: the STFT overflows in fp16. Reflection padding of (n_fft - hop_length) / 2 on both sides, and
    sqrt(power + 1e-6), as in Kim et al. 2021 (VITS), so that published weights get the input they were trained on.
    """
    pad = (audio.n_fft - audio.hop_length) // 2
    with torch.autocast(waveform.device.type, enabled=False):
        padded = F.pad(waveform.float().unsqueeze(1), (pad, pad), mode="reflect").squeeze(1)
        spectrum = torch.stft(
            padded,
            audio.n_fft,
            hop_length=audio.hop_length,
            win_length=audio.win_length,
            window=_window_and_filters(audio, waveform.device)[0],
            center=False,
            return_complex=True,
        )
        return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-6)


def mel_spectrogram(waveform: Tensor, audio: AudioSettings) -> Tensor:
    """(batch, samples) in [-1, 1] -> natural-log mel (batch, n_mels, samples // hop_length), float32, from 1e-5 up."""
    with torch.autocast(waveform.device.type, enabled=False):
        mel = _window_and_filters(audio, waveform.device)[1] @ linear_spectrogram(waveform, audio)
        return torch.log(mel.clamp_min(LOG_FLOOR))
