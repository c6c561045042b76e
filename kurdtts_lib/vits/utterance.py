"""What a voice's model makes of one row of token ids. Here, without torch, for exported voices too."""

from typing import NamedTuple

import numpy as np


class Utterance(NamedTuple):
    """What the model made of one row of token ids."""

    waveform: np.ndarray
    """(samples,), float32 in [-1, 1]."""
    durations: np.ndarray
    """(positions,): whole frames of each token."""
