r"""A number, its error, and its floor: the same number for truth against truth.

A distance between two finite samples of one distribution is not zero. Its floor is the mean of the same
distance over disjoint pairs of reference samples, each as large as the samples that are compared. A value is
judged by

    ratio  = value / floor
    t      = (value - mean of pairs) / (spread of pairs * sqrt(1 + 1/k)),   p = P(T_{k-1} > t)

where the second is the exact prediction interval for one more Gaussian draw after k pairs.

Where the reference is too small for pairs of the full size, smaller pairs are taken. A distance W1 between
two samples of the same distribution falls as 1/sqrt(size), so such a floor is brought to the full size by
sqrt(pair size / size), and `scale` says so.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Score", "prediction_p_value"]

MIN_PAIRS = 3
"""Fewer pairs than this have no spread worth the name."""


@dataclass(frozen=True)
class Score:
    """One measured number beside its floor.

    Attributes:
        value: candidate against reference.
        error: statistical uncertainty of the value.
        n: events of the candidate.
        pairs: the same number for each truth-truth pair, brought to the full size; shape (k,).
        pair_size: events in each half of a pair.
        scale: the factor that brought the pairs to the full size; 1 if they have it.
    """

    value: float
    error: float
    n: int
    pairs: NDArray[np.float64]
    pair_size: int
    scale: float = 1.0

    @property
    def n_pairs(self) -> int:
        """Number of truth-truth pairs."""
        return len(self.pairs)

    @property
    def floor(self) -> float | None:
        """Mean over the truth-truth pairs; None without any."""
        return float(self.pairs.mean()) if self.n_pairs else None

    @property
    def floor_spread(self) -> float | None:
        """Standard deviation over the truth-truth pairs; None with fewer than three."""
        return float(self.pairs.std(ddof=1)) if self.n_pairs >= MIN_PAIRS else None

    @property
    def ratio(self) -> float | None:
        """Value over floor; None where the floor is zero or unknown.

        >>> Score(3.0, 0.1, 100, np.array([1.0, 2.0]), 100).ratio
        2.0
        """
        return self.value / self.floor if self.floor else None

    @property
    def p_value(self) -> float | None:
        """Chance that truth against truth gives at least this value; None with fewer than three pairs."""
        return prediction_p_value(self.value, self.pairs)


def prediction_p_value(value: float, draws: NDArray[np.float64]) -> float | None:
    """Chance that one more draw of the same Gaussian is at least `value`.

    Args:
        value: the new number.
        draws: earlier draws, shape (k,).

    Returns:
        None with fewer than three draws or without spread among them.

    >>> round(prediction_p_value(0.0, np.array([-1.0, 0.0, 1.0])), 3)
    0.5
    """
    from scipy.stats import t as student

    k = len(draws)
    if k < MIN_PAIRS or not (spread := float(draws.std(ddof=1))) > 0:
        return None
    return float(student.sf((value - float(draws.mean())) / (spread * np.sqrt(1 + 1 / k)), k - 1))
