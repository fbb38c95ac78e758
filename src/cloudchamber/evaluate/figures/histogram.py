"""Weighted histograms and the bins they need."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram", "integer_edges", "quantile_edges"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Histogram:
    """A weighted histogram, normalised to one event.

    Attributes:
        edges: shape (b + 1,).
        density: values per event and unit of the axis, shape (b,).
        error: its statistical uncertainty, shape (b,).
        entries: number of values in each bin, unweighted, shape (b,).
    """

    edges: Array
    density: Array
    error: Array
    entries: Array

    @classmethod
    def fill(cls, values: Array, edges: Array, norm: float, weight: Array | None = None) -> "Histogram":
        """Count values.

        Args:
            values: shape (k,).
            edges: ascending, shape (b + 1,).
            norm: sum of the event weights.
            weight: of each value, shape (k,); ones by default.
        """
        entries = np.histogram(values, edges)[0].astype(np.float64)
        total = entries if weight is None else np.histogram(values, edges, weights=weight)[0]
        squares = entries if weight is None else np.histogram(values, edges, weights=weight**2)[0]
        scale = 1.0 / (norm * np.diff(edges))
        return cls(edges, total * scale, np.sqrt(squares) * scale, entries)

    @property
    def centers(self) -> Array:
        """Middle of each bin."""
        middle: Array = (self.edges[1:] + self.edges[:-1]) / 2
        return middle


def quantile_edges(values: Array, bins: int = 40, *, tail: float = 5e-4, start: float | None = None) -> Array:
    """Equal bins that hold all but a small tail of the values on either side.

    Args:
        values: of the reference.
        bins: number of bins.
        tail: share left out on each side.
        start: lower edge; found like the upper one by default.
    """
    low, high = np.quantile(values, [tail, 1 - tail]) if len(values) else (0.0, 1.0)
    low = low if start is None else start
    return np.linspace(low, high if high > low else low + 1.0, bins + 1)


def integer_edges(values: Array, tail: float = 2e-4, most: int = 80) -> Array:
    """Bins of one around the whole numbers, up to all but a small tail of the values.

    Args:
        values: of the reference, whole numbers from 0.
        tail: share left out above.
        most: most bins.
    """
    high = int(np.quantile(values, 1 - tail)) if len(values) else 1
    edges: Array = np.arange(min(max(high, 2), most) + 2, dtype=np.float64) - 0.5
    return edges
