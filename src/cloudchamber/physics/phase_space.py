r"""The region of Q2 and y that beams and a cut on the electron's pT leave, as a square whose edges do not move.

For massless particles pT2 = Q2 (1 - y) and x = Q2 / (s y) = pT2 / (s y (1 - y)), so that pT > pT_min and x < 1 are

    a = ln(pT2 / pT_min^2) / ln(s / (4 pT_min^2))  in [0, 1]
    b = logit(y) / L(a)                            in [-1, 1]     L = ln((1 + r) / (1 - r))     r^2 = 1 - 4 pT2 / s
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams

__all__ = ["Plane", "Square", "from_square", "reach", "span", "squared_energy", "to_square"]

Array = NDArray[np.float64]

_NARROWEST = 0.05
"""Least L, where the range of y closes at pT2 = s / 4."""


class Square(NamedTuple):
    """Coordinates a and b, of any one shape."""

    a: Array
    b: Array


class Plane(NamedTuple):
    """Q2 in GeV2 and y, of any one shape."""

    Q2: Array
    y: Array


def squared_energy(beams: Beams) -> float:
    """S = 4 E_e E_p of massless beams in GeV2.

    Args:
        beams: energies in GeV.
    """
    return 4 * beams.electron * beams.hadron


def to_square(plane: Plane, s: float, pt_min: float) -> Square:
    """Coordinates of the square; a little outside of it where masses and photons have moved an electron.

    Args:
        plane: Q2 and y.
        s: squared energy in GeV2.
        pt_min: the cut on the electron's pT in GeV.
    """
    a = np.log(plane.Q2 * (1 - plane.y) / pt_min**2) / span(s, pt_min)
    return Square(a, np.log(plane.y / (1 - plane.y)) / reach(a, s, pt_min))


def from_square(square: Square, s: float, pt_min: float) -> Plane:
    """Q2 and y: the inverse of `to_square`.

    Args:
        square: coordinates.
        s: squared energy in GeV2.
        pt_min: the cut on the electron's pT in GeV.

    >>> plane = from_square(Square(np.array([0.5]), np.array([0.0])), 10_000.0, 1.0)
    >>> plane.Q2.round(6).tolist(), plane.y.tolist()
    ([100.0], [0.5])
    """
    logit = square.b * reach(square.a, s, pt_min)
    Q2 = pt_min**2 * np.exp(square.a * span(s, pt_min)) * (1 + np.exp(logit))
    return Plane(Q2, 1 / (1 + np.exp(-logit)))


def span(s: float, pt_min: float) -> float:
    """Largest ln(pT2 / pT_min^2), reached at y = 1/2.

    Args:
        s: squared energy in GeV2.
        pt_min: the cut on the electron's pT in GeV.
    """
    return math.log(s / (4 * pt_min**2))


def reach(a: Array, s: float, pt_min: float) -> Array:
    """L, the largest logit(y), kept apart from zero where pT2 comes close to s / 4.

    Args:
        a: coordinate, any shape.
        s: squared energy in GeV2.
        pt_min: the cut on the electron's pT in GeV.
    """
    root = np.sqrt(np.maximum(1 - np.exp((a - 1) * span(s, pt_min)), 1e-6))
    largest: Array = np.maximum(np.log1p(root) - np.log1p(-root), _NARROWEST)
    return largest
