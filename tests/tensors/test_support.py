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


def test_pieces_cover_the_circle_and_know_their_shells() -> None:
    generator = torch.Generator().manual_seed(2)
    centre = 20 * torch.rand(100, 2, generator=generator, dtype=torch.float64) - 10
    widths = torch.rand(100, 2, 3, generator=generator, dtype=torch.float64).cumsum(2) - 0.2
    widths = widths.clamp(min=0)
    circle = Circle(Arcs(centre, widths[..., 0]), widths[..., 1:])
    pieces = circle.pieces()
    assert (pieces.low[:, 0] == -math.pi).all()
    assert (pieces.high[:, -1] == math.pi).all()
    assert torch.equal(pieces.low[:, 1:], pieces.high[:, :-1])
    angle = torch.linspace(-math.pi, math.pi, 997, dtype=torch.float64)[1:-1].expand(100, -1).contiguous()
    piece = torch.searchsorted(pieces.high.contiguous(), angle)
    apart = torch.remainder(angle[..., None] - centre[:, None] + math.pi, 2 * math.pi) - math.pi
    expected = (apart.abs()[..., None] >= widths[:, None]).sum(-1)
    assert torch.equal(pieces.shell.gather(1, piece[..., None].expand(-1, -1, 2)), expected)
