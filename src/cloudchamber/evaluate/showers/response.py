r"""Linearity and resolution: the visible energy of showers against the energy that came in.

In bins of the incident energy that are even in its logarithm, with r = visible / incident energy,

    response = <r>,      resolution = sigma(r) / <r>

The errors of both are those of a mean and, by the fourth moment, of a standard deviation.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Showers

__all__ = ["BINS", "Response", "Responses", "responses"]

Array = NDArray[np.float64]
BINS = 10


class Response(NamedTuple):
    """Response and resolution of a sample with their errors, in bins of the incident energy, shape (b,) each."""

    mean: Array
    mean_error: Array
    resolution: Array
    resolution_error: Array


class Responses(NamedTuple):
    """Those of two samples.

    Attributes:
        edges: of the bins, MeV, shape (b + 1,).
        candidate: of the showers that are judged.
        reference: of those they are compared with.
    """

    edges: Array
    candidate: Response
    reference: Response

    @property
    def mean_difference(self) -> Array:
        """Response of the candidate over that of the reference, less one, shape (b,)."""
        return self.candidate.mean / self.reference.mean - 1

    @property
    def resolution_difference(self) -> Array:
        """Resolution of the candidate over that of the reference, less one, shape (b,)."""
        return self.candidate.resolution / self.reference.resolution - 1

    @property
    def mean_difference_error(self) -> Array:
        """Its statistical error, shape (b,)."""
        a, b = self.candidate, self.reference
        return np.hypot(a.mean_error / a.mean, b.mean_error / b.mean)

    @property
    def resolution_difference_error(self) -> Array:
        """Its statistical error, shape (b,)."""
        a, b = self.candidate, self.reference
        return np.hypot(a.resolution_error / a.resolution, b.resolution_error / b.resolution)


def responses(candidate: Showers, reference: Showers, bins: int = BINS) -> Responses:
    """Linearity and resolution of two samples.

    Args:
        candidate: the showers that are judged.
        reference: those they are compared with; their energies say where the bins are.
        bins: how many.
    """
    low, high = reference.incident_energy.min(), reference.incident_energy.max()
    edges = np.geomspace(low, high, bins + 1) if high > 1.001 * low else np.array([0.999 * low, 1.001 * high])
    return Responses(edges, _response(candidate, edges), _response(reference, edges))


def _response(showers: Showers, edges: Array) -> Response:
    ratio = showers.visible_energy / showers.incident_energy
    place = np.clip(np.searchsorted(edges, showers.incident_energy, side="right") - 1, 0, len(edges) - 2)
    rows = [ratio[place == k] for k in range(len(edges) - 1)]
    return Response(*np.array([_moments(values) for values in rows]).T)


def _moments(values: Array) -> tuple[float, float, float, float]:
    """Mean, its error, relative spread, its error; NaN where there are fewer than three."""
    n = len(values)
    if n < 3:
        return (np.nan,) * 4
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    spread = np.sqrt(variance)
    fourth = float(((values - mean) ** 4).mean())
    of_variance = max(fourth - variance**2 * (n - 3) / (n - 1), 0.0) / n
    of_spread = np.sqrt(of_variance) / (2 * spread) if spread else 0.0
    return mean, float(spread / np.sqrt(n)), float(spread / mean), float(of_spread / mean)
