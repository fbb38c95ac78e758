r"""One-dimensional Wasserstein distances of weighted samples, on the line and on the circle.

With the weighted distribution functions F and G of two samples,

    line:    W1 = int |F(x) - G(x)| dx
    circle:  W1 = min_c int_0^{2 pi} |F(x) - G(x) - c| dx,   attained at the median c of F - G

(Rabin, Delon and Gousseau, J. Math. Imaging Vis. 41 (2011) 147). Both integrals are exact sums over the gaps
between neighbouring values of the merged sample. The merged order does not depend on the weights, so a
bootstrap that only re-weights the events sorts once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Merged", "circular_wasserstein", "wasserstein"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Merged:
    """Two samples on one sorted axis, ready to be compared under any weights.

    Attributes:
        order: rows of the two samples, one after the other, in ascending order of value; shape (k,). gaps:
        distances between neighbours; shape (k - 1,), or (k,) on the circle, where the last gap closes it.
        size_a: number of values of the first sample.
    """

    order: NDArray[np.int64]
    gaps: Array
    size_a: int

    @classmethod
    def of(cls, a: Array, b: Array, *, circular: bool = False) -> "Merged":
        """Sort two samples together.

        Args:
            a: values of the first sample, shape (na,); radians if circular.
            b: values of the second sample, shape (nb,).
            circular: whether the values are angles.
        """
        values = np.concatenate([a, b])
        if circular:
            values = np.remainder(values, 2 * np.pi)
        order = np.argsort(values)
        values = values[order]
        gaps = np.diff(values, append=values[0] + 2 * np.pi) if circular else np.diff(values)
        return cls(order, gaps, len(a))

    def distance(self, weight_a: Array | None = None, weight_b: Array | None = None) -> float:
        """The distance under the given weights.

        Args:
            weight_a: not negative, shape (na,); equal weights by default.
            weight_b: not negative, shape (nb,); equal weights by default.
        """
        signed = np.empty(len(self.order))
        signed[: self.size_a] = 1.0 / self.size_a if weight_a is None else weight_a / weight_a.sum()
        size_b = len(self.order) - self.size_a
        signed[self.size_a :] = -1.0 / size_b if weight_b is None else -weight_b / weight_b.sum()
        difference = np.cumsum(signed[self.order])
        if len(self.gaps) < len(difference):
            return float(np.abs(difference[:-1]) @ self.gaps)
        return float(np.abs(difference - _weighted_median(difference, self.gaps)) @ self.gaps)


def wasserstein(a: Array, b: Array, weight_a: Array | None = None, weight_b: Array | None = None) -> float:
    """Wasserstein distance W1 on the line, in the unit of the values.

    Args:
        a: first sample, shape (na,).
        b: second sample, shape (nb,).
        weight_a: not negative, shape (na,); equal weights by default.
        weight_b: not negative, shape (nb,); equal weights by default.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    2.0
    """
    return Merged.of(a, b).distance(weight_a, weight_b)


def circular_wasserstein(a: Array, b: Array, weight_a: Array | None = None, weight_b: Array | None = None) -> float:
    """Wasserstein distance W1 on the circle, in radians; at most pi.

    Args:
        a: angles of the first sample in radians, shape (na,).
        b: angles of the second sample in radians, shape (nb,).
        weight_a: not negative, shape (na,); equal weights by default.
        weight_b: not negative, shape (nb,); equal weights by default.

    >>> round(circular_wasserstein(np.array([3.1]), np.array([-3.1])), 4)
    0.0832
    """
    return Merged.of(a, b, circular=True).distance(weight_a, weight_b)


def _weighted_median(values: Array, weights: Array) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(cumulative, cumulative[-1] / 2)]])
