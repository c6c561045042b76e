"""A mean and how certain it is: of figures over sentences, and of what listeners say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

FEWEST = 3
"""Sentences, and listeners, from which on something is said about others."""
LEVEL = 0.95
RESAMPLES = 4999
SEED = 1
"""The same values give the same interval, everywhere."""


@dataclass(frozen=True)
class Estimate:
    """A mean and its confidence interval."""

    n: int
    """Values: sentences for which it is defined, or listeners' ratings."""
    mean: float | None
    """None if n is 0."""
    low: float | None
    high: float | None
    """Ends of the interval; None where nothing can be said about others: for fewer than `FEWEST`, and where all values
    are equal, as then no spread is known."""

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return shown(self.mean)
        return f"{shown(self.mean)} ({shown(self.low)} to {shown(self.high)})"

    @property
    def differs(self) -> bool:
        """Of a difference: whether 0 lies outside of the interval."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def shown(value: float | None) -> str:
    """A figure as it is printed everywhere: two places behind the point, none from 100 on, four below 0.01."""
    if value is None:
        return "not defined"
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.4f}" if 0 < size < 0.01 else f"{value:.2f}"


def estimate(values: Sequence[float] | np.ndarray) -> Estimate:
    """Mean of the values that are numbers, and its 95 % interval (BCa bootstrap over sentences, Efron 1987).

    With few sentences every interval is too narrow; below some ten take it as a hint. See `Estimate` for where there is
    none.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) == 0:
        return Estimate(0, None, None, None)
    mean = float(known.mean())
    if len(known) < FEWEST or np.ptp(known) <= 1e-12 * max(1.0, abs(mean)):
        return Estimate(len(known), mean, None, None)
    found = scipy.stats.bootstrap(
        (known,),
        np.mean,
        confidence_level=LEVEL,
        n_resamples=RESAMPLES,
        method="BCa",
        batch=max(1, 10_000_000 // len(known)),  # memory does not grow with the number of sentences
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Estimate(len(known), mean, float(found.low), float(found.high))
