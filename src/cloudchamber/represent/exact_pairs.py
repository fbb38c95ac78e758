r"""Pairs of particles that have exactly the mass of a narrow parent, told from chance pairs by their rounding.

With energies on the mass shell, m^2 = m_1^2 + m_2^2 + 2 (E_1 E_2 - p_1 p_2) has the derivatives

    d m^2 / d p_1 = 2 E_2 (v_1 - v_2)        d m^2 / d m_1 = 2 m_1 (1 + E_2 / E_1),        v = p / E,

and likewise for the other particle. A stored number is at most half its spacing away from the true one, so rounding
moves m^2 by at most the sum of |derivative| spacing / 2 over all components. This bound is the tolerance of a pair:
some 1e-7 of m^2 where momenta are float32, so that hardly any chance pair is within it. The parent's mass may have been
rounded before it decayed, and float64 arithmetic adds a little.

Candidates that share a particle exclude each other. The one with the smallest deviation in units of its tolerance is
taken first, then the next that shares no particle with it, and so on; ties go to the pair that is listed first.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Events
from cloudchamber.events.events import MOMENTUM_COLUMNS
from cloudchamber.physics.kinematics import jagged_pairs

__all__ = ["Decay", "Pairs", "Particles", "exclusive", "pairs_by_daughters", "pull"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

_ARITHMETIC = 64 * np.finfo(np.float64).eps
_STORED_MASS = np.finfo(np.float32).eps


class Decay(NamedTuple):
    """A two-body decay by its PDG numbers."""

    parent: int
    first: int
    second: int


class Particles(NamedTuple):
    """All particles of a sample as flat columns in float64, GeV.

    Attributes:
        events: number of events.
        event: of each particle, shape (k,).
        pdg_id: shape (k,).
        energy: on the mass shell, shape (k,).
        momentum: the columns px, py, pz, each of shape (k,).
        mass: shape (k,).
        spacing: distance of neighbouring numbers in the stored px, py, pz and mass, each of shape (k,).
    """

    events: int
    event: Rows
    pdg_id: NDArray[np.int32]
    energy: Array
    momentum: tuple[Array, Array, Array]
    mass: Array
    spacing: tuple[Array, Array, Array, Array]

    @classmethod
    def of(cls, events: Events) -> "Particles":
        """The particles of a sample.

        Args:
            events: momenta of any precision.
        """
        stored = [events.flat(name) for name in MOMENTUM_COLUMNS]
        px, py, pz, mass = (column.astype(np.float64) for column in stored)
        x, y, z, m = (np.spacing(np.abs(column)).astype(np.float64) for column in stored)
        event = np.repeat(np.arange(len(events)), events.counts)
        energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
        return cls(len(events), event, events.flat("pdg_id").astype(np.int32), energy, (px, py, pz), mass, (x, y, z, m))

    def take(self, rows: Rows) -> "Particles":
        """Some of the particles.

        Args:
            rows: row numbers.
        """
        momentum = self.momentum[0][rows], self.momentum[1][rows], self.momentum[2][rows]
        x, y, z, m = (column[rows] for column in self.spacing)
        return Particles(
            self.events,
            self.event[rows],
            self.pdg_id[rows],
            self.energy[rows],
            momentum,
            self.mass[rows],
            (x, y, z, m),
        )

    def rows_of(self, pdg_id: int) -> tuple[Rows, Rows]:
        """Rows of one species, and where each event starts among them.

        Args:
            pdg_id: the species.
        """
        rows = np.flatnonzero(self.pdg_id == pdg_id)
        counts = np.bincount(self.event[rows], minlength=self.events)
        return rows, np.concatenate([[0], np.cumsum(counts)])


class Pairs(NamedTuple):
    """Rows of the particles of each pair and m^2 in GeV^2, each of shape (n,)."""

    first: Rows
    second: Rows
    square: Array

    def select(self, keep: NDArray[Any]) -> "Pairs":
        """Some of the pairs.

        Args:
            keep: a mask or row numbers.
        """
        return Pairs(self.first[keep], self.second[keep], self.square[keep])


def pairs_by_daughters(particles: Particles, decays: Sequence[Decay]) -> Iterator[tuple[Pairs, list[Decay]]]:
    """All pairs of a sample that could come from some decays, once for each kind of pair.

    Args:
        particles: of the sample.
        decays: those with the same daughters must follow each other.

    Yields:
        The pairs, and the decays that have such daughters.
    """
    for (first, second), group in groupby(decays, key=lambda decay: decay[1:]):
        rows, offsets = particles.rows_of(first)
        if first == second:
            one, two = jagged_pairs(offsets)
            yield _pairs(particles, rows[one], rows[two]), list(group)
        else:
            others, other_offsets = particles.rows_of(second)
            one, two = jagged_pairs(offsets, other_offsets)
            yield _pairs(particles, rows[one], others[two]), list(group)


def _pairs(particles: Particles, first: Rows, second: Rows) -> Pairs:
    square = particles.energy[first] * particles.energy[second]
    for p in particles.momentum:
        square -= p[first] * p[second]
    square *= 2
    if particles.mass[first].any() or particles.mass[second].any():
        square += particles.mass[first] ** 2 + particles.mass[second] ** 2
    return Pairs(first, second, square)


def pull(particles: Particles, pairs: Pairs, mass: float) -> Array:
    """|m^2 - M^2| of each pair in units of its tolerance, shape (n,): at most 1 where M can be the parent's mass.

    Args:
        particles: of the sample.
        pairs: pairs of them.
        mass: M in GeV.
    """
    a, b = particles.take(pairs.first), particles.take(pairs.second)
    bound = mass**2 * _STORED_MASS + a.energy * b.energy * _ARITHMETIC
    for axis in range(3):
        apart = np.abs(a.momentum[axis] / a.energy - b.momentum[axis] / b.energy)
        bound += apart * (b.energy * a.spacing[axis] + a.energy * b.spacing[axis])
    bound += a.mass * (1 + b.energy / a.energy) * a.spacing[3] + b.mass * (1 + a.energy / b.energy) * b.spacing[3]
    deviation: Array = np.abs(pairs.square - mass**2) / bound
    return deviation


def exclusive(first: Rows, second: Rows, order: Array) -> Rows:
    """Which candidates to take so that no particle is in two, best first; numbers of candidates in their order.

    In each round, a candidate is taken that is the best of all that share a particle with it, and those are dropped.

    Args:
        first: rows of the first particles, shape (n,).
        second: rows of the second particles, shape (n,).
        order: small is good, shape (n,).

    >>> exclusive(np.array([0, 1, 2]), np.array([1, 2, 3]), np.array([0.2, 0.1, 0.3])).tolist()
    [1]
    """
    left = np.argsort(order, kind="stable")
    taken: list[Rows] = []
    while len(left):
        a, b, rank = first[left], second[left], np.arange(len(left))
        best = np.full(int(max(a.max(), b.max())) + 1, len(left))
        np.minimum.at(best, a, rank)
        np.minimum.at(best, b, rank)
        wins = (best[a] == rank) & (best[b] == rank)
        taken.append(left[wins])
        used = np.zeros(len(best), dtype=bool)
        used[a[wins]] = used[b[wins]] = True
        left = left[~(used[a] | used[b])]
    return np.sort(np.concatenate(taken)) if taken else np.zeros(0, dtype=np.int64)
