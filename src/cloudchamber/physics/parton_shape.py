r"""Shapes of parton distributions in a few numbers.

    valence   x q(x) = n x^a (1 - x)^b (1 + c x) / I,      I = B(a, b + 1) + c B(a + 1, b + 1)

holds n quarks: int_0^1 q dx = n. A proton of two up and one down quark with a flavour-symmetric sea is

    x u_v : (n = 2, a, b),    x d_v : (n = 1, a, b + 1),    x ubar = x dbar = 2 x sbar = S x^-l (1 - x)^p,

with the strange sea half of the others and x q = x q_v + x qbar.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import beta

__all__ = ["ProtonShape", "valence"]

Array = NDArray[np.float64]


def valence(x: Array, number: float, a: Array, b: Array, c: Array) -> Array:
    """X q(x) of so many valence quarks.

    Args:
        x: shape (k,).
        number: n.
        a: small-x power, above 0, shape (..., 1).
        b: large-x power, above -1, shape (..., 1).
        c: slope, above -1, shape (..., 1).

    >>> x = (np.arange(100000) + 0.5) / 100000
    >>> q = valence(x, 2.0, np.array([0.7]), np.array([3.0]), np.array([1.5])) / x
    >>> round(float(q.mean()), 1)
    2.0
    """
    integral = beta(a, b + 1) + c * beta(a + 1, b + 1)
    density: Array = number * x**a * (1 - x) ** b * (1 + c * x) / integral
    return density


class ProtonShape(NamedTuple):
    """Parameters of a proton, each of shape (..., 1)."""

    a: Array
    b: Array
    sea: Array
    """S."""
    power: Array
    """l."""
    fall: Array
    """p."""

    def density(self, x: Array) -> Mapping[int, Array]:
        """Each density times x under its PDG number, shape (..., k).

        Args:
            x: shape (k,).
        """
        nothing = np.zeros_like(self.a)
        up, down = valence(x, 2.0, self.a, self.b, nothing), valence(x, 1.0, self.a, self.b + 1, nothing)
        sea = self.sea * x**-self.power * (1 - x) ** self.fall
        return {1: down + sea, -1: sea, 2: up + sea, -2: sea, 3: sea / 2, -3: sea / 2}
