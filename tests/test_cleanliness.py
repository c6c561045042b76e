"""DNSMOS hears noise, needs nothing but its package, and says so where that is missing."""

import sys

import numpy as np
import pytest

from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dnsmos import predicted_cleanliness
from kurdtts_lib.data.sources import read_corpus


def test_noise_lowers_the_score() -> None:
    clip = next(read_corpus(CorpusSettings()))
    clean = decode(clip.audio, 22_050)
    noise = np.random.default_rng(0).normal(scale=0.1, size=len(clean)).astype(np.float32)
    scores = [predicted_cleanliness(waveform, 22_050) for waveform in (clean, clean + noise)]
    assert 1 < scores[1] < scores[0] - 0.5 < 5


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "speechmos", None)
    with pytest.raises(CorpusError, match=r"kurdtts\[train\]"):
        predicted_cleanliness(np.zeros(16_000, np.float32), 16_000)
