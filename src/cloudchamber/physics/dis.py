r"""Deep-inelastic scattering from the scattered electron, and the frame in which its hadrons are simple.

With the beam electron l, the scattered electron l', the beam proton P and the exchanged boson q = l - l':

    Q2 = -q.q        y = (P.q) / (P.l)        x_B = Q2 / (2 P.q)        W2 = (P + q).(P + q)

The hadronic centre-of-mass frame is the rest frame of P + q with +z along the proton and +x along the transverse
direction of the scattered electron. It is used as a tetrad of four-vectors (e_t, e_x, e_y, e_z), so that components
are invariants (no boost, no rotation, no angle is ever stored) and the way back is a sum.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams, Cuts

__all__ = [
    "ELECTRON_MASS",
    "PROTON_MASS",
    "BeamMomenta",
    "DISVariables",
    "beam_momenta",
    "complete_tetrad",
    "dis_variables",
    "electron_momentum",
    "from_frame",
    "hadronic_tetrad",
    "minkowski",
    "spacelike_axis",
    "to_frame",
    "within",
]

Array = NDArray[np.float64]

ELECTRON_MASS = 0.000511
"""GeV, as Pythia8 uses it; the beams of every sample are built with it."""
PROTON_MASS = 0.93827
"""GeV, as Pythia8 uses it."""


class BeamMomenta(NamedTuple):
    """Four-momenta (E, px, py, pz) of the head-on beams, each of shape (4,), in GeV."""

    electron: Array
    proton: Array


class DISVariables(NamedTuple):
    """Inclusive variables of each event, each of shape (n,): Q2 and W2 in GeV^2."""

    Q2: Array
    x: Array
    y: Array
    W2: Array


def minkowski(a: Array, b: Array) -> Array:
    """Product a.b of four-vectors (E, px, py, pz) with the metric (+, -, -, -).

    Args:
        a: four-vectors, shape (..., 4).
        b: four-vectors, shape (..., 4).

    >>> float(minkowski(np.array([5.0, 3.0, 0.0, 0.0]), np.array([5.0, 3.0, 0.0, 0.0])))
    16.0
    """
    product: Array = a[..., 0] * b[..., 0] - (a[..., 1:] * b[..., 1:]).sum(-1)
    return product


def beam_momenta(beams: Beams) -> BeamMomenta:
    """Beam four-momenta: electron along -z, proton along +z.

    Args:
        beams: energies in GeV.
    """
    electron_pz = -np.sqrt(beams.electron**2 - ELECTRON_MASS**2)
    proton_pz = np.sqrt(beams.hadron**2 - PROTON_MASS**2)
    return BeamMomenta(np.array([beams.electron, 0.0, 0.0, electron_pz]), np.array([beams.hadron, 0.0, 0.0, proton_pz]))


def dis_variables(scattered: Array, beams: Beams) -> DISVariables:
    """Q2, x, y and W2 by the electron method, without any massless approximation.

    Args:
        scattered: four-momenta (E, px, py, pz) of the scattered electrons, shape (n, 4), GeV.
        beams: energies in GeV.
    """
    beam, proton = beam_momenta(beams)
    q = beam - scattered
    Q2, nu = -minkowski(q, q), minkowski(proton, q)
    total = proton + q
    return DISVariables(Q2, Q2 / (2 * nu), nu / minkowski(proton, beam), minkowski(total, total))


def within(variables: DISVariables, cuts: Cuts) -> NDArray[np.bool_]:
    """Which events are inside of the cuts on Q2, x and y, limits included, shape (n,); NaN is outside of any cut.

    Args:
        variables: of the events.
        cuts: the limits.

    >>> one = np.ones(2)
    >>> within(DISVariables(np.array([5.0, 20.0]), one, one, one), Cuts(q2_min=10)).tolist()
    [False, True]
    """
    limits = (
        (variables.Q2, cuts.q2_min, cuts.q2_max),
        (variables.x, cuts.x_min, cuts.x_max),
        (variables.y, cuts.y_min, cuts.y_max),
    )
    good = np.ones(len(variables.Q2), dtype=bool)
    for value, low, high in limits:
        good &= True if low is None else value >= low
        good &= True if high is None else value <= high
    return good


def electron_momentum(Q2: Array, y: Array, phi: Array, beams: Beams) -> Array:
    """Scattered electron from (Q2, y, azimuth): the inverse of `dis_variables`.

    Solves P.l' = (1 - y) P.l and l.l' = (Q2 + 2 m^2) / 2 for E' and pz', then pT from the mass shell.

    Args:
        Q2: shape (n,), GeV^2.
        y: shape (n,).
        phi: lab azimuth in radians, shape (n,).
        beams: energies in GeV.

    Returns:
        Four-momenta (E, px, py, pz), shape (n, 4), GeV; NaN where (Q2, y) is outside the physical region.

    >>> beams = Beams(electron=10, hadron=275)
    >>> l = electron_momentum(np.array([50.0]), np.array([0.3]), np.array([1.0]), beams)
    >>> v = dis_variables(l, beams)
    >>> bool(np.isclose(v.Q2[0], 50.0) and np.isclose(v.y[0], 0.3))
    True
    """
    beam, proton = beam_momenta(beams)
    to_proton = (1 - y) * minkowski(proton, beam)
    to_beam = Q2 / 2 + ELECTRON_MASS**2
    determinant = -proton[0] * beam[3] + proton[3] * beam[0]
    energy = (-to_proton * beam[3] + to_beam * proton[3]) / determinant
    pz = (proton[0] * to_beam - beam[0] * to_proton) / determinant
    with np.errstate(invalid="ignore"):
        pt = np.sqrt(energy**2 - pz**2 - ELECTRON_MASS**2)
    return np.stack([energy, pt * np.cos(phi), pt * np.sin(phi), pz], axis=-1)


def hadronic_tetrad(scattered: Array, beams: Beams) -> Array:
    """Axes (e_t, e_x, e_y, e_z) of the hadronic centre-of-mass frame, as lab four-vectors.

    Args:
        scattered: four-momenta of the scattered electrons, shape (n, 4), GeV.
        beams: energies in GeV.

    Returns:
        Shape (n, 4 axes, 4 components); e_t is timelike and normalised to +1, the others to -1.
    """
    beam, proton = beam_momenta(beams)
    total = proton + beam - scattered
    e_t = total / np.sqrt(minkowski(total, total))[:, None]
    e_z = spacelike_axis(np.broadcast_to(proton, total.shape), e_t, [])
    return complete_tetrad(e_t, spacelike_axis(scattered, e_t, [e_z]), e_z)


def to_frame(momenta: Array, tetrad: Array) -> Array:
    """Components of four-momenta along the axes of a tetrad.

    Args:
        momenta: lab four-momenta (E, px, py, pz), shape (m, 4).
        tetrad: one tetrad for each of them, shape (m, 4, 4).

    Returns:
        Shape (m, 4): energy and momentum (E, px, py, pz) in the frame.
    """
    components = minkowski(momenta[:, None, :], tetrad)
    components[:, 1:] *= -1
    return components


def from_frame(components: Array, tetrad: Array) -> Array:
    """Lab four-momenta from components along a tetrad: the inverse of `to_frame`.

    Args:
        components: (E, px, py, pz) in the frame, shape (m, 4).
        tetrad: one tetrad for each of them, shape (m, 4, 4).
    """
    momenta: Array = np.einsum("mi,mij->mj", components, tetrad)
    return momenta


def spacelike_axis(vector: Array, e_t: Array, spatial: list[Array]) -> Array:
    """Gram-Schmidt step: the spacelike unit vector along the part of `vector` orthogonal to the other axes.

    Args:
        vector: shape (n, 4).
        e_t: the timelike axis, shape (n, 4).
        spatial: spacelike axes, each of shape (n, 4).
    """
    rest = vector - minkowski(vector, e_t)[:, None] * e_t
    for axis in spatial:
        rest = rest + minkowski(rest, axis)[:, None] * axis
    unit: Array = rest / np.sqrt(-minkowski(rest, rest))[:, None]
    return unit


def complete_tetrad(e_t: Array, e_x: Array, e_z: Array) -> Array:
    """A right-handed tetrad from three of its axes; the fourth by their cofactors.

    Args:
        e_t: the timelike axis, shape (n, 4).
        e_x: shape (n, 4).
        e_z: shape (n, 4).

    Returns:
        Shape (n, 4 axes, 4 components).
    """
    rows = np.stack([e_t, e_z, e_x], axis=1)
    columns = np.arange(4)
    cofactors = [(-1) ** k * np.linalg.det(rows[:, :, columns != k]) for k in range(4)]
    e_y = np.stack(cofactors, axis=-1)
    e_y[:, 1:] *= -1
    return np.stack([e_t, e_x, e_y, e_z], axis=1)
