"""An optional judge of cleanliness: DNSMOS (Reddy et al. 2021), whose weights come in the package `speechmos`."""

from pathlib import Path
from typing import Any

import numpy as np

from kurdtts_lib.audio.io import decode, resample
from kurdtts_lib.core.errors import CorpusError

SAMPLING_RATE = 16_000
"""Hertz: what DNSMOS was trained on."""


def dnsmos(path: Path) -> float:
    """Predicted cleanliness of a clip, about 1 to 5 (the overall figure). No listener was asked.

    Raises CorpusError if the package is not installed.
    """
    try:
        load_judge()
    except MissingJudge as error:
        raise CorpusError(f"`min_dnsmos` cannot be used: {error} Or set `min_dnsmos` to None.") from error
    return predicted_cleanliness(decode(path, SAMPLING_RATE), SAMPLING_RATE)


class MissingJudge(CorpusError):
    """The package of DNSMOS is not installed."""


def predicted_cleanliness(waveform: np.ndarray, rate: int) -> float:
    """The same of a waveform (samples,) at `rate` Hz. Raises MissingJudge."""
    sound = np.clip(resample(waveform, rate, SAMPLING_RATE), -1, 1)
    return float(load_judge().run(sound, sr=SAMPLING_RATE)["ovrl_mos"])


def load_judge() -> Any:
    """The program. Raises MissingJudge, saying how to get it."""
    try:
        from speechmos import dnsmos
    except ImportError as error:
        raise MissingJudge(
            f"DNSMOS needs packages that are not installed ({error}). Install them with `pip install kurdtts[train]`."
        ) from error
    return dnsmos
