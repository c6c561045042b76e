"""Optional prediction of cleanliness: DNSMOS (Reddy et al. 2021), whose weights come with the package `speechmos`."""

from pathlib import Path
from typing import Any

import numpy as np

from kurdtts_lib.audio.io import decode, resample
from kurdtts_lib.core.errors import CorpusError

SAMPLING_RATE = 16_000
"""Hertz: what DNSMOS was trained on."""


def dnsmos(path: Path) -> float:
    """Predicted overall quality (OVRL) of a clip, about 1 to 5; a model's prediction, not a listener's opinion."""
    return predicted_cleanliness(decode(path, SAMPLING_RATE), SAMPLING_RATE)


def predicted_cleanliness(waveform: np.ndarray, rate: int) -> float:
    """`dnsmos` of a waveform (samples,) at `rate` Hz. Raises CorpusError if its package is not installed."""
    clipped = np.clip(resample(waveform, rate, SAMPLING_RATE), -1, 1)
    return float(load_dnsmos().run(clipped, sr=SAMPLING_RATE)["ovrl_mos"])


def load_dnsmos() -> Any:
    """The module `speechmos.dnsmos`. Raises CorpusError with install instructions."""
    try:
        from speechmos import dnsmos
    except ImportError as error:
        raise CorpusError(
            f"DNSMOS needs packages that are not installed ({error}). Install them with `pip install kurdtts[train]`, "
            "or do without it (setting `min_dnsmos`: None)."
        ) from error
    return dnsmos
