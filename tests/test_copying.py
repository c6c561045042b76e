"""A copy of a recording: whole, the same each time, and scored only by what is defined for copies."""

import numpy as np
import pytest
import torch
from speechlike import syllables

from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.evaluation.resynthesis import resynthesise, stoi
from kurdtts_lib.vits.mel import linear_spectrogram
from kurdtts_lib.vits.voice import Voice

RATE = 16_000


@pytest.fixture
def recording() -> np.ndarray:
    return syllables(1.0, seed=4).astype(np.float32)


def test_a_copy_is_the_decoded_mean_of_the_posterior_and_changes_no_random_numbers(
    audible_voice: Voice, recording: np.ndarray, audio: AudioSettings
) -> None:
    before = torch.random.get_rng_state()
    found = resynthesise(audible_voice, recording, audio)
    assert torch.equal(before, torch.random.get_rng_state())
    assert found.shape == (len(recording) // audio.hop_length * audio.hop_length,) and found.std() > 0.001
    encoder = audible_voice.model.posterior_encoder
    with torch.no_grad():
        spectrogram = linear_spectrogram(torch.from_numpy(recording)[None], audio)
        mask = torch.ones(1, 1, spectrogram.shape[2])
        hidden = encoder.wavenet(encoder.conv_pre(spectrogram) * mask, mask)
        means = encoder.conv_proj(hidden).chunk(2, dim=1)[0]
        expected = audible_voice.model.decoder(means)[0, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_another_recording_has_another_copy(audible_voice: Voice, recording: np.ndarray, audio: AudioSettings) -> None:
    other = resynthesise(audible_voice, syllables(1.0, 220, seed=5).astype(np.float32), audio)
    assert np.abs(resynthesise(audible_voice, recording, audio) - other).max() > 1e-4


def test_stoi_is_one_for_the_same_and_falls_with_noise(recording: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(size=len(recording)).astype(np.float32)
    clean, little, much = (stoi(recording, recording + level * noise, RATE) for level in (0.0, 0.05, 0.5))
    assert clean == pytest.approx(1, abs=1e-6) and clean > little + 0.02 and little > much + 0.1


def test_stoi_of_too_little_sound_is_not_defined() -> None:
    short = syllables(0.3, seed=1).astype(np.float32)
    assert np.isnan(stoi(short, short, RATE))
