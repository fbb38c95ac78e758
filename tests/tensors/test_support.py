"""What arcs leave of a circle."""

import math

import torch

from cloudchamber.tensors.support import Arcs, Circle


def test_gaps_are_disjoint_and_are_what_no_arc_covers() -> None:
    generator = torch.Generator().manual_seed(1)
    centre = 20 * torch.rand(200, 3, generator=generator, dtype=torch.float64) - 10
    half_width = 0.6 * torch.rand(200, 3, generator=generator, dtype=torch.float64)
    gaps = Circle(Arcs(centre, half_width)).gaps()
    assert (gaps.low[:, 1:] >= gaps.high[:, :-1]).all()
    angle = torch.linspace(-math.pi, math.pi, 997, dtype=torch.float64)[1:-1]
    apart = torch.remainder(angle - centre[..., None] + math.pi, 2 * math.pi) - math.pi
    free = (apart.abs() > half_width[..., None]).all(1)
    inside = ((angle > gaps.low[..., None]) & (angle < gaps.high[..., None])).any(1)
    assert torch.equal(free, inside)


def test_without_arcs_the_whole_circle_is_left() -> None:
    low, high = Circle().gaps()
    assert (low.item(), high.item()) == (-math.pi, math.pi)
