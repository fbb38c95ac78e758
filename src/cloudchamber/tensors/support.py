"""Where a number may lie: anywhere on the line, in an interval, or on a circle outside of some arcs.

Around each arc of a circle there may be shells, wider arcs inside of which numbers are less or more probable.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Arcs", "Circle", "Gaps", "Interval", "Line", "Pieces", "Support", "wrapped"]


class Line(NamedTuple):
    """Anywhere."""


class Interval(NamedTuple):
    """Between two ends, each of shape (B,) and finite."""

    low: Tensor
    high: Tensor


class Arcs(NamedTuple):
    """Arcs of a circle, each of shape (B, A); a half-width of 0 is no arc."""

    centre: Tensor
    half_width: Tensor


class Gaps(NamedTuple):
    """Disjoint intervals between -pi and pi in rising order, each of shape (B, G); some may be empty."""

    low: Tensor
    high: Tensor


class Pieces(NamedTuple):
    """Disjoint intervals between -pi and pi in rising order, some of them empty, and where they are from each arc.

    Attributes:
        low: shape (B, P).
        high: shape (B, P).
        shell: 0 inside of an arc, s in its shell number s, S + 1 beyond all of its shells; shape (B, P, A).
    """

    low: Tensor
    high: Tensor
    shell: Tensor


class Circle(NamedTuple):
    """On a circle, outside of arcs if there are any.

    Attributes:
        arcs: where the number may not lie.
        shells: half-widths of wider arcs about the same centres, rising, shape (B, A, S).
    """

    arcs: Arcs | None = None
    shells: Tensor | None = None

    def select(self, rows: Tensor) -> "Circle":
        """Some rows.

        Args:
            rows: of them, shape (b,).
        """
        arcs = None if self.arcs is None else Arcs(*(one[rows] for one in self.arcs))
        return Circle(arcs, None if self.shells is None else self.shells[rows])

    def pieces(self) -> Pieces:
        """What arcs and shells make of the circle, 2 A (S + 1) + 1 pieces; there must be some.

        >>> arcs = Arcs(torch.zeros(1, 1).double(), torch.full((1, 1), 0.5).double())
        >>> parts = Circle(arcs, torch.full((1, 1, 1), 0.75).double()).pieces()
        >>> [round(x, 3) for x in parts.high[0].tolist()]
        [-0.75, -0.5, 0.5, 0.75, 3.142]
        >>> parts.shell[0, :, 0].tolist()
        [2, 1, 0, 1, 2]
        """
        assert self.arcs is not None
        assert self.shells is not None
        centre = wrapped(self.arcs.centre.double())
        half_widths = torch.cat([self.arcs.half_width[..., None], self.shells], dim=2).double()
        sides = torch.cat([centre[..., None] - half_widths, centre[..., None] + half_widths], dim=2).flatten(1)
        edge = torch.full_like(sides[:, :1], math.pi)
        ends = torch.cat([-edge, wrapped(sides).sort(dim=1).values, edge], dim=1)
        low, high = ends[:, :-1], ends[:, 1:]
        return Pieces(low, high, self.shell((low + high) / 2))

    def shell(self, x: Tensor) -> Tensor:
        """Where numbers are from each arc, as in `Pieces`; shape (B, P, A).

        Args:
            x: angles, shape (B, P).
        """
        assert self.arcs is not None
        assert self.shells is not None
        off = wrapped(x[..., None] - self.arcs.centre[:, None]).abs()[..., None]
        half_widths = torch.cat([self.arcs.half_width[..., None], self.shells], dim=2).to(x)
        return (off >= half_widths[:, None]).sum(-1)

    def gaps(self) -> Gaps:
        """What the arcs leave of the circle, shape (B, 2 A + 1); (1, 1) without arcs.

        >>> one = Circle(Arcs(torch.tensor([[3.0]]).double(), torch.tensor([[0.5]]).double())).gaps()
        >>> [[round(x, 3) for x in side[0].tolist()] for side in one]
        [[-3.142, -2.783, 3.142], [-3.142, 2.5, 3.142]]
        """
        if self.arcs is None:
            end = torch.full((1, 1), math.pi, dtype=torch.float64)
            return Gaps(-end, end)
        centre = wrapped(self.arcs.centre.double())
        low, high = centre - self.arcs.half_width, centre + self.arcs.half_width
        starts = torch.cat([low, (low - 2 * math.pi * (high > math.pi)) + 2 * math.pi * (low < -math.pi)], dim=1)
        ends = torch.cat([high, (high - 2 * math.pi * (high > math.pi)) + 2 * math.pi * (low < -math.pi)], dim=1)
        starts, order = starts.clamp(-math.pi, math.pi).sort(dim=1)
        ends = ends.clamp(-math.pi, math.pi).gather(1, order).cummax(dim=1).values
        edge = torch.full_like(starts[:, :1], math.pi)
        lows = torch.cat([-edge, ends], dim=1)
        return Gaps(lows, torch.maximum(lows, torch.cat([starts, edge], dim=1)))


def wrapped(angle: Tensor) -> Tensor:
    """The same angles between -pi and pi.

    Args:
        angle: of any shape.

    >>> round(wrapped(torch.tensor(3.5)).item(), 3)
    -2.783
    """
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


Support = Line | Interval | Circle
