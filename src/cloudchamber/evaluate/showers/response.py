r"""Linearity and resolution: the visible energy of showers against the energy that came in.

In bins of the incident energy that are even in its logarithm, with r = visible / incident energy,

    response = <r>,      resolution = sigma(r) / <r>

The errors of both are those of a mean and, by the fourth moment, of a standard deviation. Where nothing differs, the
sum over b bins of ((difference of candidate and reference) / error)^2 follows a chi-squared distribution.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.score import KnownNull, Score
from cloudchamber.evaluate.showers.redraw import redrawn
from cloudchamber.evaluate.tables import Measured, Statistic, Table, scores
from cloudchamber.events import Showers

__all__ = ["BINS", "DIFFERENCES", "Response", "Responses", "chi_squares", "difference_scores", "responses"]

Array = NDArray[np.float64]
BINS = 10
DIFFERENCES = (
    Statistic("largest difference of the response", "largest |difference| of the mean response in a bin of the "
              "incident energy, relative", power=0.5),
    Statistic("largest difference of the resolution", "largest |difference| of the resolution in a bin of the incident "
              "energy, relative", power=0.5),
)  # fmt: skip


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
    edges = energy_edges(reference.incident_energy, bins)
    return Responses(edges, *(_response(_pairs_of(showers).x, edges) for showers in (candidate, reference)))


def energy_edges(incident: Array, bins: int = BINS) -> Array:
    """Edges of bins that are even in the logarithm of the energy, MeV.

    Args:
        incident: energies of the reference, MeV.
        bins: how many; one where all energies are the same.
    """
    low, high = float(incident.min()), float(incident.max())
    return np.geomspace(low, high, bins + 1) if high > 1.001 * low else np.array([0.999 * low, 1.001 * high])


def chi_squares(found: Responses, n: int) -> tuple[Score, Score]:
    """Chi-squared per bin of response and resolution, whose distribution is known where nothing differs.

    Args:
        found: response and resolution of both samples.
        n: showers of the candidate.
    """
    pulls = (
        found.mean_difference / found.mean_difference_error,
        found.resolution_difference / found.resolution_difference_error,
    )
    return _chi_square(pulls[0], n), _chi_square(pulls[1], n)


def _chi_square(pulls: Array, n: int) -> Score:
    from scipy.stats import chi2

    counted = pulls[np.isfinite(pulls)]
    b = max(len(counted), 1)
    total = float((counted**2).sum())
    error = np.sqrt(2 * b + 4 * max(total - b, 0.0)) / b  # of a non-central chi-squared distribution
    return Score(total / b, float(error), n, np.array([]), 0,
                 known=KnownNull(1.0, float(np.sqrt(2 / b)), float(chi2.sf(total, b))))  # fmt: skip


def difference_scores(candidate: Showers, reference: Showers, plan: Plan, pairs: int) -> tuple[Score, ...]:
    """The largest differences of response and resolution, each with its floor, in the order of `DIFFERENCES`.

    Args:
        candidate: the showers that are judged.
        reference: those they are compared with.
        plan: which of them.
        pairs: truth-truth pairs.
    """
    test = partial(_largest, edges=energy_edges(reference.incident_energy))
    whole, full = redrawn(_pairs_of(reference), plan, pairs)
    return scores(test, DIFFERENCES, (whole, _pairs_of(candidate)), full)


def _largest(reference: Table, candidate: Table, rng: np.random.Generator, *, edges: Array) -> Sequence[Measured]:
    found = Responses(edges, _response(candidate.x, edges), _response(reference.x, edges))
    pairs = (
        (found.mean_difference, found.mean_difference_error),
        (found.resolution_difference, found.resolution_difference_error),
    )
    return [_extreme(difference, error) for difference, error in pairs]


def _extreme(difference: Array, error: Array) -> Measured:
    seen = np.flatnonzero(np.isfinite(difference))
    if not len(seen):
        return Measured(0.0, 0.0)
    k = seen[np.argmax(np.abs(difference[seen]))]
    return Measured(float(abs(difference[k])), float(error[k]))


def _pairs_of(showers: Showers) -> Table:
    """Incident and visible energy, shape (n, 2)."""
    return Table.of(np.stack([showers.incident_energy, showers.visible_energy], axis=1))


def _response(energies: Array, edges: Array) -> Response:
    incident, visible = energies.T
    ratio = visible / incident
    place = np.clip(np.searchsorted(edges, incident, side="right") - 1, 0, len(edges) - 2)
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
