"""The output of a voice's model for one sequence of token ids. Without torch, so that exported voices use it too."""

from typing import NamedTuple

import numpy as np


class Utterance(NamedTuple):
    """One synthesised sequence of token ids."""

    waveform: np.ndarray
    """(samples,), float32 in [-1, 1]."""
    durations: np.ndarray
    """(positions,), int64: frames of each token, blanks included."""
