"""What the numbers of some events mean, for representations that place every particle by itself."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Decoded"]

Array = NDArray[np.float64]


class Decoded(NamedTuple):
    """Events in the lab frame.

    Attributes:
        scattered: four-momenta (E, px, py, pz) of the scattered electrons, shape (B, 4), GeV.
        particles: columns pdg_id, px, py, pz and mass of the others, each of shape (n,), GeV.
        event: event number of each, shape (n,).
    """

    scattered: Array
    particles: dict[str, NDArray[np.generic]]
    event: NDArray[np.int64]
