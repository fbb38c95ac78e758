r"""A log-density on the line.

A user's density p(v) may have bounds. The chain lives in coordinates u without any, with the density

    pi(u) = p(v(u)) |det dv/du| ,

so no step is ever cut off at a bound. Values of minus infinity are points that the density excludes: they are never
accepted. Not a number, plus infinity and exceptions are errors of the target, and the point is named.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.tensors.bijections import Bounded

__all__ = ["Bounds", "LogDensity", "LogProb", "Target"]

LogProb = Callable[[NDArray[np.float64]], Any]
"""A point (D,) to a number, or, vectorized, points (n, D) to numbers (n,)."""
LogDensity = Callable[[Tensor], Tensor]
"""Points (B, D) on the line, in float64, to logarithms of the density (B,)."""
Bounds = Sequence[tuple[float | None, float | None] | None]
"""Lower and upper bound of each parameter, None where there is none."""


class Target:
    """Evaluates a user's log-density.

    Args:
        log_prob: natural logarithm of the density, up to a constant.
        ndim: parameters D.
        bounds: of each parameter; none by default.
        vectorize: whether `log_prob` takes many points at once.

    Raises:
        InputError: if the bounds do not fit.
    """

    def __init__(self, log_prob: LogProb, ndim: int, bounds: Bounds | None = None, *, vectorize: bool = False) -> None:
        if ndim < 1:
            raise InputError(f"ndim {ndim} is impossible: a density has at least one parameter.")
        self.log_prob, self.ndim, self.vectorize = log_prob, ndim, vectorize
        self.bounds = _checked(bounds, ndim)
        self.bijection = Bounded(*torch.tensor(self.bounds, dtype=torch.float64).T)
        self.evaluations = 0

    def __call__(self, u: Tensor) -> Tensor:
        """Ln pi(u), shape (B,), float64.

        Args:
            u: shape (B, D), float64.
        """
        return self.values(self.to_values(u)) + self.bijection.log_slope(u)

    def to_values(self, u: Tensor) -> Tensor:
        """The user's parameters v, shape (B, D).

        Args:
            u: shape (B, D).
        """
        return self.bijection.inverse(u)

    def to_line(self, v: NDArray[np.float64]) -> Tensor:
        """Coordinates u of the user's parameters.

        Args:
            v: shape (B, D).

        Raises:
            InputError: if a point is not strictly inside the bounds.
        """
        low, high = np.array(self.bounds).T
        outside = np.flatnonzero(~((v > low) & (v < high) & np.isfinite(v)).all(1))
        if len(outside):
            raise InputError(f"the start {_shown(v[outside[0]])} is not inside the bounds; start the walkers inside.")
        return self.bijection.forward(torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64)))

    def values(self, v: Tensor) -> Tensor:
        """Ln p(v), shape (B,), float64.

        Args:
            v: shape (B, D), float64.

        Raises:
            InputError: if the target raises, or gives no number.
        """
        points = v.numpy()
        self.evaluations += len(points)
        found = self._batch(points) if self.vectorize else [self._one(point) for point in points]
        try:
            logs = np.array(found, dtype=np.float64).reshape(-1)
        except (TypeError, ValueError):
            raise InputError(f"the target gives {type(found[0]).__name__}, not a number, at {_shown(points[0])}; "
                             "return the logarithm of the density.") from None  # fmt: skip
        if len(logs) != len(points):
            raise InputError(f"the target gives {len(logs)} numbers for {len(points)} points; return one for each.")
        bad = np.flatnonzero(np.isnan(logs) | (logs == np.inf))
        if len(bad):
            raise InputError(f"the target gives {logs[bad[0]]} at {_shown(points[bad[0]])}; return a finite logarithm "
                             "of the density, or -inf where it vanishes.")  # fmt: skip
        return torch.from_numpy(logs)

    def _one(self, point: NDArray[np.float64]) -> Any:  # noqa: ANN401
        try:
            return self.log_prob(point)
        except Exception as error:
            raise _raised(error, point) from error

    def _batch(self, points: NDArray[np.float64]) -> Any:  # noqa: ANN401
        try:
            return self.log_prob(points)
        except Exception:
            for point in points:
                self._alone(point)
            raise

    def _alone(self, point: NDArray[np.float64]) -> None:
        """Ask for one point of a batch that failed."""
        try:
            self.log_prob(point[None])
        except Exception as error:
            raise _raised(error, point) from error


def _checked(bounds: Bounds | None, ndim: int) -> list[tuple[float, float]]:
    bounds = [None] * ndim if bounds is None else bounds
    if len(bounds) != ndim:
        raise InputError(f"there are {len(bounds)} bounds for {ndim} parameters; give one pair (or None) for each.")
    pairs = [(None, None) if pair is None else tuple(pair) for pair in bounds]
    whole = [(-np.inf if a is None else float(a), np.inf if b is None else float(b)) for a, b in pairs]
    for a, b in whole:
        if not a < b:
            raise InputError(f"the bounds ({a:g}, {b:g}) are impossible: the lower must be below the upper.")
    return whole


def _raised(error: Exception, point: NDArray[np.float64]) -> InputError:
    return InputError(f"the target raises {type(error).__name__} ({error}) at {_shown(point)}; mend it, or return "
                      "-inf where the density vanishes.")  # fmt: skip


def _shown(point: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{number:.6g}" for number in np.atleast_1d(point)) + ")"
