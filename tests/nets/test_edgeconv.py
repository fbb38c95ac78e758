"""Neighbours against a tree, and an edge convolution against its definition."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import nn

from cloudchamber.nets.edgeconv import EdgeConv, LocalEmbedding, nearest

Wake = Callable[[nn.Module], nn.Module]
LENGTHS = [12, 7, 3, 1]
MASK = torch.arange(12) < torch.tensor(LENGTHS)[:, None]


def points(size: int = 2, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(len(LENGTHS), 12, size, generator=torch.Generator().manual_seed(3)).to(dtype)


@pytest.mark.parametrize("size", [2, 20])
def test_neighbours_are_those_of_a_tree(size: int) -> None:
    p, k = points(size), 4
    found = nearest(p, k, MASK, MASK)
    assert found.real is not None
    for row, length in enumerate(LENGTHS):
        there = min(k, length - 1)
        real = p[row, :length].numpy()
        expected = cKDTree(real).query(real, there + 1)[1].reshape(length, -1)[:, 1:]
        assert np.array_equal(found.elements[row, :length, :there].numpy(), expected)
        assert found.real[row, :length].sum(1).tolist() == [there] * length


def test_padding_is_far_away_where_it_is_seen() -> None:
    """Real elements prefer real ones, and take padding only where there are too few."""
    found = nearest(points(), 4, MASK)
    assert found.real is None
    is_real = MASK[torch.arange(4)[:, None, None], found.elements]
    for row, length in enumerate(LENGTHS):
        assert (is_real[row, :length].sum(1) == min(4, length - 1)).all()


def test_there_are_at_most_all_others() -> None:
    assert nearest(points()[:, :3], 10, MASK[:, :3]).elements.shape == (4, 3, 2)
    assert nearest(points()[:, :1], 10, MASK[:, :1]).elements.shape == (4, 1, 0)


def test_low_precision_does_not_reach_the_neighbours() -> None:
    p = points(20, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = nearest(p, 4, MASK, MASK)
    assert torch.equal(found.elements, nearest(p, 4, MASK, MASK).elements)


def test_a_convolution_is_the_mean_over_edges(awake: Wake) -> None:
    f, net = points(3), awake(EdgeConv(3, 8, 5))
    assert isinstance(net, EdgeConv)
    near = nearest(f, 4, MASK, MASK)
    assert near.real is not None
    out = net(f, near)
    for row, length in enumerate(LENGTHS):
        for i in range(length):
            js = near.elements[row, i, : int(near.real[row, i].sum())]
            edges = torch.cat([f[row, js] - f[row, i], f[row, i].expand(len(js), 3)], dim=1)
            messages = nn.functional.gelu(net.last(nn.functional.gelu(net.first(edges))))
            expected = messages.mean(0) if len(js) else torch.zeros(5).double()
            torch.testing.assert_close(out[row, i], expected)


def test_later_neighbours_are_near_in_what_was_learnt(awake: Wake) -> None:
    f, net = points(3), awake(LocalEmbedding(3, (8, 8), 5, k=2))
    assert isinstance(net, LocalEmbedding)
    first = net.layers[0](f, nearest(f[..., :2], 2, MASK, MASK))
    again = net.layers[1](first, nearest(first, 2, MASK, MASK))
    torch.testing.assert_close(net(f[..., :2], f, MASK, MASK)[MASK], again[MASK])
    assert not torch.equal(net.layers[1](first, nearest(f[..., :2], 2, MASK, MASK))[MASK], again[MASK])
