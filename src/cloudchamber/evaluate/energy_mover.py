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
    distance = np.array([[energy_movers_distance(a, b, periodic=periodic) for b in fake] for a in real])
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
    from ot.lp.emd_wrap import emd_c  # the checks in `ot.emd2` take four times as long as the transport itself

    phi = a.phi[:, None] - b.phi
    theta = np.hypot(a.eta[:, None] - b.eta, azimuth_difference(phi, 0.0 * phi) if periodic else phi)
    cost = np.ones((len(a.pt) + 1, len(b.pt) + 1))
    cost[:-1, :-1] = theta / radius
    cost[-1, -1] = 0.0
    missing = b.pt.sum() - a.pt.sum()
    supply, demand = np.append(a.pt, max(missing, 0.0)), np.append(b.pt, max(-missing, 0.0))
    demand *= supply.sum() / demand.sum()
    return float(emd_c(supply, demand, cost, _MOST_ITERATIONS, 1)[1])


def _clouds(sample: Sample, size: int, rng: np.random.Generator) -> list[Cloud]:
    rows = take_weighted(sample.weight, size, rng)
    found = []
    for start, stop in zip(sample.offsets[rows], sample.offsets[rows + 1], strict=True):
        momenta = sample.momenta(np.arange(start, stop))
        found.append(Cloud(momenta.pt, momenta.eta, momenta.phi))
    return found
