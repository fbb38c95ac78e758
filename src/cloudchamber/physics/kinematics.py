r"""Observables of single particles and of pairs, in the lab frame with the hadron beam along +z.

    pT = sqrt(px^2 + py^2)      eta = asinh(pz / pT)      y = asinh(pz / mT), mT^2 = pT^2 + m^2
    z  = 2 pT cosh(eta) / sqrt(s) = 2 |p| / sqrt(s)       (Eq. 3 of arXiv:2410.22421)

The mass of a pair is computed from the angle between the two momenta. With n the unit vectors and m_i << E_i,

    m12^2 = m1^2 + m2^2 + 2 (E1 E2 - |p1| |p2|) + |p1| |p2| |n1 - n2|^2

has no cancellation between large numbers for photons, so the pi0 stays narrow with momenta stored in float32.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams
from cloudchamber.physics.dis import beam_momenta, minkowski

__all__ = [
    "SMALLEST_SINE",
    "Momenta",
    "azimuth_difference",
    "center_of_mass_energy",
    "center_of_mass_rapidity",
    "jagged_pairs",
    "pair_mass",
]

Array = NDArray[np.float64]

SMALLEST_SINE = 1e-9
"""pT/|p| below which a particle counts as this close to the beam, so that eta stays finite (at most 21.4)."""


class Momenta(NamedTuple):
    """Momenta and masses of particles as flat columns, each of shape (k,), in GeV."""

    px: Array
    py: Array
    pz: Array
    mass: Array

    @property
    def p(self) -> Array:
        """Size of the momentum."""
        return np.sqrt(self.px**2 + self.py**2 + self.pz**2)

    @property
    def energy(self) -> Array:
        """Energy on the mass shell."""
        return np.sqrt(self.px**2 + self.py**2 + self.pz**2 + self.mass**2)

    @property
    def pt(self) -> Array:
        """Transverse momentum."""
        return np.hypot(self.px, self.py)

    @property
    def eta(self) -> Array:
        """Pseudorapidity, at most 21.4 in size; 0 for a particle at rest.

        >>> one = np.ones(1)
        >>> float(Momenta(3 * one, 4 * one, 5 * np.sinh(2.0) * one, one).eta[0].round(12))
        2.0
        """
        smallest = np.maximum(SMALLEST_SINE * np.abs(self.pz), np.finfo(float).tiny)
        return np.arcsinh(self.pz / np.maximum(self.pt, smallest))

    @property
    def rapidity(self) -> Array:
        """Rapidity along the hadron beam, limited as the pseudorapidity is."""
        smallest = np.maximum(SMALLEST_SINE * np.abs(self.pz), np.finfo(float).tiny)
        return np.arcsinh(self.pz / np.maximum(np.hypot(self.pt, self.mass), smallest))

    @property
    def phi(self) -> Array:
        """Azimuth in radians, from -pi to pi."""
        return np.arctan2(self.py, self.px)

    def z(self, beams: Beams) -> Array:
        """Momentum fraction 2 |p| / sqrt(s).

        Args:
            beams: energies in GeV.
        """
        return 2 * self.p / center_of_mass_energy(beams)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Momenta":
        """Some of the particles.

        Args:
            rows: row numbers or a mask.
        """
        return Momenta(*(column[rows] for column in self))

    def boosted(self, rapidity: float) -> "Momenta":
        """The same particles seen from a frame that moves along +z.

        Args:
            rapidity: of that frame; a particle's own rapidity falls by it.

        >>> one = np.ones(1)
        >>> float(Momenta(one, one, one, one).boosted(0.7).boosted(-0.7).pz[0].round(12))
        1.0
        """
        return self._replace(pz=np.cosh(rapidity) * self.pz - np.sinh(rapidity) * self.energy)

    def four_vectors(self) -> Array:
        """(E, px, py, pz), shape (k, 4)."""
        return np.stack([self.energy, self.px, self.py, self.pz], axis=-1)


def center_of_mass_energy(beams: Beams) -> float:
    """sqrt(s) of the beams in GeV.

    Args:
        beams: energies in GeV.

    >>> round(center_of_mass_energy(Beams(electron=10, hadron=275)), 1)
    104.9
    """
    total = sum(beam_momenta(beams))
    return float(np.sqrt(minkowski(np.asarray(total), np.asarray(total))))


def center_of_mass_rapidity(beams: Beams) -> float:
    """Rapidity in the lab frame of the frame in which the beams' momenta are opposite and equal.

    Args:
        beams: energies in GeV.

    >>> round(center_of_mass_rapidity(Beams(electron=10, hadron=275)), 3)
    1.657
    """
    electron, proton = beam_momenta(beams)
    total = electron + proton
    return float(np.arctanh(total[3] / total[0]))


def azimuth_difference(a: Array, b: Array) -> Array:
    """A - b on the circle, from -pi to pi.

    Args:
        a: angles in radians.
        b: angles in radians.

    >>> float(azimuth_difference(np.array([3.0]), np.array([-3.0]))[0].round(4))
    -0.2832
    """
    difference: Array = np.remainder(a - b + np.pi, 2 * np.pi) - np.pi
    return difference


def jagged_pairs(
    first: NDArray[np.int64], second: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of all pairs within each event, of one jagged list with itself (each pair once) or with another.

    Args:
        first: offsets of the first list, shape (n + 1,).
        second: offsets of the second list, shape (n + 1,); the first list itself by default.

    Returns:
        Rows into the first and into the second list, event after event.

    >>> [rows.tolist() for rows in jagged_pairs(np.array([0, 3, 4]))]
    [[0, 0, 1], [1, 2, 2]]
    """
    counts = np.diff(first)
    if second is None:
        later = np.repeat(first[1:], counts) - np.arange(first[0], first[-1]) - 1
        one = np.repeat(np.arange(first[0], first[-1]), later)
        return one, one + 1 + _within(later)
    partners = np.repeat(np.diff(second), counts)
    one = np.repeat(np.arange(first[0], first[-1]), partners)
    return one, np.repeat(np.repeat(second[:-1], counts), partners) + _within(partners)


def _within(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, ... in each of several runs of these lengths."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def pair_mass(a: Momenta, b: Momenta) -> Array:
    """Invariant mass of each pair in GeV.

    Args:
        a: first particle of each pair.
        b: second particle of each pair.
    """
    pa, pb = np.maximum(a.p, np.finfo(float).tiny), np.maximum(b.p, np.finfo(float).tiny)
    apart = (a.px / pa - b.px / pb) ** 2 + (a.py / pa - b.py / pb) ** 2 + (a.pz / pa - b.pz / pb) ** 2
    energies = 2 * (a.energy * b.energy - pa * pb)
    mass: Array = np.sqrt(np.maximum(a.mass**2 + b.mass**2 + energies + pa * pb * apart, 0.0))
    return mass
