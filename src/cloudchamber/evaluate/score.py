r"""A number, its error, and its floor: the same number for truth against truth.

A distance between two finite samples of one distribution is not zero. Its floor is the mean of the same
distance over k pairs of truth samples, each as large as the samples that are compared. A value v is judged by

    ratio  = v / floor
    t      = (v - mean of pairs) / (spread of pairs * sqrt(1 + 1/k)),   p = P(T_{k-1} > t)

where the second is the exact prediction interval for one more Gaussian draw after k pairs. For a quantity that is
positive and skewed the same is done with logarithms; for one that is bad when it is small, with the other tail.
Some tests know their distribution under the null hypothesis without any pairs: then it is stated.

Where the reference is too small for pairs of the full size, smaller pairs are taken and brought to the full size:

    pair -> c + (pair - c) (pair size / size)^q

with q = 1/2 about c = 0 for distances such as W1, q = 1 for quadratic ones, and q = 1/2 about 1/2 for areas under ROC
curves. `scale` holds the factor.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_PAIRS", "KnownNull", "Score", "Tail", "prediction_p_value"]

MIN_PAIRS = 3
"""Fewer pairs than this have no spread worth the name."""


class Tail(StrEnum):
    """Where a value tells against the candidate."""

    UPPER = "upper"
    LOWER = "lower"
    BOTH = "both"


class KnownNull(NamedTuple):
    """The distribution of a value for truth against truth, where theory gives it."""

    mean: float
    spread: float
    p_value: float
    """Chance of at least the value that was found."""


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
        tail: where a value tells against the candidate.
        logarithmic: whether p-values are computed from logarithms.
        known: the distribution under the null hypothesis, where it needs no pairs.
    """

    value: float
    error: float
    n: int
    pairs: NDArray[np.float64]
    pair_size: int
    scale: float = 1.0
    tail: Tail = Tail.UPPER
    logarithmic: bool = False
    known: KnownNull | None = None

    @property
    def n_pairs(self) -> int:
        """Number of truth-truth pairs."""
        return len(self.pairs)

    @property
    def floor(self) -> float | None:
        """Mean for truth against truth; None where unknown."""
        if self.known is not None:
            return self.known.mean
        return float(self.pairs.mean()) if self.n_pairs else None

    @property
    def floor_spread(self) -> float | None:
        """Standard deviation for truth against truth; None with fewer than three pairs."""
        if self.known is not None:
            return self.known.spread
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
        """Chance that truth against truth tells at least as much; None with fewer than three pairs."""
        if self.known is not None:
            return self.known.p_value
        value, pairs = np.float64(self.value), self.pairs
        if self.logarithmic:
            tiny = np.finfo(float).tiny
            value, pairs = np.log(np.maximum(value, tiny)), np.log(np.maximum(pairs, tiny))
        if self.tail is Tail.LOWER:
            value, pairs = -value, -pairs
        p_value = prediction_p_value(float(value), pairs)
        return p_value if p_value is None or self.tail is not Tail.BOTH else 2 * min(p_value, 1 - p_value)


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
