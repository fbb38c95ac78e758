"""What is known of hits before their amounts, and how it is told to a network."""

from typing import NamedTuple

import torch
from torch import Tensor

from cloudchamber.tensors.sticks import Sticks

__all__ = ["AMOUNTS", "NUMBERS", "Hit", "taken"]

AMOUNTS, NUMBERS = 3, 8
"""Numbers that describe the amount of a hit, and a hit before its amount is known."""
_PRESENT = 0.3
"""Added to the logarithm of an amount in a map, so that small amounts differ from none."""
_LEAST = 1e-9


class Hit(NamedTuple):
    """What is known of hits before their amounts.

    Attributes:
        sticks: of their shares, shape (...) each.
        before: share before, shape (...).
        rank: place in the layer, shape (...).
        size: hits of the layer, shape (...).
        amount: of the layer, shape (...).
    """

    sticks: Sticks
    before: Tensor
    rank: Tensor
    size: Tensor
    amount: Tensor

    @property
    def free(self) -> Tensor:
        """Whether the share is not simply all that is left, shape (...)."""
        return self.size - self.rank > 1

    @property
    def numbers(self) -> Tensor:
        """That describe them, about of unit size, shape (..., 8), float32."""
        left, low, high = self.sticks
        parts = torch.stack([left, low, high, self.before], dim=-1).float() * self.amount[..., None]
        ratio = (high.clamp(min=_LEAST) / low.clamp(min=_LEAST)).float().log().clamp(max=8) - 1
        counts = torch.stack([self.size - self.rank, self.size, self.rank + 1], dim=-1).float().log() - 1
        return torch.cat([torch.log1p(parts) / 2 - 1, ratio[..., None], counts], dim=-1)

    def of(self, shares: Tensor) -> Tensor:
        """Numbers that describe amounts, shape (..., 3), float32.

        Args:
            shares: of the hits, shape (...).
        """
        ratio = shares.clamp(min=_LEAST) / self.sticks.low.clamp(min=_LEAST)
        parts = [
            torch.log1p(shares.float() * self.amount) / 2 - 1,
            shares.float().clamp(min=1e-5).log() / 2 + 1,
            ratio.float().log().clamp(max=8) - 1,
        ]
        return torch.stack(parts, dim=-1)

    def map_size(self, shares: Tensor) -> Tensor:
        """What a map holds of hits, ln(1 + amount) / 3 + a constant, shape (...), float32.

        Args:
            shares: of the hits, shape (...).
        """
        return torch.log1p(shares.float() * self.amount) / 3 + _PRESENT

    def take(self, index: Tensor) -> "Hit":
        """Some of the hits of a batch, shape (H,).

        Args:
            index: places in the flat order, shape (H,).
        """
        parts = (taken(part, index) for part in self[1:])
        return Hit(Sticks(*(taken(part, index) for part in self.sticks)), *parts)


def taken(values: Tensor, index: Tensor) -> Tensor:
    """Elements of (B, N, ...) at places in the flat order, shape (H, ...).

    Args:
        values: of a batch.
        index: shape (H,).
    """
    return values.flatten(0, 1)[index]
