"""Where a number may lie: anywhere on the line, in an interval, or on a circle outside of some arcs."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Arcs", "Circle", "Gaps", "Interval", "Line", "Support"]


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


class Circle(NamedTuple):
    """On a circle, outside of arcs if there are any."""

    arcs: Arcs | None = None

    def gaps(self) -> Gaps:
        """What the arcs leave of the circle, shape (B, 2 A + 1); (1, 1) without arcs.

        >>> one = Circle(Arcs(torch.tensor([[3.0]]).double(), torch.tensor([[0.5]]).double())).gaps()
        >>> [[round(x, 3) for x in side[0].tolist()] for side in one]
        [[-3.142, -2.783, 3.142], [-3.142, 2.5, 3.142]]
        """
        if self.arcs is None:
            end = torch.full((1, 1), math.pi, dtype=torch.float64)
            return Gaps(-end, end)
        centre = torch.remainder(self.arcs.centre.double() + math.pi, 2 * math.pi) - math.pi
        low, high = centre - self.arcs.half_width, centre + self.arcs.half_width
        starts = torch.cat([low, (low - 2 * math.pi * (high > math.pi)) + 2 * math.pi * (low < -math.pi)], dim=1)
        ends = torch.cat([high, (high - 2 * math.pi * (high > math.pi)) + 2 * math.pi * (low < -math.pi)], dim=1)
        starts, order = starts.clamp(-math.pi, math.pi).sort(dim=1)
        ends = ends.clamp(-math.pi, math.pi).gather(1, order).cummax(dim=1).values
        edge = torch.full_like(starts[:, :1], math.pi)
        lows = torch.cat([-edge, ends], dim=1)
        return Gaps(lows, torch.maximum(lows, torch.cat([starts, edge], dim=1)))


Support = Line | Interval | Circle
