r"""Fitted monotone maps that make one-dimensional marginals simple, with inverse and log-determinant.

A tabulated map sends a value v to a score z by its empirical quantiles: z = G^-1(F(v)), where F is the distribution
of the data and G a reference, the unit normal (for values on a line) or the Rayleigh distribution (for the length of
a two-dimensional vector, so that the vector becomes a unit normal in the plane). The map is piecewise linear on a
grid that is uniform in z, so its inverse is a table look-up and its log-determinant is ln dz/dv of the segment.

One map holds several rows (one for each species, say) that share the grid; `row` says which one a value uses.

`Affine` acts on whole vectors: z = A (v - m), fitted so that the scores have zero mean and unit covariance.

`Bounded` maps intervals to the line, coordinate by coordinate, z = ln(v - a) - ln(b - v), with half-lines by one of the
logarithms, and leaves lines alone.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.nn import functional

__all__ = ["Affine", "Bijection", "Bounded", "TabulatedMap"]


class Bijection(Protocol):
    """An invertible map of vectors with its Jacobian."""

    def forward(self, v: Tensor) -> Tensor:
        """Scores of values, shape (B, F)."""
        ...

    def inverse(self, z: Tensor) -> Tensor:
        """Values of scores, shape (B, F)."""
        ...

    def log_det(self, v: Tensor) -> Tensor:
        """Ln |det dz/dv| at each value, shape (B,)."""
        ...


class Affine:
    """z = A (v - m).

    Args:
        mean: m, shape (F,).
        matrix: A, shape (F, F), not singular.

    >>> double = Affine(torch.zeros(1), 2 * torch.ones(1, 1))
    >>> double.forward(torch.ones(1, 1)).item(), round(double.log_det(torch.ones(1, 1)).item(), 4)
    (2.0, 0.6931)
    """

    def __init__(self, mean: Tensor, matrix: Tensor) -> None:
        self.mean, self.matrix = mean, matrix

    @classmethod
    def whitening(cls, sample: Tensor) -> "Affine":
        """The map that gives a sample zero mean and unit covariance.

        Args:
            sample: shape (n, F), n > F.
        """
        size = sample.shape[1]
        root = torch.linalg.cholesky(sample.double().T.cov().reshape(size, size))
        return cls(sample.mean(0), torch.linalg.inv(root).to(sample.dtype))

    def forward(self, v: Tensor) -> Tensor:
        """Scores of values.

        Args:
            v: shape (B, F).
        """
        return (v - self.mean) @ self.matrix.T

    def inverse(self, z: Tensor) -> Tensor:
        """Values of scores.

        Args:
            z: shape (B, F).
        """
        values: Tensor = torch.linalg.solve(self.matrix, z.T).T + self.mean
        return values

    def log_det(self, v: Tensor) -> Tensor:
        """Ln |det A| for each value, shape (B,).

        Args:
            v: shape (B, F).
        """
        log_det: Tensor = torch.linalg.slogdet(self.matrix).logabsdet
        return log_det.expand(len(v))


class Bounded:
    """Coordinates between bounds, on the line; z rises with v in each of them.

    Args:
        low: lower bounds a, shape (F,), float64; minus infinity where there is none.
        high: upper bounds b, shape (F,), float64; infinity where there is none.

    >>> unit = Bounded(torch.zeros(1).double(), torch.ones(1).double())
    >>> unit.forward(torch.tensor([[0.5]]).double()).item(), round(unit.log_slope(torch.zeros(1, 1).double()).item(), 4)
    (0.0, -1.3863)
    """

    def __init__(self, low: Tensor, high: Tensor) -> None:
        self.low, self.high = low.double(), high.double()
        self._below, self._above = torch.isfinite(self.low), torch.isfinite(self.high)
        self._width = torch.where(self._below & self._above, self.high - self.low, torch.ones_like(self.low))

    def forward(self, v: Tensor) -> Tensor:
        """Scores of values.

        Args:
            v: shape (B, F), strictly between the bounds.
        """
        zero = torch.zeros_like(v)
        over = torch.where(self._below, v - self.low, zero)
        under = torch.where(self._above, self.high - v, zero)
        bounded = torch.where(self._below, over.log(), zero) - torch.where(self._above, under.log(), zero)
        return torch.where(self._below | self._above, bounded, v)

    def inverse(self, z: Tensor) -> Tensor:
        """Values of scores.

        Args:
            z: shape (B, F).
        """
        zero = torch.zeros_like(z)
        inside = self.low + self._width * torch.sigmoid(z)
        above_low, below_high = self.low + z.exp(), self.high - torch.exp(-z)
        one_sided = torch.where(self._below, above_low, torch.where(self._above, below_high, z + zero))
        return torch.where(self._below & self._above, inside, one_sided)

    def log_slope(self, z: Tensor) -> Tensor:
        """Ln |det dv/dz| at each score, shape (B,), exact also where the values have run into a bound.

        Args:
            z: shape (B, F).
        """
        two_sided = self._width.log() - functional.softplus(z) - functional.softplus(-z)
        one_sided = z * (self._below.to(z) - self._above.to(z))
        slopes: Tensor = torch.where(self._below & self._above, two_sided, one_sided)
        return slopes.sum(-1)

    def log_det(self, v: Tensor) -> Tensor:
        """Ln |det dz/dv| at each value, shape (B,).

        Args:
            v: shape (B, F), strictly between the bounds.
        """
        return -self.log_slope(self.forward(v))


_REFERENCES = {"normal": stats.norm, "rayleigh": stats.rayleigh}


class TabulatedMap:
    """Monotone piecewise-linear maps v <-> z on a grid uniform in z.

    Args:
        knots: values at the grid points, strictly increasing, shape (R, K), float64.
        low: first grid point, shape (R,).
        high: last grid point, shape (R,).

    >>> square = TabulatedMap(torch.tensor([[0.0, 1.0, 4.0]]).double(), torch.zeros(1), torch.full((1,), 2.0))
    >>> row = torch.zeros(2, dtype=torch.long)
    >>> square.inverse(torch.tensor([1.5, 2.0]).double(), row).tolist()
    [2.5, 4.0]
    """

    def __init__(self, knots: Tensor, low: Tensor, high: Tensor) -> None:
        self.knots, self.low, self.high = knots.double(), low.double(), high.double()
        self._step = (self.high - self.low) / (knots.shape[1] - 1)
        self._start = _plateau_starts(self.knots)

    @classmethod
    def fit(cls, samples: Sequence[NDArray[np.float64]], reference: str = "normal", size: int = 129) -> "TabulatedMap":
        """Quantile maps of several samples, one row each.

        Args:
            samples: values of each row; at least two different ones.
            reference: `normal`, or `rayleigh` for non-negative values whose map goes through the origin.
            size: grid points K.

        Returns:
            The fitted map; its outermost knots are the extremes of the data.
        """
        distribution = _REFERENCES[reference]
        knots, lows, highs = [], [], []
        for sample in samples:
            n = len(sample)
            low = 0.0 if reference == "rayleigh" else float(distribution.ppf(0.5 / n))
            high = float(distribution.ppf(1 - 0.5 / n))
            grid = np.linspace(low, high, size)
            row = np.quantile(np.asarray(sample, dtype=np.float64), distribution.cdf(grid))
            row[-1] = np.max(sample)
            row[0] = 0.0 if reference == "rayleigh" else np.min(sample)
            knots.append(_strictly_increasing(row))
            lows.append(low)
            highs.append(high)
        return cls(torch.tensor(np.stack(knots)), torch.tensor(lows), torch.tensor(highs))

    def forward(self, v: Tensor, row: Tensor) -> Tensor:
        """Scores of values; linear beyond the outermost knots.

        Args:
            v: values, any shape.
            row: which map each value uses, same shape.
        """
        segment = self._segment(v, row)
        left, width = self._edges(segment, row)
        return self.low[row] + self._step[row] * (segment + (v.double() - left) / width)

    def inverse(self, z: Tensor, row: Tensor, bounded: bool = False) -> Tensor:
        """Values of scores.

        Args:
            z: scores, any shape.
            row: which map each score uses, same shape.
            bounded: keep values inside the range of the fitted data instead of extrapolating.
        """
        position = (z.double() - self.low[row]) / self._step[row]
        if bounded:
            position = position.clamp(0, self.knots.shape[1] - 1)
        segment = position.floor().long().clamp(0, self.knots.shape[1] - 2)
        left, width = self._edges(segment, row)
        return left + (position - segment) * width

    def settle(self, v: Tensor, row: Tensor) -> Tensor:
        """Values with those of a plateau made equal: what the sample held at one value is again at that value.

        Where many values of a sample are equal, a quantile map has a plateau, whose knots `fit` moves apart by a hair;
        all of its values have the score of its first knot.

        Args:
            v: values, any shape.
            row: which map each value uses, same shape.
        """
        size = self.knots.shape[1]
        segment = self._segment(v, row)
        start = self._start.reshape(-1)[row * size + segment + 1]
        inside = (start <= segment) & (v.double() < self.knots.reshape(-1)[row * size + segment + 1])
        return torch.where(inside, self.knots.reshape(-1)[row * size + start], v.double())

    def log_det(self, v: Tensor, row: Tensor) -> Tensor:
        """Ln dz/dv at each value.

        Args:
            v: values, any shape.
            row: which map each value uses, same shape.
        """
        _, width = self._edges(self._segment(v, row), row)
        return torch.log(self._step[row] / width)

    def state(self) -> dict[str, Tensor]:
        """The tensors that define the map."""
        return {"knots": self.knots, "low": self.low, "high": self.high}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "TabulatedMap":
        """The map that `state` came from.

        Args:
            state: tensors by name.
        """
        return cls(state["knots"], state["low"], state["high"])

    def _edges(self, segment: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        """Left knot and width of segments."""
        flat = row * self.knots.shape[1] + segment
        left = self.knots.reshape(-1)[flat]
        return left, self.knots.reshape(-1)[flat + 1] - left

    def _segment(self, v: Tensor, row: Tensor) -> Tensor:
        """Segment of each value, by bisection in its own row."""
        size, flat = self.knots.shape[1], self.knots.reshape(-1)
        low = torch.zeros_like(row)
        high = torch.full_like(row, size - 1)
        for _ in range(int(np.ceil(np.log2(size - 1))) + 1):
            middle = (low + high) // 2
            right = v.double() >= flat[row * size + middle]
            low, high = torch.where(right, middle, low), torch.where(right, high, middle)
        return low.clamp(0, size - 2)


_HAIR = 1e-7
"""Ties of knots are moved apart by this fraction of their range."""


def _plateau_starts(knots: Tensor) -> Tensor:
    """For each knot the first knot of its plateau, itself where it is on none, shape (R, K)."""
    hair = ((knots[:, -1:] - knots[:, :1]) * _HAIR).clamp(min=1e-12)
    tied = torch.diff(knots, dim=1) < 1.5 * hair
    own = torch.arange(1, knots.shape[1], device=knots.device).expand_as(tied)
    starts = torch.cat([torch.zeros_like(own[:, :1]), own.masked_fill(tied, 0)], dim=1)
    return starts.cummax(dim=1).values


def _strictly_increasing(knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Knots with ties moved apart by a hair of their range."""
    gap = max((knots[-1] - knots[0]) * _HAIR, 1e-12)
    ramp = gap * np.arange(len(knots))
    increasing: NDArray[np.float64] = np.maximum.accumulate(knots - ramp) + ramp
    return increasing
