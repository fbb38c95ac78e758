r"""Place and width of the Z peak by maximum likelihood.

    p(m) = Gamma / 2 pi / ((m - M)^2 + Gamma^2 / 4) / A,      86 < m < 96 GeV

with A the integral over the window. Errors are those of the Fisher information; weights w are scaled so that their sum
is the effective number of events, (sum w)^2 / sum w^2.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["Peak", "fit_peak"]

Array = NDArray[np.float64]
_LOW, _HIGH = 86.0, 96.0
_BINS = 400
_START = (91.19, 2.5)
_FEWEST = 100


class Peak(NamedTuple):
    """A fitted peak, in GeV, with standard errors."""

    place: float
    place_error: float
    width: float
    width_error: float


def fit_peak(masses: Array, weight: Array | None = None) -> Peak | None:
    """The peak in masses of muon pairs; None with fewer than 100 of them near it.

    Args:
        masses: GeV, shape (n,).
        weight: of each, shape (n,); ones by default.

    >>> u = (np.arange(20_000) + 0.5) / 20_000
    >>> peak = fit_peak(91.0 + 1.2 * np.tan(np.pi * (u - 0.5)))
    >>> round(peak.place, 2), round(peak.width, 2)
    (91.0, 2.4)
    """
    near = (masses >= _LOW) & (masses <= _HIGH)
    if near.sum() < _FEWEST:
        return None
    share = np.ones(near.sum()) if weight is None else weight[near] * (weight[near].sum() / (weight[near] ** 2).sum())
    counts, edges = np.histogram(masses[near], _BINS, (_LOW, _HIGH), weights=share)

    def shares(parameters: Array) -> Array:
        place, width = parameters
        below = np.arctan(2 * (edges - place) / width)
        out: Array = np.diff(below) / (below[-1] - below[0])
        return out

    def loss(parameters: Array) -> float:
        return -float(counts @ np.log(np.maximum(shares(parameters), 1e-300)))

    fit = minimize(loss, np.array(_START), method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-6}).x
    step = 1e-3
    slopes = [(shares(fit + step * axis) - shares(fit - step * axis)) / (2 * step) for axis in np.eye(2)]
    p = np.maximum(shares(fit), 1e-300)
    information = counts.sum() * np.array([[(a * b / p).sum() for b in slopes] for a in slopes])
    errors = np.sqrt(np.diagonal(np.linalg.inv(information)))
    return Peak(float(fit[0]), float(errors[0]), abs(float(fit[1])), float(errors[1]))
