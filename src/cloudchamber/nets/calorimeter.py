r"""Parts that the published networks of showers share: their time, their conditions, their residual layers.

The time is shown as sines and cosines of s t f_k with f_k from 1 to 1e-4, evenly in the logarithm, through two layers;
every condition is a vector through one layer, and one layer more joins them all (arXiv:2308.03847, arXiv:2307.04780
and their public code).
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Conditions", "ModulatedResidual", "TimeFeatures"]

_SLOPE = 0.01
"""Of the leaky rectifier."""


class TimeFeatures(nn.Module):
    """Times as vectors.

    Args:
        width: of the vectors.
        frequencies: number of f_k.
        scale: s.
        activation: between the two layers.
    """

    frequencies: Tensor

    def __init__(
        self, width: int, frequencies: int, scale: float, activation: Callable[[Tensor], Tensor] = functional.silu
    ) -> None:
        super().__init__()
        exponents = torch.arange(frequencies) * (-math.log(10_000) / max(frequencies - 1, 1))
        self.register_buffer("frequencies", scale * exponents.exp(), persistent=False)
        self.first, self.second = nn.Linear(2 * frequencies, 2 * width), nn.Linear(2 * width, width)
        self._activation = activation

    def forward(self, t: Tensor) -> Tensor:
        """Vectors, shape (B, width).

        Args:
            t: shape (B,).
        """
        angles = t[:, None] * self.frequencies
        out: Tensor = self.second(self._activation(self.first(torch.cat([angles.sin(), angles.cos()], dim=1))))
        return out


class Conditions(nn.Module):
    """The time and vectors that are given, as one vector.

    Args:
        sizes: of the vectors, which stand side by side in the context.
        width: of the result.
    """

    def __init__(self, sizes: Sequence[int], width: int = 64) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.time = TimeFeatures(width, width // 2, 1000.0)
        self.given = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.join = nn.Linear((1 + len(self.sizes)) * width, width)

    def forward(self, t: Tensor, context: Tensor) -> Tensor:
        """The condition, shape (B, width).

        Args:
            t: shape (B,).
            context: shape (B, sum of the sizes).
        """
        vectors = zip(self.given, torch.split(context, self.sizes, dim=1), strict=True)
        parts = [functional.silu(layer(vector)) for layer, vector in vectors]
        out: Tensor = self.join(torch.cat([self.time(t), *parts], dim=1))
        return out


class ModulatedResidual(nn.Module):
    """Two layers, shifted and scaled by a condition between them, beside a linear short cut.

    Args:
        width: of the vectors and of the condition.
        dropout: share of the hidden numbers that training leaves out.
    """

    def __init__(self, width: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.short_cut, self.modulation = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """One block.

        Args:
            x: shape (B, width).
            condition: shape (B, width).
        """
        scale, shift = self.modulation(condition).chunk(2, dim=1)
        h = self.first(functional.leaky_relu(x, _SLOPE)) * (1 + scale) + shift
        out: Tensor = self.short_cut(x) + self.second(self.dropout(functional.leaky_relu(h, _SLOPE)))
        return out
