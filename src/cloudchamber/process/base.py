r"""What a flow starts from: a unit normal, or one with tails.

    p(z) = (1 - h) N(z; 0, 1) + h t_nu(z; 0, s^2)

Any density can be pushed through a map, whatever the map was trained on, and stays known. With tails the density of
what comes out falls slowly far away, so that it may serve to propose from where the map was never trained.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from cloudchamber.tensors.rng import Rng

__all__ = ["Base", "Tailed", "UnitNormal", "student"]

_LOG_2PI = math.log(2 * math.pi)


class Base(Protocol):
    """A density of vectors."""

    def sample(self, rng: Rng, like: Tensor) -> Tensor:
        """Draws of the shape of `like`, (B, F)."""
        ...

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-densities, shape (B,)."""
        ...


class UnitNormal:
    """N(0, 1)."""

    def sample(self, rng: Rng, like: Tensor) -> Tensor:
        """Draws.

        Args:
            rng: random stream.
            like: shape (B, F).
        """
        return rng.normal(*like.shape[1:]).to(like)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-densities, shape (B,).

        Args:
            z: shape (B, F).
        """
        return -(z**2 + _LOG_2PI).sum(-1) / 2


class Tailed(UnitNormal):
    """The mixture with Student's t.

    Args:
        share: weight h of the tails.
        width: s.
        degrees: nu, a whole number.
    """

    def __init__(self, share: float = 0.1, width: float = 1.5, degrees: int = 4) -> None:
        self.share, self.width, self.degrees = share, width, degrees

    def sample(self, rng: Rng, like: Tensor) -> Tensor:
        """Draws.

        Args:
            rng: random stream.
            like: shape (B, F).
        """
        z = super().sample(rng, like)
        chi2 = rng.normal(self.degrees).to(like).square().mean(1, keepdim=True)
        in_tail = rng.uniform(1).to(like) < self.share
        return torch.where(in_tail, self.width * z / chi2.sqrt(), z)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-densities, shape (B,).

        Args:
            z: shape (B, F).
        """
        size = z.shape[1]
        tail = student((z / self.width).square().sum(-1), size, self.degrees) - size * math.log(self.width)
        return torch.logaddexp(super().log_prob(z) + math.log1p(-self.share), tail + math.log(self.share))


def student(square: Tensor, size: int, degrees: int) -> Tensor:
    """Log-density of Student's t in several dimensions, with the unit matrix for its scale.

    Args:
        square: squared lengths, shape (B,).
        size: dimensions.
        degrees: nu.

    >>> round(student(torch.zeros(1), 1, 1).exp().item() * math.pi, 6)
    1.0
    """
    half = (degrees + size) / 2
    norm = math.lgamma(half) - math.lgamma(degrees / 2) - size / 2 * math.log(degrees * math.pi)
    return norm - half * torch.log1p(square / degrees)
