r"""Weighted histograms per event, and the bins they need.

With c_ib the number of values of event i in bin b (or the sum of their shares), w_i its weight and n events,

    density_b = m_b / width_b,     m_b = sum_i w_i c_ib / sum_i w_i
    error_b   = sqrt(sum_i w_i^2 (c_ib - m_b)^2) / (width_b sum_i w_i)

so that particles of one event, which are not independent, are counted as the one draw that they are.

Where other members of an ensemble made events as well (`with_members`), the candidate is one of M models that differ by
chance alone, and its distance from the truth is as uncertain as theirs from each other. With m = 1 ... M,

    model_b^2 = t^2 max(0, var_m(density_mb) - mean_m(error_mb^2))

where var has M - 1 in its denominator; the spread that the members' own statistics make is taken off, and t is the
quantile of Student's distribution with M - 1 degrees of freedom where the normal one has its standard deviation,
because a variance of so few is uncertain itself. The band covers what differs between the members, and no error that
they share: networks that are too small or trained too briefly are wrong in the same way. The sample that the members
were trained on shows such an error without any knowledge of the truth. With T_b its density, Dbar_b the members' mean
and N_b the average over bin b and two bins on either side,

    closure_b^2 = T_b^2 max(0, N_b[((Dbar - T)^2 - error_T^2 - mean_m(error_m^2) / M) / T^2])

is added to model_b^2. Models that follow the fluctuations of their training sample are closer to it than error_T; then
nothing is added, and a bootstrap of the sample is what tells the members apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cloudchamber.evaluate.sample import Column

__all__ = ["Histogram", "integer_edges", "quantile_edges"]

Array = NDArray[np.float64]
_BLOCK = 20_000
_NEIGHBOURS = 2
"""Bins on either side over which the error that members share is averaged."""
_ONE_SIGMA = float(stats.norm.cdf(1.0))


@dataclass(frozen=True)
class Histogram:
    """A weighted histogram, normalised to one event.

    Attributes:
        edges: shape (b + 1,).
        density: values per event and unit of the axis, shape (b,).
        error: its statistical uncertainty, shape (b,).
        entries: number of values in each bin, unweighted, shape (b,).
        events: effective number of events.
        model: uncertainty of the model that made the events, shape (b,); None where it is not known.
    """

    edges: Array
    density: Array
    error: Array
    entries: Array
    events: float
    model: Array | None = None

    @classmethod
    def fill(cls, column: Column, edges: Array, share: Array | None = None) -> "Histogram":
        """Count values.

        Args:
            column: the values, k of them in n events.
            edges: ascending, shape (b + 1,).
            share: of each value in its event, shape (k,); ones by default.
        """
        place, b = _places(column.values, edges), len(edges) - 1
        sums = _one_each(column, place, b) if _is_one_each(column, share) else _sums(column, place, b, share)
        total, squares = float(column.weight.sum()), float((column.weight**2).sum())
        m = sums[0] / total
        variance = np.maximum(sums[2] - 2 * m * sums[1] + m**2 * squares, 0.0)
        width = np.diff(edges)
        entries = np.bincount(place, minlength=b + 1)[:b].astype(np.float64)
        return cls(edges, m / width, np.sqrt(variance) / (width * total), entries, total**2 / squares)

    @property
    def centers(self) -> Array:
        """Middle of each bin."""
        middle: Array = (self.edges[1:] + self.edges[:-1]) / 2
        return middle

    def with_members(self, members: Sequence["Histogram"], training: "Histogram | None" = None) -> "Histogram":
        """The same with the uncertainty of the model, from the spread of an ensemble and the error that it shares.

        Args:
            members: histograms of the other members, with the same bins; at least one.
            training: of the sample that all were trained on; the shared error is not known without it.
        """
        ensemble = (self, *members)
        spread = np.var([one.density for one in ensemble], axis=0, ddof=1)
        chance = np.mean([one.error**2 for one in ensemble], axis=0)
        t = stats.t.ppf(_ONE_SIGMA, len(ensemble) - 1)
        variance = t**2 * np.maximum(spread - chance, 0.0)
        if training is not None:
            mean = np.mean([one.density for one in ensemble], axis=0)
            variance = variance + _closure(mean, chance / len(ensemble), training)
        return replace(self, model=np.sqrt(variance))

    @property
    def total_error(self) -> Array:
        """Statistical uncertainty and that of the model, where it is known, in quadrature, shape (b,)."""
        total: Array = self.error if self.model is None else np.hypot(self.error, self.model)
        return total

    def pulls(self, reference: "Histogram", fewest: float) -> Array:
        """Differences from a reference in units of their standard deviation if there were none, shape (b,).

        The deviation is the reference's, scaled to both numbers of events, because an empty bin knows no error; the
        uncertainty of the model is added in quadrature.

        Args:
            reference: with the same bins.
            fewest: values that a bin must lead one to expect; others are NaN.
        """
        expected = reference.entries * min(1.0, self.events / reference.events)
        sigma = reference.error * np.sqrt(1 + reference.events / self.events)
        sigma = sigma if self.model is None else np.hypot(sigma, self.model)
        enough = (expected >= fewest) & (sigma > 0)
        difference = self.density - reference.density
        pulls: Array = np.divide(difference, sigma, out=np.full_like(sigma, np.nan), where=enough)
        return pulls


def _closure(mean: Array, variance: Array, training: Histogram) -> Array:
    """Square of the error that members share, shape (b,)."""
    excess = (mean - training.density) ** 2 - training.error**2 - variance
    seen = training.density > 0
    relative = np.divide(excess, training.density**2, out=np.zeros_like(excess), where=seen)
    around = np.ones(2 * _NEIGHBOURS + 1)
    sums, bins = (np.convolve(values, around, "same")[: len(mean)] for values in (relative, seen.astype(np.float64)))
    averages: Array = np.divide(sums, bins, out=np.zeros_like(sums), where=bins > 0)
    return np.maximum(averages, 0.0) * training.density**2


def _sums(column: Column, place: NDArray[np.int64], b: int, share: Array | None) -> Array:
    """Sums over events of w c, w^2 c and w^2 c^2 for each bin, shape (3, b)."""
    sums = np.zeros((3, b))
    for start in range(0, len(column), _BLOCK):
        stop = min(start + _BLOCK, len(column))
        rows = slice(column.offsets[start], column.offsets[stop])
        event = np.repeat(np.arange(stop - start), np.diff(column.offsets[start : stop + 1]))
        cells = event * (b + 1) + place[rows]
        count = np.bincount(cells, None if share is None else share[rows], minlength=(stop - start) * (b + 1))
        c, w = count.reshape(-1, b + 1)[:, :b].astype(np.float64), column.weight[start:stop]
        sums += np.stack([w @ c, w**2 @ c, w**2 @ c**2])
    return sums


def _one_each(column: Column, place: NDArray[np.int64], b: int) -> Array:
    """The same where every event has one value: c is 0 or 1."""
    first, second = (np.bincount(place, w, minlength=b + 1)[:b] for w in (column.weight, column.weight**2))
    return np.stack([first, second, second])


def _is_one_each(column: Column, share: Array | None) -> bool:
    return share is None and len(column.values) == len(column) and bool((column.counts == 1).all())


def _places(values: Array, edges: Array) -> NDArray[np.int64]:
    """Bin of each value; the number of bins for those outside, which NaN sorts into."""
    b = len(edges) - 1
    place = np.searchsorted(edges, values, side="right") - 1
    place[values == edges[-1]] = b - 1
    return np.where((place < 0) | (place >= b), b, place)


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
    high = int(np.quantile(values, 1 - tail, method="higher")) if len(values) else 1
    edges: Array = np.arange(min(max(high, 2), most) + 2, dtype=np.float64) - 0.5
    return edges
