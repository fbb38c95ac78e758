r"""Q2, x and y from the scattered electron, from the hadronic final state, or from both.

With E the energy of the beam electron, s = 4 E E_p, and for the scattered electron e and the hadronic final state h

    Sigma_e = E_e - pz_e          Sigma_h = sum_h (E - pz)        T = |sum_h pT|        pT = pT_e
    a_e = Sigma_e / pT = tan(theta_e / 2)                         a_h = Sigma_h / T = tan(gamma_h / 2)

(angles from the hadron beam along +z; beams are massless here), the five methods, named as in EICrecon, are

    Electron   Q2 and y from the electron's four-momentum; `cloudchamber.physics.dis`
    JB         y = Sigma_h / 2E                        Q2 = T^2 / (1 - y)
    DA         y = a_h / (a_e + a_h)                   Q2 = 4 E^2 / (a_e (a_e + a_h))
    Sigma      y = Sigma_h / (Sigma_e + Sigma_h)       Q2 = pT^2 / (1 - y)
    ESigma     Q2 of Electron, x of Sigma

and x = Q2 / (s y), y = Q2 / (s x). References: F. Jacquet and A. Blondel (DESY 79/48, 1979); S. Bentvelsen et al.
(HERA workshop 1991) for DA; U. Bassler and G. Bernardi, arXiv:hep-ex/9412004, Eqs. 4-9, for Sigma and ESigma.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams
from cloudchamber.physics.dis import dis_variables

__all__ = ["METHODS", "FinalState", "Inclusive", "reconstruct"]

Array = NDArray[np.float64]

METHODS = ("Electron", "JB", "DA", "Sigma", "ESigma")


class FinalState(NamedTuple):
    """What the methods need of each event: four-momenta (E, px, py, pz) in GeV, each of shape (n, 4)."""

    electron: Array
    hadrons: Array
    """Summed over all particles but the scattered electron."""


class Inclusive(NamedTuple):
    """Inclusive variables by one method, each of shape (n,): Q2 in GeV^2; not finite where a method fails."""

    Q2: Array
    x: Array
    y: Array


def reconstruct(final: FinalState, beams: Beams) -> dict[str, Inclusive]:
    """Q2, x and y by every method, under its name.

    Args:
        final: scattered electrons and hadronic final states.
        beams: energies in GeV.

    >>> electron, quark = np.array([[26.0, 24.0, 0.0, -10.0]]), np.array([[74.0, -24.0, 0.0, 70.0]])
    >>> found = reconstruct(FinalState(electron, quark), Beams(electron=20, hadron=80))
    >>> [round(float(found[name].y[0]), 3) for name in METHODS]
    [0.1, 0.1, 0.1, 0.1, 0.1]
    """
    E, s = beams.electron, 4 * beams.electron * beams.hadron
    sigma_e, sigma_h = (p[:, 0] - p[:, 3] for p in final)
    pt, T = (np.hypot(p[:, 1], p[:, 2]) for p in final)
    by_electron = dis_variables(final.electron, beams)
    with np.errstate(divide="ignore", invalid="ignore"):
        a_e, a_h = sigma_e / pt, sigma_h / T
        y_jb, y_da, y_sigma = sigma_h / (2 * E), a_h / (a_e + a_h), sigma_h / (sigma_e + sigma_h)
        jb = _from_y(T**2 / (1 - y_jb), y_jb, s)
        da = _from_y(4 * E**2 / (a_e * (a_e + a_h)), y_da, s)
        sigma = _from_y(pt**2 / (1 - y_sigma), y_sigma, s)
        e_sigma = Inclusive(by_electron.Q2, sigma.x, by_electron.Q2 / (s * sigma.x))
    electron = Inclusive(by_electron.Q2, by_electron.x, by_electron.y)
    return dict(zip(METHODS, (electron, jb, da, sigma, e_sigma), strict=True))


def _from_y(Q2: Array, y: Array, s: float) -> Inclusive:
    return Inclusive(Q2, Q2 / (s * y), y)
