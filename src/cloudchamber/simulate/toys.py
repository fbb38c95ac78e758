"""Two-dimensional distributions with known densities, on which methods are compared."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOYS", "Checkerboard", "EightGaussians", "Toy"]

Array = NDArray[np.float64]


class Toy(Protocol):
    """A distribution in the plane, of about unit variance."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Independent draws, shape (n, 2)."""
        ...

    def log_density(self, x: Array) -> Array:
        """Natural logarithm of the density, shape (n,)."""
        ...


class EightGaussians(NamedTuple):
    """Eight narrow normal distributions of equal weight on a circle.

    Attributes:
        radius: of the circle.
        deviation: standard deviation of each.
    """

    radius: float = 1.4
    deviation: float = 0.1

    @property
    def centres(self) -> Array:
        """Means, shape (8, 2)."""
        angle = np.arange(8) * np.pi / 4
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Independent draws, shape (n, 2).

        Args:
            n: how many.
            rng: random stream.
        """
        return self.centres[rng.integers(8, size=n)] + self.deviation * rng.standard_normal((n, 2))

    def log_density(self, x: Array) -> Array:
        """Natural logarithm of the density, shape (n,).

        Args:
            x: shape (n, 2).
        """
        square = ((x[:, None, :] - self.centres) ** 2).sum(-1) / self.deviation**2
        logs: Array = np.logaddexp.reduce(-square / 2, axis=1) - np.log(8 * 2 * np.pi * self.deviation**2)
        return logs


class Checkerboard(NamedTuple):
    """Uniform on the dark squares of a board of 4 x 4.

    Attributes:
        side: of a square.
    """

    side: float = 0.85

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Independent draws, shape (n, 2).

        Args:
            n: how many.
            rng: random stream.
        """
        row = rng.integers(4, size=n)
        column = 2 * rng.integers(2, size=n) + row % 2
        return self.side * (np.stack([column, row], axis=-1) + rng.random((n, 2)) - 2)

    def log_density(self, x: Array) -> Array:
        """Natural logarithm of the density, shape (n,); minus infinity on light squares.

        Args:
            x: shape (n, 2).
        """
        square = np.floor(x / self.side + 2)
        dark = ((square >= 0) & (square < 4)).all(-1) & (square.sum(-1) % 2 == 0)
        return np.where(dark, -np.log(8 * self.side**2), -np.inf)


TOYS: Mapping[str, Toy] = {"8 Gaussians": EightGaussians(), "checkerboard": Checkerboard()}
