"""Guesses of programs: asked at the rate they know, and left out with a reason where their package is not whole."""

import builtins
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from kurdtts_lib.core.errors import CorpusError, EvaluationError
from kurdtts_lib.data import dnsmos as dnsmos_module
from kurdtts_lib.evaluation.mos_prediction import cleanliness, naturalness


def seconds_heard(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A stand-in for DNSMOS that notes how long the sound was, taken at 16 kHz."""
    heard: list[float] = []

    def run(sound: np.ndarray, sr: int) -> dict[str, float]:
        assert sr == 16_000 and np.abs(sound).max() <= 1
        heard.append(len(sound) / sr)
        return {"ovrl_mos": 2.75, "sig_mos": 9.0}

    monkeypatch.setattr(dnsmos_module, "load_dnsmos", lambda: types.SimpleNamespace(run=run))
    return heard


def test_cleanliness_is_the_overall_figure_at_16_khz(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = seconds_heard(monkeypatch)
    too_loud = 1.5 * np.sin(np.arange(48_000) / 20).astype(np.float32)
    assert cleanliness()(too_loud, 24_000) == 2.75
    assert heard == [pytest.approx(2.0, abs=1e-3)]


def test_cleanliness_without_its_package_is_refused_before_anything_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "speechmos", None)
    with pytest.raises(CorpusError, match=r"pip install kurdtts\[train\]"):
        cleanliness()


def test_naturalness_asks_the_network_for_each_sound_at_16_khz(monkeypatch: pytest.MonkeyPatch) -> None:
    class MeanSample(torch.nn.Module):
        def forward(self, sounds: torch.Tensor) -> torch.Tensor:
            assert sounds.shape == (1, 16_000) and not self.training
            return sounds.mean(1, keepdim=True)

    package: Any = types.ModuleType("distillmos")
    package.ConvTransformerSQAModel = MeanSample
    monkeypatch.setitem(sys.modules, "distillmos", package)
    assert naturalness()(np.full(8_000, 0.5, np.float32), 8_000) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("error", [OSError("libc10_cuda.so: cannot open"), ImportError("No module named 'distillmos'")])
def test_naturalness_that_cannot_be_loaded_says_why_and_warns_of_torchaudio(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary: Callable[..., Any] = builtins.__import__

    def broken(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "distillmos":
            raise error
        return ordinary(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(EvaluationError, match="torchaudio") as caught:
        naturalness()
    assert str(error) in str(caught.value)
