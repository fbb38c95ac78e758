r"""The plane of pseudorapidity and azimuth, cut into equal pixels (arXiv:2310.16308, section III).

    row    = floor((eta + R) / (2 R) H)            0 <= row < H,      particles with |eta| >= R are outside
    column = floor((phi - phi_0) / (2 pi) W)       modulo W

and a pixel's number is row W + column. The azimuth closes on itself, the pseudorapidity does not.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ETA_RANGE", "Directions", "Filled", "Pixels"]

Array = NDArray[np.float64]
ETA_RANGE = 10.0
"""R of arXiv:2310.16308."""


class Directions(NamedTuple):
    """Pseudorapidity and azimuth (radians), each of shape (n,)."""

    eta: Array
    phi: Array

    @property
    def unit_vectors(self) -> tuple[Array, Array, Array]:
        """Components x, y and z of length one."""
        transverse = 1 / np.cosh(self.eta)
        return np.cos(self.phi) * transverse, np.sin(self.phi) * transverse, np.tanh(self.eta)


class Filled(NamedTuple):
    """The filled pixels of some images, image after image, in the order of their numbers.

    Attributes:
        image: number of the image, in rising order, shape (n,).
        pixel: number of the pixel and channel, shape (n,).
        intensity: sum of z, or of 2 pT / sqrt(s), shape (n,).
    """

    image: NDArray[np.int64]
    pixel: NDArray[np.int64]
    intensity: Array


@dataclass(frozen=True)
class Pixels:
    """A grid of equal pixels.

    Attributes:
        rows: H, pixels in pseudorapidity.
        columns: W, pixels in azimuth.
        start: azimuth phi_0 at which column 0 begins, radians.
        eta_range: R.

    >>> Pixels(4, 4).find(np.array([0.1, 12.0]), np.array([0.1, 0.0])).tolist()
    [10, -1]
    """

    rows: int
    columns: int
    start: float = -np.pi
    eta_range: float = ETA_RANGE

    @classmethod
    def centred(cls, rows: int, columns: int) -> "Pixels":
        """A grid in which the azimuths -pi and (with even columns) 0 are in the middle of a pixel.

        Args:
            rows: pixels in pseudorapidity.
            columns: pixels in azimuth.
        """
        return cls(rows, columns, -np.pi - np.pi / columns)

    @property
    def number(self) -> int:
        """Pixels in all."""
        return self.rows * self.columns

    def find(self, eta: Array, phi: Array) -> NDArray[np.int64]:
        """The pixel of each direction, -1 outside, shape (n,).

        Args:
            eta: pseudorapidities, shape (n,).
            phi: azimuths in radians, shape (n,).
        """
        row = np.floor((eta + self.eta_range) / (2 * self.eta_range) * self.rows).astype(np.int64)
        column = np.floor((phi - self.start) / (2 * np.pi) * self.columns).astype(np.int64) % self.columns
        return np.where((row >= 0) & (row < self.rows), row * self.columns + column, -1)

    def directions(self, pixel: NDArray[np.int64], within: tuple[ArrayLike, ArrayLike] = (0.5, 0.5)) -> Directions:
        """Directions into pixels: their centres, or anywhere inside.

        Args:
            pixel: numbers of pixels, shape (n,).
            within: place inside the pixel in pseudorapidity and azimuth, from 0 to 1, each of shape (n,) or a number.
        """
        eta, phi = (np.asarray(place, dtype=np.float64) for place in within)
        row, column = np.divmod(pixel, self.columns)
        return Directions(
            (row + eta) / self.rows * 2 * self.eta_range - self.eta_range,
            np.remainder((column + phi) / self.columns * 2 * np.pi + self.start + np.pi, 2 * np.pi) - np.pi,
        )
