"""Numbers as features: sines and cosines at several frequencies."""

import math

import torch
from torch import Tensor, nn

__all__ = ["Fourier", "widened"]


class Fourier(nn.Module):
    """(x) -> (x, sin(w_k x), cos(w_k x)), for every entry of the last dimension.

    Args:
        size: entries F of the last dimension.
        frequencies: number K of angular frequencies w_k, spaced evenly in the logarithm.
        lowest: lowest angular frequency.
        highest: highest angular frequency.

    >>> Fourier(3, frequencies=4)(torch.zeros(2, 3)).shape
    torch.Size([2, 27])
    """

    frequencies: Tensor

    def __init__(self, size: int, frequencies: int = 4, lowest: float = 0.5, highest: float = 4.0) -> None:
        super().__init__()
        grid = torch.exp(torch.linspace(math.log(lowest), math.log(highest), frequencies))
        self.register_buffer("frequencies", grid, persistent=False)
        self.out_features = size * (1 + 2 * frequencies)

    def forward(self, x: Tensor) -> Tensor:
        """Features of x.

        Args:
            x: shape (..., F).

        Returns:
            Shape (..., F (1 + 2 K)).
        """
        angles = (x[..., None] * self.frequencies).flatten(-2)
        return torch.cat([x, angles.sin(), angles.cos()], dim=-1)


def widened(columns: Tensor, more: int) -> Tensor:
    """Weights of the features of some numbers, made those of more numbers, the new ones without effect.

    Args:
        columns: weights of the `Fourier` features of one number, shape (out, 1 + 2 K).
        more: numbers to add.

    Returns:
        Shape (out, (1 + more) (1 + 2 K)).

    >>> widened(torch.ones(1, 3), 1).tolist()
    [[1.0, 0.0, 1.0, 0.0, 1.0, 0.0]]
    """
    frequencies = columns.shape[1] // 2
    blocks = torch.split(columns, [1, frequencies, frequencies], dim=1)
    return torch.cat([torch.cat([b, b.new_zeros(len(b), more * b.shape[1])], dim=1) for b in blocks], dim=1)
