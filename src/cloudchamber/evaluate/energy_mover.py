r"""Coverage and minimum matching distance with the energy mover's distance (EMD).

An event is a set of particles with pT_i at (eta_i, phi_i). The EMD between two events is the least work that turns one
into the other, plus the difference of their sums of pT (Eq. 1 of arXiv:1902.02346, in units of pT):

    EMD = min_f sum_ij f_ij theta_ij / R + |sum_i pT_i - sum_j pT_j|
    theta_ij^2 = (eta_i - eta_j)^2 + (phi_i - phi_j)^2

with f_ij >= 0, sum_j f_ij <= pT_i, sum_i f_ij <= pT_j, and all of the smaller sum moved. R = 1. The second term is the
same as a transport to one more particle at a distance R from all others, so it is one balanced transport problem.

With n events of each sample (arXiv:1707.02392, section 3.2; the roles are those of arXiv:2106.11535):

    MMD = 1/n sum_real min_gen EMD,      COV = 1/n #{real events that are nearest to some generated event}

Both depend on n: values of different n cannot be compared. COV of two samples of one distribution is about 0.55 to 0.6.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.sample import Sample
from cloudchamber.evaluate.score import Tail
from cloudchamber.evaluate.tables import Measured, Statistic, take_weighted
from cloudchamber.physics.kinematics import azimuth_difference

__all__ = ["COVERAGE_MMD", "Cloud", "coverage_and_mmd", "energy_movers_distance", "match"]

Array = NDArray[np.float64]

COVERAGE_MMD = (
    Statistic("COV", "share of reference events that are nearest to some generated event", tail=Tail.BOTH),
    Statistic("MMD", "mean distance of a reference event to the nearest generated one", logarithmic=True, unit="GeV"),
)
_MOST_ITERATIONS = 100_000


class Cloud(NamedTuple):
    """The particles of one event, each of shape (k,)."""

    pt: Array
    eta: Array
    phi: Array


class Matching(NamedTuple):
    """Coverage, and the distance of each reference event to the nearest generated one, shape (n,)."""

    coverage: float
    nearest: Array


def coverage_and_mmd(
    reference: Sample, candidate: Sample, rng: np.random.Generator, *, n: int = 100, batches: int = 2,
    periodic: bool = True,
) -> tuple[Measured, Measured]:  # fmt: skip
    """COV and MMD as means over batches.

    Args:
        reference: events.
        candidate: events.
        rng: source of random numbers.
        n: events of each sample in a batch.
        batches: disjoint batches, at most as many as the events allow.
        periodic: whether phi differences are taken on the circle.
    """
    real, fake = (_clouds(s, n * batches, rng) for s in (reference, candidate))
    n = min(n, len(real), len(fake))
    starts = range(0, min(len(real), len(fake)) - n + 1, n)
    found = [match(real[k : k + n], fake[k : k + n], periodic=periodic) for k in starts]
    coverage, nearest = np.array([m.coverage for m in found]), np.concatenate([m.nearest for m in found])
    spread = np.sqrt(coverage * (1 - coverage) / n).mean() / np.sqrt(len(found))
    return (
        Measured(float(coverage.mean()), float(spread)),
        Measured(float(nearest.mean()), float(nearest.std(ddof=1) / np.sqrt(len(nearest)))),
    )


def match(real: list[Cloud], fake: list[Cloud], *, periodic: bool = True) -> Matching:
    """Coverage and nearest distances of equally many events.

    Args:
        real: reference events.
        fake: generated events.
        periodic: whether phi differences are taken on the circle.
    """
    crowd = _Crowd.of(fake)
    distance = np.array([crowd.distances(a, radius=1.0, periodic=periodic) for a in real])
    return Matching(len(np.unique(distance.argmin(axis=0))) / len(real), distance.min(axis=1))


def energy_movers_distance(a: Cloud, b: Cloud, *, radius: float = 1.0, periodic: bool = True) -> float:
    """EMD between two events in the unit of pT.

    Args:
        a: one event.
        b: the other.
        radius: the parameter R.
        periodic: whether phi differences are taken on the circle.

    >>> one = np.ones(1)
    >>> round(energy_movers_distance(Cloud(3 * one, 0 * one, 0 * one), Cloud(2 * one, 0.3 * one, 0.4 * one)), 9)
    2.0
    """
    return float(_Crowd.of([b]).distances(a, radius=radius, periodic=periodic)[0])


class _Crowd(NamedTuple):
    """Many events one after the other, each with one more slot at its end for the pT that is missing."""

    flat: Cloud
    offsets: NDArray[np.int64]
    """First slot of each event, shape (n + 1,)."""
    total: Array
    """Sum of pT of each event, shape (n,)."""

    @classmethod
    def of(cls, events: list[Cloud]) -> "_Crowd":
        flat = Cloud(*(np.concatenate([np.append(column, 0.0) for column in columns])
                       for columns in zip(*events, strict=True)))  # fmt: skip
        offsets = np.cumsum([0, *(len(event.pt) + 1 for event in events)])
        return cls(flat, offsets, np.array([event.pt.sum() for event in events]))

    def distances(self, a: Cloud, *, radius: float, periodic: bool) -> Array:
        """EMD of one event to each of these, shape (n,)."""
        from ot.lp.emd_wrap import emd_c  # the checks in `ot.emd2` take four times as long as the transport itself

        cost = self._cost(a, radius, periodic)
        missing = self.total - a.pt.sum()
        demand = self.flat.pt.copy()
        demand[self.offsets[1:] - 1] = np.maximum(-missing, 0.0)
        supply = np.append(a.pt, 0.0)
        found = np.empty(len(missing))
        for k, (start, stop) in enumerate(pairwise(self.offsets.tolist())):
            supply[-1] = max(missing[k], 0.0)
            balanced = demand[start:stop] * (supply.sum() / demand[start:stop].sum())
            found[k] = emd_c(supply, balanced, cost[:, start:stop].copy(), _MOST_ITERATIONS, 1)[1]
        return found

    def _cost(self, a: Cloud, radius: float, periodic: bool) -> Array:
        """Distances in units of R of the particles of one event, and of its extra slot, to all slots."""
        phi = a.phi[:, None] - self.flat.phi
        theta = np.hypot(a.eta[:, None] - self.flat.eta, azimuth_difference(phi, np.zeros(1)) if periodic else phi)
        cost = np.ones((len(a.pt) + 1, len(self.flat.pt)))
        cost[:-1] = theta / radius
        extra = self.offsets[1:] - 1
        cost[:, extra] = 1.0
        cost[-1, extra] = 0.0
        return cost


def _clouds(sample: Sample, size: int, rng: np.random.Generator) -> list[Cloud]:
    rows = take_weighted(sample.weight, size, rng)
    found = []
    for start, stop in zip(sample.offsets[rows], sample.offsets[rows + 1], strict=True):
        momenta = sample.momenta(np.arange(start, stop))
        found.append(Cloud(momenta.pt, momenta.eta, momenta.phi))
    return found
