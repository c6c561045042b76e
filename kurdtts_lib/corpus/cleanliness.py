"""An optional judge of cleanliness: DNSMOS (Reddy et al. 2021), whose weights come in the package `speechmos`."""

from pathlib import Path

import numpy as np

from kurdtts_lib.audio import decode
from kurdtts_lib.errors import CorpusError

SAMPLING_RATE = 16_000
"""Hertz: what DNSMOS was trained on."""


def dnsmos(path: Path) -> float:
    """Predicted cleanliness of a clip, about 1 to 5 (the overall figure). No listener was asked.

    Raises CorpusError if the package is not installed.
    """
    try:
        from speechmos import dnsmos as judge
    except ImportError as error:
        raise CorpusError(
            f"`min_dnsmos` needs packages that are not installed ({error}). Install them with "
            "`pip install kurdtts[judges]`, or set `min_dnsmos` to None."
        ) from error
    waveform = decode(path, SAMPLING_RATE)
    return float(judge.run(np.clip(waveform, -1, 1), sr=SAMPLING_RATE)["ovrl_mos"])
