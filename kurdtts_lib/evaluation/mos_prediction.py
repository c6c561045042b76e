"""Prediction of mean opinion scores by neural networks. Predictions, not listeners' opinions."""

from collections.abc import Callable

import numpy as np

from kurdtts_lib.audio.io import resample
from kurdtts_lib.core.errors import EvaluationError
from kurdtts_lib.data.dnsmos import load_dnsmos, predicted_cleanliness

RATE = 16_000
"""Hertz, the sampling rate that Distill-MOS was trained on."""
Predictor = Callable[[np.ndarray, int], float]
"""Predicts a score from a waveform (samples,) and its sampling rate in Hz."""


def cleanliness() -> Predictor:
    """DNSMOS (Reddy et al. 2021). Raises CorpusError with install instructions if its package is missing."""
    load_dnsmos()  # fail now rather than after minutes of synthesis
    return predicted_cleanliness


def naturalness() -> Predictor:
    """Distill-MOS (Stahl and Gamper 2025), a small network trained on listeners' scores.

    Raises EvaluationError if its package is not installed or cannot be loaded.
    """
    try:
        import torch
        from distillmos import ConvTransformerSQAModel
    except (ImportError, OSError, RuntimeError) as error:  # the last two: torchaudio built for another PyTorch
        raise EvaluationError(
            f"Predicted naturalness needs the package `distillmos`, which cannot be loaded ({error}). It needs "
            "torchaudio, and a torchaudio that does not fit the installed PyTorch also keeps the voices from loading: "
            "do not install it for this figure alone."
        ) from error
    model = ConvTransformerSQAModel().eval()

    def predict(waveform: np.ndarray, rate: int) -> float:
        with torch.inference_mode():
            return float(model(torch.from_numpy(resample(waveform, rate, RATE)).unsqueeze(0)))

    return predict
