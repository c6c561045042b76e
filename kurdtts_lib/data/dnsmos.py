"""Optional prediction of cleanliness: DNSMOS (Reddy et al. 2021), whose weights come with the package `speechmos`."""

from typing import Any

import numpy as np

from kurdtts_lib.audio.io import resample
from kurdtts_lib.core.errors import CorpusError

SAMPLING_RATE = 16_000
"""Hertz: what DNSMOS was trained on."""


def predicted_cleanliness(waveform: np.ndarray, rate: int) -> float:
    """Predicted overall quality (OVRL) of a waveform (samples,) at `rate` Hz, about 1 to 5; no listener's opinion.

    Raises CorpusError if its package is not installed.
    """
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
