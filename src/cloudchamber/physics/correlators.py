r"""Energy-energy correlators of deep-inelastic events, as weighted pairs to be histogrammed.

Three of them, each with weights that add up to one in every event:

    EEC    sum_{i<j} 2 pT_i pT_j / N  delta(dR - dR_ij),     N = sum_{i<j} 2 pT_i pT_j,     i, j hadrons in the lab
    TEEC   sum_a  E_T,a / sum_i E_T,i  delta(cos phi - cos phi_{e'a})                       (arXiv:2006.02437, Eq. 1)
    BEEC   sum_a  P.p_a / sum_i P.p_i  delta(cos theta - cos theta_{Pa}), Breit frame       (arXiv:2102.05669, Eq. 1)

E_T = E sin(theta); P is the beam proton, along +z in the Breit frame. TEEC peaks at cos phi = -1, where the hadrons
recoil against the electron, and BEEC at cos theta = -1, where the struck quark goes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.physics.dis import minkowski
from cloudchamber.physics.kinematics import Momenta, jagged_pairs

__all__ = ["Weighted", "breit_correlator", "pair_correlator", "transverse_correlator"]

Array = NDArray[np.float64]
Offsets = NDArray[np.int64]


class Weighted(NamedTuple):
    """Entries of a weighted histogram; the weights of each event that has any add up to one."""

    values: Array
    """Shape (k,)."""
    weight: Array
    """Shape (k,)."""
    event: NDArray[np.int64]
    """Event of each entry, shape (k,)."""


def pair_correlator(p: Momenta, offsets: Offsets) -> Weighted:
    """EEC: the distance dR in pseudorapidity and azimuth of all pairs of hadrons, weighted with both pT.

    Args:
        p: hadrons, columns of shape (m,).
        offsets: where each event starts, shape (n + 1,).
    """
    one, two = jagged_pairs(offsets)
    pt, eta, phi = p.pt, p.eta, p.phi
    apart = np.abs(phi[one] - phi[two])
    distance = np.sqrt((eta[one] - eta[two]) ** 2 + np.minimum(apart, 2 * np.pi - apart) ** 2)
    return _normalised(distance, pt[one] * pt[two], _events(offsets)[one], len(offsets) - 1)


def transverse_correlator(p: Momenta, offsets: Offsets, electron_phi: Array) -> Weighted:
    """TEEC: the cosine of the azimuth between the scattered electron and each hadron.

    Args:
        p: hadrons, columns of shape (m,).
        offsets: where each event starts, shape (n + 1,).
        electron_phi: azimuth of the scattered electrons, shape (n,).
    """
    event = _events(offsets)
    transverse = p.energy * p.pt / np.maximum(p.p, np.finfo(float).tiny)
    return _normalised(np.cos(p.phi - electron_phi[event]), transverse, event, len(offsets) - 1)


def breit_correlator(momenta: Array, offsets: Offsets, proton: Array) -> Weighted:
    """BEEC: the cosine of the polar angle to the proton in the Breit frame of each hadron.

    Args:
        momenta: hadrons (E, px, py, pz) in the Breit frame, shape (m, 4).
        offsets: where each event starts, shape (n + 1,).
        proton: beam protons in the Breit frame, shape (n, 4).
    """
    event = _events(offsets)
    size = np.maximum(np.linalg.norm(momenta[:, 1:], axis=1), np.finfo(float).tiny)
    return _normalised(momenta[:, 3] / size, minkowski(momenta, proton[event]), event, len(offsets) - 1)


def _events(offsets: Offsets) -> NDArray[np.int64]:
    """Event of each particle."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _normalised(values: Array, weight: Array, event: NDArray[np.int64], n: int) -> Weighted:
    total = np.bincount(event, weight, minlength=n)
    return Weighted(values, weight / np.maximum(total, np.finfo(float).tiny)[event], event)
