r"""The reduced neutral-current cross-section, from events and at leading order from parton distributions.

    sigma_r = d^2 sigma / dx dQ2 * x Q^4 / (2 pi alpha^2 Y_+),     Y_pm = 1 pm (1 - y)^2,   y = Q2 / (s x)

(Eq. 18 of arXiv:2310.16308), with alpha the fine-structure constant at zero momentum, so that the running of alpha
stays in sigma_r. Its mean over a bin B that lies whole inside the measured region is, from weighted events,

    <sigma_r>_B = sigma / (sum_i w_i A_B)  sum_{i in B} w_i x_i Q_i^4 / (2 pi alpha^2 Y_+i),    A_B = area in (x, Q2)

At leading order for e- p, with a = alpha(Q2) / alpha, chi = Q2 / (Q2 + m_Z^2) / (4 sin^2 cos^2) and the quarks' x q,

    sigma_r = a^2 [ sum_q A_q x(q + qbar) + Y_- / Y_+ sum_q B_q x(q - qbar) ]
    A_q = e_q^2 - 2 e_q v_e v_q chi + (v_e^2 + a_e^2)(v_q^2 + a_q^2) chi^2
    B_q =       - 2 e_q a_e a_q chi + 4 v_e a_e v_q a_q chi^2

with e_e = -1, v = T3 - 2 e sin^2, a = T3 (Particle Data Group, Review of Particle Physics, structure functions).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams
from cloudchamber.physics.kinematics import center_of_mass_energy

__all__ = [
    "ALPHA", "ELECTROWEAK", "PB_GEV2", "ElectroweakSettings", "Plane", "Reduced", "leading_order", "measure",
    "quark_couplings", "reduction",
]  # fmt: skip

Array = NDArray[np.float64]

ALPHA = 1 / 137.035999
"""Fine-structure constant at zero momentum transfer."""
PB_GEV2 = 3.893793721e8
"""(hbar c)^2 in pb GeV^2."""

_UP, _DOWN = (2, 4, 6), (1, 3, 5)


class ElectroweakSettings(NamedTuple):
    """Parameters of Z exchange."""

    sin2: float = 0.2312
    """Square of the sine of the weak mixing angle."""
    mass_z: float = 91.1876
    """GeV."""


ELECTROWEAK = ElectroweakSettings()


class Plane(NamedTuple):
    """Bins in x and Q2, and which of them may be used."""

    x: Array
    """Edges, shape (b + 1,)."""
    Q2: Array
    """Edges in GeV^2, shape (c + 1,)."""
    inside: NDArray[np.bool_]
    """Bins that lie whole inside the measured region, shape (b, c)."""

    @classmethod
    def within(cls, x: Array, Q2: Array, beams: Beams, *, Q2_min: float, y: tuple[float, float]) -> "Plane":
        """Bins, of which those count that lie whole inside a range of y and above a cut on Q2.

        Args:
            x: edges, shape (b + 1,).
            Q2: edges in GeV^2, shape (c + 1,).
            beams: energies in GeV.
            Q2_min: cut of the sample in GeV^2.
            y: lower and upper edge.
        """
        s = center_of_mass_energy(beams) ** 2
        lowest = Q2[None, :-1] / (s * x[1:, None])
        highest = Q2[None, 1:] / (s * x[:-1, None])
        inside = (lowest >= y[0]) & (highest <= y[1]) & (Q2[None, :-1] >= Q2_min)
        return cls(x, Q2, inside)

    @property
    def area(self) -> Array:
        """Area of each bin in GeV^2, shape (b, c)."""
        area: Array = np.diff(self.x)[:, None] * np.diff(self.Q2)[None, :]
        return area


class Reduced(NamedTuple):
    """A reduced cross-section in bins of x and Q2; NaN outside the measured region. Shapes (b, c)."""

    value: Array
    error: Array
    """Statistical."""
    entries: Array
    """Events in each bin."""
    mean_q2: Array
    """Mean Q2 of the events in each bin, GeV^2."""


def reduction(x: Array, Q2: Array, beams: Beams) -> Array:
    """The factor x Q^4 / (2 pi alpha^2 Y_+), that turns pb / GeV^2 into the reduced cross-section.

    Args:
        x: shape (n,).
        Q2: shape (n,), GeV^2.
        beams: energies in GeV.
    """
    y = Q2 / (center_of_mass_energy(beams) ** 2 * x)
    factor: Array = x * Q2**2 / (2 * np.pi * ALPHA**2 * (1 + (1 - y) ** 2) * PB_GEV2)
    return factor


def measure(x: Array, Q2: Array, weight: Array, *, cross_section_pb: float, plane: Plane, beams: Beams) -> Reduced:
    """The reduced cross-section from events.

    Args:
        x: of each event, shape (n,).
        Q2: of each event, shape (n,), GeV^2.
        weight: of each event, shape (n,).
        cross_section_pb: of the whole sample, in pb.
        plane: bins.
        beams: energies in GeV.
    """
    bins = [plane.x, plane.Q2]
    kept = (x > 0) & (x < 1) & (Q2 > 0)
    x, Q2, weight, total = x[kept], Q2[kept], weight[kept], float(weight.sum())
    w = weight * reduction(x, Q2, beams)
    entries = np.histogram2d(x, Q2, bins)[0]
    summed, squared = (np.histogram2d(x, Q2, bins, weights=v)[0] for v in (w, w**2))
    scale = np.where(plane.inside, cross_section_pb / (total * plane.area), np.nan)
    mean_q2 = np.histogram2d(x, Q2, bins, weights=Q2)[0] / np.maximum(entries, 1)
    return Reduced(summed * scale, np.sqrt(squared) * scale, entries, mean_q2)


def quark_couplings(quark: int, Q2: Array, settings: ElectroweakSettings) -> tuple[Array, Array]:
    """A_q and B_q for an electron beam.

    Args:
        quark: PDG number, 1 to 6.
        Q2: shape (n,), GeV^2.
        settings: of Z exchange.
    """
    sin2 = settings.sin2
    charge, isospin = (2 / 3, 0.5) if quark in _UP else (-1 / 3, -0.5)
    v, a = isospin - 2 * charge * sin2, isospin
    v_e, a_e = -0.5 + 2 * sin2, -0.5
    chi = Q2 / (Q2 + settings.mass_z**2) / (4 * sin2 * (1 - sin2))
    A = charge**2 - 2 * charge * v_e * v * chi + (v_e**2 + a_e**2) * (v**2 + a**2) * chi**2
    B = -2 * charge * a_e * a * chi + 4 * v_e * a_e * v * a * chi**2
    return A, B


def leading_order(
    parton: Mapping[int, Array], x: Array, Q2: Array, *, running: Array, beams: Beams,
    settings: ElectroweakSettings = ELECTROWEAK,
) -> Array:  # fmt: skip
    """The reduced cross-section of e- p at leading order, for massless quarks.

    Args:
        parton: x times the density of each quark and antiquark under its PDG number, each of shape (..., n).
        x: shape (n,).
        Q2: shape (n,), GeV^2.
        running: alpha(Q2) / alpha, shape (n,).
        beams: energies in GeV.
        settings: of Z exchange.
    """
    y = Q2 / (center_of_mass_energy(beams) ** 2 * x)
    ratio = (1 - (1 - y) ** 2) / (1 + (1 - y) ** 2)
    total = np.zeros_like(x)
    for quark in sorted(k for k in parton if k in (*_UP, *_DOWN)):
        A, B = quark_couplings(quark, Q2, settings)
        total = total + A * (parton[quark] + parton[-quark]) + ratio * B * (parton[quark] - parton[-quark])
    return running**2 * total
