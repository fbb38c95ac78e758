r"""What the noised scores of two particles say of the pair, cheaply enough for every call of a network.

The scores are read as if they were those of data, with p and the rapidity Y of `represent.cloud` from tables of its
inverse maps on an even grid. Then

    Q_ij = sqrt( m_ij^2 ) - m_i - m_j,        m_ij^2 = m_i^2 + m_j^2 + 2 mT_i mT_j cosh(Y_i - Y_j) - 2 p_i p_j

is small where particles come from one resonance. The features are ln Q, |Y_i - Y_j| and the cosine of the azimuth
between them; far from data they say little, and the network learns to ignore them there.
"""

import torch
from torch import Tensor, nn

from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.tensors.batch import Batch

__all__ = ["PairKinematics"]

_KNOTS = 65
_EDGE = 6.0
_LARGEST_GAP = 8.0
_SMALLEST_Q = 1e-2
"""GeV; below it the features do not tell pairs apart."""


class PairKinematics(nn.Module):
    """Noised scores -> features of pairs.

    Args:
        representation: fitted.
    """

    size = 3
    pool: Tensor
    masses: Tensor
    transverse: Tensor
    longitudinal: Tensor

    def __init__(self, representation: CloudRepresentation) -> None:
        super().__init__()
        pools = int(representation.pool.max()) + 1
        rows = torch.arange(pools)[:, None].expand(-1, _KNOTS)
        length = torch.linspace(0, _EDGE, _KNOTS, dtype=torch.float64).expand(pools, -1)
        transverse = representation.transverse.inverse(length, rows, bounded=True).clamp(min=1e-3)
        longitudinal = representation.longitudinal.inverse(2 * length - _EDGE, rows, bounded=True)
        self.register_buffer("pool", representation.pool.clone(), persistent=False)
        self.register_buffer("masses", representation.species.masses.float(), persistent=False)
        self.register_buffer("transverse", torch.log(transverse).float(), persistent=False)
        self.register_buffer("longitudinal", longitudinal.float(), persistent=False)

    def forward(self, x: Tensor, given: Batch) -> Tensor:
        """Features of all pairs, shape (B, N, N, 3).

        Args:
            x: noised momentum scores, shape (B, N, 3).
            given: tokens (B, N) and context (B, 4).
        """
        assert given.tokens is not None
        assert given.context is not None
        row, mass, x = self.pool[given.tokens], self.masses[given.tokens], x.float()
        length = torch.sqrt(x[..., 0] ** 2 + x[..., 1] ** 2 + 1e-6)
        direction = x[..., :2] / length[..., None]
        pt = torch.exp(_interpolated(self.transverse, row, length / _EDGE))
        plateau = CloudRepresentation.plateau(given.context)[:, None]
        rapidity = _interpolated(self.longitudinal, row, (x[..., 2] + _EDGE) / (2 * _EDGE)) * plateau
        gap = (rapidity[:, :, None] - rapidity[:, None]).clamp(-_LARGEST_GAP, _LARGEST_GAP)
        cosine = (direction[:, :, None] * direction[:, None]).sum(-1)
        energy = torch.sqrt(pt**2 + mass**2)
        total = mass[:, :, None] + mass[:, None]
        transverse = energy[:, :, None] * energy[:, None] * torch.cosh(gap) - pt[:, :, None] * pt[:, None] * cosine
        square = (2 * (transverse - mass[:, :, None] * mass[:, None])).clamp(min=0)
        Q = square / (torch.sqrt(square + total**2 + 1e-8) + total)
        return torch.stack([torch.log(Q + _SMALLEST_Q) / 2, gap.abs() / 2, cosine], dim=-1)


def _interpolated(table: Tensor, row: Tensor, share: Tensor) -> Tensor:
    """Values between the knots of a table's rows, at a share of their length."""
    knots = table.shape[1] - 1
    at = (share * knots).clamp(0, knots - 1e-3)
    below = at.long()
    flat = table.flatten()
    index = row * (knots + 1) + below
    low, high = flat[index], flat[index + 1]
    return low + (high - low) * (at - below)
