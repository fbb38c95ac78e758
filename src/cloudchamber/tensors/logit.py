r"""Fractions on the line: a logit that is finite at 0 and 1, then a shift and a scale.

    z = (y - m) / s,     y = ln( (a + (1 - 2 a) u) / (1 - a - (1 - 2 a) u) ),     0 <= u <= 1

With a small number a the fractions 0 and 1 become -ln((1 - a) / a) and its opposite (arXiv:2206.11898, Sec. IV).
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from cloudchamber.tensors.bijections import Bounded

__all__ = ["StandardLogit"]


class StandardLogit:
    """The map u -> z, coordinate by coordinate.

    Args:
        mean: m, shape (F,), or (1,) for one that all coordinates share.
        deviation: s, of the shape of the mean, positive.
        margin: a.

    >>> plain = StandardLogit(torch.zeros(1), torch.ones(1))
    >>> round(plain.forward(torch.zeros(1, 1)).item(), 3), round(plain.inverse(torch.zeros(1, 1)).item(), 3)
    (-13.816, 0.5)
    """

    def __init__(self, mean: Tensor, deviation: Tensor, margin: float = 1e-6) -> None:
        self.mean, self.deviation, self.margin = mean.double(), deviation.double(), margin
        outside = torch.full_like(self.mean, margin / (1 - 2 * margin))
        self._line = Bounded(-outside, 1 + outside)

    @classmethod
    def fit(cls, parts: Iterable[Tensor], margin: float = 1e-6, least: float = 0.0) -> "StandardLogit":
        """The map that gives each coordinate of a sample zero mean and unit variance.

        Args:
            parts: of the sample, one after the other, shape (n, F) each.
            margin: a.
            least: smallest s, in units of that of all coordinates together; a coordinate that is nearly always the same
                would otherwise have scores of hundreds where it is not.
        """
        plain = cls(torch.zeros(1), torch.ones(1), margin)
        rows, total, squares = 0, torch.zeros(1).double(), torch.zeros(1).double()
        for part in parts:
            line = plain.forward(part)
            rows, total, squares = rows + len(line), total + line.sum(0), squares + line.square().sum(0)
        mean, square = total / rows, squares / rows
        common = (square.mean() - mean.mean() ** 2).clamp(min=0).sqrt()
        floor = max(least * float(common), 1e-3)
        return cls(mean, (square - mean**2).clamp(min=0).sqrt().clamp(min=floor), margin)

    def to(self, device: torch.device) -> "StandardLogit":
        """The same map on another device.

        Args:
            device: where to.
        """
        if device == self.mean.device:
            return self
        return StandardLogit(self.mean.to(device), self.deviation.to(device), self.margin)

    def forward(self, u: Tensor) -> Tensor:
        """Scores of fractions, float64.

        Args:
            u: shape (B, F).
        """
        return (self._line.forward(u.double()) - self.mean) / self.deviation

    def inverse(self, z: Tensor) -> Tensor:
        """Fractions of scores, float64, kept between 0 and 1.

        Args:
            z: shape (B, F).
        """
        return self._line.inverse(z.double() * self.deviation + self.mean).clamp(0, 1)

    def log_det(self, u: Tensor) -> Tensor:
        """Ln |det dz/du| at each vector of fractions, shape (B,), float64.

        Args:
            u: shape (B, F).
        """
        scale: Tensor = self.deviation.log().expand(u.shape[-1]).sum()
        return self._line.log_det(u.double()) - scale

    def state(self) -> dict[str, Tensor]:
        """The tensors that define the map."""
        margin = torch.tensor(self.margin, dtype=torch.float64)
        return {"mean": self.mean, "deviation": self.deviation, "margin": margin}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "StandardLogit":
        """The map that `state` came from.

        Args:
            state: tensors by name.
        """
        return cls(state["mean"], state["deviation"], float(state["margin"]))
