"""Scattered electrons that somebody has already, to be completed with hadronic final states."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Electrons"]

Array = NDArray[np.float64]


class Electrons(NamedTuple):
    """Scattered electrons.

    Attributes:
        momenta: lab four-momenta (E, px, py, pz), shape (n, 4), GeV.
        mass: shape (n,), GeV.
        weight: of their events, shape (n,).
    """

    momenta: Array
    mass: Array
    weight: Array

    def select(self, numbers: range) -> "Electrons":
        """The electrons of some events; the last one stands in for those that do not exist.

        Args:
            numbers: of the events.

        >>> all = Electrons(np.ones((3, 4)), np.zeros(3), np.array([1.0, 2.0, 3.0]))
        >>> all.select(range(1, 5)).weight.tolist()
        [2.0, 3.0, 3.0, 3.0]
        """
        rows = np.minimum(np.arange(numbers.start, numbers.stop), len(self.mass) - 1)
        return Electrons(self.momenta[rows], self.mass[rows], self.weight[rows])
