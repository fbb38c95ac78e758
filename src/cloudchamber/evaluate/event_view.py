"""A block of events as the event observables see it: the hadronic final state and sums over it.

The hadronic final state is every particle but the scattered electron e'.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.sample import Particles, Sample
from cloudchamber.evaluate.species import HADRONIC
from cloudchamber.physics.breit import breit_tetrad
from cloudchamber.physics.dis import to_frame
from cloudchamber.physics.kinematics import Momenta, azimuth_difference, jagged_pairs, pair_mass
from cloudchamber.physics.pdg import is_known, quantum_table

__all__ = ["EventView", "PairKind", "pair_masses"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Codes = tuple[int, ...]
_PHOTON = 22


class PairKind(NamedTuple):
    """Which particles make a pair; the same PDG numbers twice for pairs of one kind."""

    first: Codes
    second: Codes


def pair_masses(particles: Particles, kind: PairKind) -> tuple[Array, NDArray[np.int64]]:
    """Invariant masses of all pairs of a kind within each event.

    Args:
        particles: where to look.
        kind: which pairs.

    Returns:
        Masses in GeV and event numbers, each of shape (number of pairs,).
    """
    a = particles.take(np.isin(particles.pdg_id, kind.first))
    if kind.first == kind.second:
        b, rows = a, jagged_pairs(a.offsets)
    else:
        b = particles.take(np.isin(particles.pdg_id, kind.second))
        rows = jagged_pairs(a.offsets, b.offsets)
    return pair_mass(a.momenta.take(rows[0]), b.momenta.take(rows[1])), a.event[rows[0]]


class EventView:
    """Parts of a block of events that several observables share, each computed once.

    Args:
        sample: the block.
    """

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.hadrons = sample.particles(HADRONIC)

    @cached_property
    def p(self) -> Momenta:
        """Momenta of the hadrons."""
        return self.hadrons.momenta

    @cached_property
    def breit(self) -> Array:
        """Their four-momenta (E, px, py, pz) in the Breit frame, shape (k, 4), GeV; pz < 0 is the current side."""
        tetrad = breit_tetrad(self.sample.electron.four_vectors(), self.sample.beams)
        return to_frame(self.p.four_vectors(), tetrad[self.hadrons.event])

    @cached_property
    def breit_pt(self) -> Array:
        """Their pT in the Breit frame."""
        pt: Array = np.hypot(self.breit[:, 1], self.breit[:, 2])
        return pt

    @cached_property
    def pt(self) -> Array:
        """Their pT."""
        return self.p.pt

    @cached_property
    def eta(self) -> Array:
        """Their pseudorapidity."""
        return self.p.eta

    @cached_property
    def energy(self) -> Array:
        """Their energy."""
        return self.p.energy

    @cached_property
    def charge(self) -> Array:
        """Their charge in units of the proton's; unknown species are neutral."""
        codes, inverse = np.unique(self.hadrons.pdg_id, return_inverse=True)
        known = [code if is_known(code) else _PHOTON for code in codes.tolist()]
        charges: Array = quantum_table(known)[inverse, 0] / 3
        return charges

    @cached_property
    def charged(self) -> Mask:
        """Whether they are charged."""
        charged: Mask = self.charge != 0
        return charged

    @cached_property
    def dphi(self) -> Array:
        """Their azimuth relative to the scattered electron."""
        return azimuth_difference(self.p.phi, self.sample.electron.phi[self.hadrons.event])

    @cached_property
    def recoil(self) -> tuple[Array, Array]:
        """Summed px and py of the hadrons."""
        return self.total(self.p.px), self.total(self.p.py)

    @cached_property
    def leading(self) -> Mask:
        """Whether a hadron has the highest pT of its event."""
        leading: Mask = self.pt == self.largest(self.pt)[self.hadrons.event]
        return leading

    def of(self, *codes: int) -> Mask:
        """Whether hadrons are of some species.

        Args:
            *codes: PDG numbers.
        """
        return np.isin(self.hadrons.pdg_id, codes)

    def count(self, keep: Mask) -> Array:
        """Number of hadrons of each event.

        Args:
            keep: which to count.
        """
        return self.hadrons.total(keep.astype(np.float64))

    def total(self, values: Array, keep: Mask | None = None) -> Array:
        """Sum over the hadrons of each event.

        Args:
            values: one for each hadron.
            keep: which to sum.
        """
        return self.hadrons.total(values if keep is None else values * keep)

    def mean(self, values: Array, keep: Mask | None = None) -> Array:
        """Mean over the hadrons of each event; 0 without any.

        Args:
            values: one for each hadron.
            keep: which to average.
        """
        number = self.hadrons.counts if keep is None else self.count(keep)
        return self.total(values, keep) / np.maximum(number, 1)

    def largest(self, values: Array, keep: Mask | None = None, empty: float = 0.0) -> Array:
        """Maximum over the hadrons of each event.

        Args:
            values: one for each hadron.
            keep: which to look at.
            empty: the result without any.
        """
        return self.hadrons.largest(values if keep is None else np.where(keep, values, empty), empty)

    def pairs(self, kind: PairKind, low: float, high: float) -> Array:
        """Number of pairs in each event with a mass within a window.

        Args:
            kind: which pairs.
            low: lower edge in GeV.
            high: upper edge in GeV.
        """
        mass, event = pair_masses(self.hadrons, kind)
        inside = event[(mass > low) & (mass < high)]
        return np.bincount(inside, minlength=len(self.sample)).astype(np.float64)
