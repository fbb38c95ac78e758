r"""Separation powers of histograms (Diefenbacher et al., arXiv:2009.03796, as in arXiv:2410.21611).

For two histograms p and q, each with sum 1,

    S = 1/2 sum_b (p_b - q_b)^2 / (p_b + q_b)

is zero where they agree and one where they have no bin in common. For two samples of n of one distribution in B bins it
is about B / 2n. Every observable has 40 bins between the 0.1 % and the 99.9 % quantile of the reference (integers have
bins of whole numbers), and one bin on either side for what lies beyond. The energies of cells have 40 logarithmic bins.
The error follows from the multinomial variances of p and q to first order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.showers.observables import Quantity, quantities, shower_table
from cloudchamber.evaluate.tables import Measured, Statistic
from cloudchamber.events import Showers

__all__ = ["CELLS", "Binned", "Binning", "separation_power", "separation_powers", "statistics"]

Array = NDArray[np.float64]

BINS = 40
CELLS = Quantity("cell_E", "cell energies", "MeV", "energy of a hit")
_TAIL = 1e-3


@dataclass(frozen=True)
class Binning:
    """Bins of all observables.

    Attributes:
        edges: rising, of each observable in the order of `quantities`.
        cells: of the energies of cells in MeV.
    """

    edges: tuple[Array, ...]
    cells: Array

    @classmethod
    def of(cls, reference: Showers) -> "Binning":
        """Bins that suit a sample.

        Args:
            reference: the sample.
        """
        x, kinds = shower_table(reference).x, quantities(len(reference.geometry.layers))
        edges = tuple(_edges(column, kind.whole) for column, kind in zip(x.T, kinds, strict=True))
        low, high = np.quantile(reference.energy, [0.0, 1 - _TAIL / 10])
        return cls(edges, np.geomspace(low, max(high, 1.01 * low), BINS + 1))


@dataclass(frozen=True)
class Binned:
    """Showers as numbers of bins.

    Attributes:
        bins: of each observable, zero for below the first edge, shape (n, d).
        cells: how many hits of each shower are in each bin of cell energies, shape (n, b).
    """

    bins: NDArray[np.uint8]
    cells: NDArray[np.uint16]

    @classmethod
    def of(cls, showers: Showers, binning: Binning) -> "Binned":
        """The bins of showers.

        Args:
            showers: n of them.
            binning: the edges.
        """
        x, size = shower_table(showers).x, len(binning.cells) + 1
        bins = [np.searchsorted(edges, column, side="right") for edges, column in zip(binning.edges, x.T, strict=True)]
        cell = np.searchsorted(binning.cells, showers.energy, side="right")
        counts = np.bincount(showers.row * size + cell, minlength=len(showers) * size)
        return cls(np.stack(bins, axis=1).astype(np.uint8), counts.astype(np.uint16).reshape(len(showers), size))

    def __len__(self) -> int:
        return len(self.bins)

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> "Binned":
        return Binned(self.bins[rows], self.cells[rows])


def statistics(layers: int) -> list[Statistic]:
    """What `separation_powers` gives, one for each observable and one for the energies of cells.

    Args:
        layers: how many.
    """
    return [Statistic(q.key, f"separation power of: {q.description}", power=1.0) for q in (*quantities(layers), CELLS)]


def separation_powers(reference: Binned, candidate: Binned, rng: np.random.Generator) -> Sequence[Measured]:
    """Separation powers of all histograms.

    Args:
        reference: showers to compare with.
        candidate: those that are judged.
        rng: not used.
    """
    columns = [separation_power(np.bincount(a, minlength=256), np.bincount(b, minlength=256))
               for a, b in zip(reference.bins.T, candidate.bins.T, strict=True)]  # fmt: skip
    return [*columns, separation_power(*(sample.cells.sum(0, dtype=np.int64) for sample in (reference, candidate)))]


def separation_power(first: NDArray[np.integer], second: NDArray[np.integer]) -> Measured:
    """Separation power of two histograms.

    Args:
        first: counts, shape (B,).
        second: counts in the same bins.

    >>> separation_power(np.array([1, 1, 0]), np.array([0, 0, 2])).value
    1.0
    """
    p, q = first / first.sum(), second / second.sum()
    seen = p + q > 0
    p, q = p[seen], q[seen]
    d, s = p - q, p + q
    slope = d / s
    gradients = slope - slope**2 / 2, -slope - slope**2 / 2
    variance = sum(
        float((g**2 * share).sum() - (g * share).sum() ** 2) / n
        for g, share, n in zip(gradients, (p, q), (first.sum(), second.sum()), strict=True)
    )
    return Measured(float((d**2 / s).sum() / 2), float(np.sqrt(max(variance, 0.0))))


def _edges(values: Array, whole: bool) -> Array:
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
    if whole:
        step = max(1, int(np.ceil((high - low + 1) / BINS)))
        return np.arange(np.floor(low), high + step, step) - 0.5
    return np.linspace(low, high if high > low else low + 1.0, BINS + 1)
