"""A copy of a recording: whole, the same each time, and scored only by what is defined for copies."""

import sys
import types
from collections.abc import Callable

import numpy as np
import pytest
import torch
from speechlike import syllables

from kurdtts_lib.errors import JudgingError
from kurdtts_lib.judging.copying import copy, pesq, stoi
from kurdtts_lib.settings import AudioSettings
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
    found = copy(audible_voice, recording, audio)
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
    other = copy(audible_voice, syllables(1.0, 220, seed=5).astype(np.float32), audio)
    assert np.abs(copy(audible_voice, recording, audio) - other).max() > 1e-4


def test_stoi_is_one_for_the_same_and_falls_with_noise(recording: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(size=len(recording)).astype(np.float32)
    clean, little, much = (stoi(recording, recording + level * noise, RATE) for level in (0.0, 0.05, 0.5))
    assert clean == pytest.approx(1, abs=1e-6) and clean > little + 0.02 and little > much + 0.1


def test_stoi_of_too_little_sound_is_not_defined() -> None:
    short = syllables(0.3, seed=1).astype(np.float32)
    assert np.isnan(stoi(short, short, RATE))


class FakeNoUtterances(Exception):
    pass


@pytest.fixture
def fake_pesq(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable], None]:
    """The package needs a compiler, so tests must not: a stand-in with its two names."""

    def install(formula: Callable) -> None:
        package = types.ModuleType("pesq")
        package.pesq, package.NoUtterancesError = formula, FakeNoUtterances  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pesq", package)

    return install


def test_pesq_is_asked_in_its_own_order_and_band(recording: np.ndarray, fake_pesq: Callable) -> None:
    asked = []
    fake_pesq(lambda *arguments: asked.append(arguments) or 4.2)
    copied = 0.5 * recording
    assert pesq(RATE)(recording, copied, RATE) == 4.2
    ((rate, reference, degraded, band),) = asked
    assert (rate, band) == (RATE, "wb") and reference is recording and degraded is copied


def test_pesq_without_speech_is_not_defined(recording: np.ndarray, fake_pesq: Callable) -> None:
    def nothing_found(*_: object) -> float:
        raise FakeNoUtterances

    fake_pesq(nothing_found)
    assert np.isnan(pesq(RATE)(recording, recording, RATE))
    assert np.isnan(pesq(RATE)(recording, 0 * recording, RATE))


def test_pesq_that_cannot_be_had_says_why(fake_pesq: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pesq(lambda *_: 1.0)
    with pytest.raises(JudgingError, match="22050 Hz"):
        pesq(22_050)
    monkeypatch.setitem(sys.modules, "pesq", None)
    with pytest.raises(JudgingError, match="C compiler"):
        pesq(RATE)
