"""DNSMOS hears noise, needs nothing but its package, and says so where that is missing."""

import sys
from pathlib import Path

import numpy as np
import pytest

from kurdtts_lib.audio.io import decode, write_wav
from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dnsmos import dnsmos, predicted_cleanliness
from kurdtts_lib.data.sources import read_corpus


def test_noise_lowers_the_score(tmp_path: Path) -> None:
    clip = next(read_corpus(CorpusSettings()))
    clean = decode(clip.audio, 22_050)
    noise = np.random.default_rng(0).normal(scale=0.1, size=len(clean)).astype(np.float32)
    write_wav(tmp_path / "clean.wav", clean, 22_050)
    write_wav(tmp_path / "noisy.wav", clean + noise, 22_050)
    scores = [dnsmos(tmp_path / name) for name in ("clean.wav", "noisy.wav")]
    assert 1 < scores[1] < scores[0] - 0.5 < 5


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "speechmos", None)
    with pytest.raises(CorpusError, match=r"kurdtts\[train\]"):
        predicted_cleanliness(np.zeros(16_000, np.float32), 16_000)
