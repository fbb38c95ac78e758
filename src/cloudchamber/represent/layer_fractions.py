r"""Energies of layers as fractions of what is left, so that their sum is known whatever the fractions are.

    u_0 = T / (c E),       u_i = E_i / R_i,     R_i = E_i + ... + E_L,     i = 1 ... L - 1

for layers of energies E_i with the sum T = R_1 in a shower of incident energy E (arXiv:2106.05285, Eqs. 5 and 6;
arXiv:2308.03847). c is a little above the largest T / E of the sample, so that all lie between 0 and 1. Backwards

    E_i = u_i R_i,     R_{i+1} = (1 - u_i) R_i,     E_L = R_L.

The map is triangular in (R_1, ..., R_L), of which the energies are the differences, so

    ln |det du/dE| = - ln(c E) - sum_{i=1}^{L-1} ln R_i.
"""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["LayerFractions", "settled"]

_ROOM = 1.02
"""How far c lies above the largest ratio of the sample."""
_SLACK = 1e-4
"""Relative; an energy at the threshold may be so far below it by rounding."""


class LayerFractions:
    """The map E_i -> u_i at given incident energies.

    Args:
        ceiling: c.

    >>> half = LayerFractions(2.0)
    >>> u = half.forward(torch.tensor([[1.0, 3.0]]).double(), torch.tensor([4.0]).double())
    >>> u.tolist(), half.inverse(u, torch.tensor([4.0]).double()).tolist()
    ([[0.5, 0.25]], [[1.0, 3.0]])
    """

    def __init__(self, ceiling: float) -> None:
        self.ceiling = ceiling

    @classmethod
    def fit(cls, energy: Tensor, incident: Tensor) -> "LayerFractions":
        """The map that holds a sample.

        Args:
            energy: of the layers, shape (n, L).
            incident: incident energies, shape (n,).
        """
        return cls(_ROOM * float((energy.sum(1) / incident).max()))

    def forward(self, energy: Tensor, incident: Tensor) -> Tensor:
        """Fractions, shape (B, L); zero of what is left where nothing is.

        Args:
            energy: of the layers, shape (B, L), with a positive sum.
            incident: incident energies, shape (B,).
        """
        left = _left(energy)
        first = left[:, :1] / (self.ceiling * incident[:, None])
        rest = left[:, :-1]
        return torch.cat([first, torch.where(rest > 0, energy[:, :-1] / rest.clamp(min=1e-300), 0.0)], dim=1)

    def inverse(self, u: Tensor, incident: Tensor) -> Tensor:
        """Energies of the layers, shape (B, L).

        Args:
            u: fractions, shape (B, L).
            incident: incident energies, shape (B,).
        """
        total = u[:, :1] * self.ceiling * incident[:, None]
        left = total * torch.cat([torch.ones_like(total), (1 - u[:, 1:]).cumprod(1)], dim=1)
        return left * torch.cat([u[:, 1:], torch.ones_like(total)], dim=1)

    def log_det(self, energy: Tensor, incident: Tensor) -> Tensor:
        """Ln |det du/dE| at given incident energies, shape (B,).

        Args:
            energy: of the layers, shape (B, L), with something left before each of them but the last.
            incident: incident energies, shape (B,).
        """
        logs: Tensor = _left(energy)[:, :-1].log().sum(1)
        return -(self.ceiling * incident).log() - logs


def settled(energy: Tensor, total: Tensor, threshold: float) -> Tensor:
    """Energies none of which lies below a threshold, with given sums: those below become zero, the others are scaled.

    Args:
        energy: not negative, shape (..., N).
        total: sums, shape (...); one below the threshold makes all zero.
        threshold: positive.

    >>> settled(torch.tensor([[0.1, 1.0, 3.0]]), torch.tensor([8.0]), 0.5).tolist()
    [[0.0, 2.0, 6.0]]
    """
    limit = threshold * (1 - _SLACK)
    total = torch.where(total < limit, 0.0, total)[..., None]
    largest = functional.one_hot(energy.argmax(-1), energy.shape[-1]).bool()
    kept = torch.where(energy < limit, 0.0, energy)
    kept = torch.where(kept.sum(-1, keepdim=True) > 0, kept, largest.to(kept))
    while True:
        kept = kept / kept.sum(-1, keepdim=True).clamp(min=1e-300) * total
        below = (kept > 0) & (kept < limit) & ~largest
        if not bool(below.any()):
            return kept
        kept = kept.masked_fill(below, 0.0)


def _left(energy: Tensor) -> Tensor:
    """R_i, shape (B, L)."""
    return energy.flip(1).cumsum(1).flip(1)
