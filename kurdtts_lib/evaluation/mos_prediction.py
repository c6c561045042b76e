"""Programs that guess how speech sounds to people. No listener is asked, so none of this is an opinion score."""

from collections.abc import Callable

import numpy as np

from kurdtts_lib.audio.io import resample
from kurdtts_lib.core.errors import EvaluationError
from kurdtts_lib.data.dnsmos import load_dnsmos, predicted_cleanliness

RATE = 16_000
"""Hertz: what the predictor was trained on."""
Predictor = Callable[[np.ndarray, int], float]
"""Of a waveform and its sampling rate in Hz."""


def cleanliness() -> Predictor:
    """DNSMOS (Reddy et al. 2021). Raises CorpusError, saying how to get it, if its package is not installed."""
    load_dnsmos()  # now rather than after minutes of speaking
    return predicted_cleanliness


def naturalness() -> Predictor:
    """Distill-MOS (Stahl and Gamper 2025), a small network that learned from listeners' scores.

    Raises JudgingError if its package is not installed or cannot be loaded.
    """
    try:
        import torch
        from distillmos import ConvTransformerSQAModel
    except (ImportError, OSError, RuntimeError) as error:  # the last two: a torchaudio for another PyTorch
        raise EvaluationError(
            f"Predicted naturalness needs the package `distillmos`, which cannot be loaded ({error}). It needs "
            "torchaudio, and a torchaudio that does not fit the installed PyTorch also keeps the voices from loading: "
            "do not install it for this figure alone."
        ) from error
    model = ConvTransformerSQAModel().eval()

    def guess(waveform: np.ndarray, rate: int) -> float:
        with torch.inference_mode():
            return float(model(torch.from_numpy(resample(waveform, rate, RATE)).unsqueeze(0)))

    return guess
