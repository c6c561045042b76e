"""Spectrograms against a Fourier transform written out in float64, and against librosa."""

import librosa
import numpy as np
import pytest
import torch

from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.vits.mel import linear_spectrogram, mel_spectrogram

NOISE = np.random.default_rng(0).uniform(-0.8, 0.8, size=4096)


def written_out_spectrogram(waveform: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """Reflect, window, transform: (n_fft // 2 + 1, frames), no FFT and no torch."""
    pad = (audio.n_fft - audio.hop_length) // 2
    padded = np.concatenate([waveform[pad:0:-1], waveform, waveform[-2 : -2 - pad : -1]])
    n = np.arange(audio.n_fft)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / audio.n_fft)  # periodic Hann
    basis = np.exp(-2j * np.pi * np.outer(np.arange(audio.n_fft // 2 + 1), n) / audio.n_fft)
    starts = range(0, len(padded) - audio.n_fft + 1, audio.hop_length)
    columns = [basis @ (window * padded[start : start + audio.n_fft]) for start in starts]
    return np.sqrt(np.abs(np.stack(columns, axis=1)) ** 2 + 1e-6)


def test_linear_spectrogram_is_the_windowed_fourier_transform_of_the_reflected_signal(audio):
    waveform = NOISE[:1500]
    found = linear_spectrogram(torch.from_numpy(waveform)[None], audio)[0]
    expected = mel_spectrogram(torch.from_numpy(waveform)[None], audio)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # does not reach the transform
        assert torch.equal(linear_spectrogram(torch.from_numpy(waveform)[None], audio)[0], found)
        assert torch.equal(mel_spectrogram(torch.from_numpy(waveform)[None], audio), expected)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), written_out_spectrogram(waveform, audio), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("changes", [{}, {"mel_fmin": 60.0, "mel_fmax": 7000.0, "n_mels": 40}])
def test_mel_spectrogram_is_librosas_for_a_signal_well_above_the_floor(changes):
    audio = AudioSettings(**changes)
    waveform = NOISE
    pad = (audio.n_fft - audio.hop_length) // 2
    amplitudes = librosa.feature.melspectrogram(
        y=np.pad(waveform, pad, mode="reflect"),
        sr=audio.sampling_rate,
        n_fft=audio.n_fft,
        hop_length=audio.hop_length,
        win_length=audio.win_length,
        window="hann",
        center=False,
        power=1.0,
        n_mels=audio.n_mels,
        fmin=audio.mel_fmin,
        fmax=audio.mel_fmax,
    )
    found = mel_spectrogram(torch.from_numpy(waveform)[None], audio)[0]
    np.testing.assert_allclose(found.numpy(), np.log(amplitudes), atol=1e-3)


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("samples", [385, 511, 512, 513, 16_000, 16_001])
def test_there_are_as_many_frames_as_whole_hops_and_silence_is_floored(audio, samples):
    waveform = torch.zeros(2, samples)
    linear, mel = linear_spectrogram(waveform, audio), mel_spectrogram(waveform, audio)
    assert (linear.shape, mel.shape) == ((2, 513, samples // 256), (2, 80, samples // 256))
    np.testing.assert_allclose(linear.numpy(), 1e-3, rtol=1e-5)
    # Bands without a bin are the only ones below the floor.
    assert mel_spectrogram(waveform, AudioSettings(n_mels=400)).min().item() == pytest.approx(np.log(1e-5))


def test_gradients_flow_to_every_sample_and_stay_finite_in_silence(audio):
    for waveform in (torch.from_numpy(NOISE).float()[None], torch.zeros(1, 2048)):
        mel_spectrogram(waveform.requires_grad_(), audio).sum().backward()
        assert torch.isfinite(waveform.grad).all()
        assert (waveform.grad != 0).all() or not waveform.any()


def test_a_spectrogram_seen_in_inference_mode_does_not_spoil_later_training():
    audio = AudioSettings(n_mels=33)  # settings that no other test has used: filters are kept between calls
    with torch.inference_mode():
        mel_spectrogram(torch.zeros(1, 2048), audio)
    waveform = torch.zeros(1, 2048, requires_grad=True)
    mel_spectrogram(waveform, audio).sum().backward()
    assert waveform.grad is not None
