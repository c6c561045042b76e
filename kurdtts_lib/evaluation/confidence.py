"""Means with confidence intervals: of metrics over sentences, and of listeners' ratings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

FEWEST = 3
"""Smallest number of sentences, and of listeners, for which an interval is given."""
LEVEL = 0.95
RESAMPLES = 4999
SEED = 1
"""Seed of the bootstrap: the same values always give the same interval."""


@dataclass(frozen=True)
class Estimate:
    """A mean and its confidence interval."""

    n: int
    """Number of values: sentences for which the metric is defined, or ratings."""
    mean: float | None
    """None if n is 0."""
    low: float | None
    high: float | None
    """Ends of the interval; None for fewer than `FEWEST` values, and if all values are equal, because then their spread
    is unknown."""

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return shown(self.mean)
        return f"{shown(self.mean)} ({shown(self.low)} to {shown(self.high)})"

    @property
    def differs(self) -> bool:
        """For a difference: whether the interval excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def shown(value: float | None) -> str:
    """A value as it is printed everywhere: two decimals, none from 100 on, four below 0.01."""
    if value is None:
        return "not defined"
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.4f}" if 0 < size < 0.01 else f"{value:.2f}"


def estimate(values: Sequence[float] | np.ndarray) -> Estimate:
    """Mean of the finite values and its 95 % confidence interval (BCa bootstrap over sentences, Efron 1987).

    With few sentences the interval is too narrow; below about ten it is only a hint. See `Estimate` for when it is
    None.
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
