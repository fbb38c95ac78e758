"""Hits as points: smeared, found again, and dealt to different cells."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from cloudchamber.events import Cells, Geometry
from cloudchamber.events.geometry import Layer
from cloudchamber.represent.places import Bins, Places, separate

POLAR = Geometry(
    kind="polar",
    layers=(
        Layer(id=0, first=(0.0, 5.0, 10.0, 30.0), second=tuple(np.linspace(-math.pi, math.pi, 9).tolist())),
        Layer(id=3, first=(0.0, 50.0), second=(-math.pi, math.pi)),
    ),
)


@pytest.mark.parametrize("geometry", [POLAR, Geometry.pads(3, 6, 5.0)])
def test_smeared_hits_are_found_in_their_cells(geometry: Geometry) -> None:
    places, cells = Places(geometry), geometry.place(np.tile(np.arange(geometry.cells), 50))
    layer, first, second = map(torch.from_numpy, cells)
    draws = torch.rand(len(layer), 2, generator=torch.Generator().manual_seed(1))
    draws[:100] = (torch.arange(200) % 2).reshape(100, 2).float() * (1 - 1e-7)  # the very borders
    point = places.smear(layer, Bins(first, second), draws)
    for shape in ((-1,), (50, -1)):  # any shape of hits
        bins = places.find(layer.reshape(shape), point.reshape(*shape, 2))
        assert torch.equal(bins.first.flatten(), first)
        assert torch.equal(bins.second.flatten(), second)


def test_points_fill_their_cells_evenly() -> None:
    places = Places(Geometry.pads(1, 4, 5.0))
    zero = torch.zeros(20_000, dtype=torch.long)
    point = places.smear(zero, Bins(zero + 1, zero + 3), torch.rand(20_000, 2, generator=torch.manual_seed(2)))
    assert point.min(0).values.tolist() == pytest.approx([-5.0, 5.0], abs=0.01)
    assert point.max(0).values.tolist() == pytest.approx([0.0, 10.0], abs=0.01)
    assert point.var(0).tolist() == pytest.approx([25 / 12] * 2, rel=0.03)


def test_points_outside_go_to_the_nearest_cell() -> None:
    places = Places(Geometry.pads(1, 4, 5.0))
    bins = places.find(torch.zeros(2, dtype=torch.long), torch.tensor([[-99.0, 1.0], [2.0, 99.0]]))
    assert bins.first.tolist() == [0, 2]
    assert bins.second.tolist() == [2, 3]


def test_hits_that_are_apart_stay() -> None:
    geometry = Geometry.pads(2, 4, 5.0)
    cells = geometry.place(np.arange(geometry.cells))
    kept = separate(geometry, np.zeros(geometry.cells, int), cells, geometry.centres(cells))
    assert np.array_equal(geometry.number(*kept), np.arange(geometry.cells))


@pytest.mark.parametrize("geometry", [POLAR, Geometry.pads(2, 6, 5.0)])
def test_crowded_hits_are_dealt_with_the_least_movement(geometry: Geometry) -> None:
    """As many hits as cells, all in one: each cell gets one; the sum of distances is that of the best assignment."""
    number = int(geometry.shapes[0].prod())
    cells = Cells(*np.array([[0] * number, [1] * number, [2] * number]))
    point = geometry.centres(cells)
    apart = separate(geometry, np.zeros(number, int), cells, point)
    assert len(np.unique(geometry.number(*apart))) == number


def test_the_hit_at_the_border_gives_way() -> None:
    geometry = Geometry.pads(1, 4, 1.0)
    cells = Cells(*np.array([[0, 0, 0], [1, 1, 1], [1, 1, 1]]))
    point = np.array([[-0.5, -0.5], [-0.05, -0.5], [-0.5, -0.95]])
    apart = separate(geometry, np.zeros(3, int), cells, point)
    assert list(zip(apart.first.tolist(), apart.second.tolist(), strict=True)) == [(1, 1), (2, 1), (1, 0)]


def test_moves_are_not_much_longer_than_they_must_be() -> None:
    """Ten points in the middle of 8 x 8 cells: squared moves against those of the best assignment."""
    geometry, rng = Geometry.pads(60, 8, 1.0), np.random.default_rng(3)
    layer = np.repeat(np.arange(60), 10)
    point = rng.normal(scale=1.0, size=(600, 2)).clip(-3.9, 3.9)
    inside = np.floor(point + 4).astype(int)
    apart = separate(geometry, np.zeros(600, int), Cells(layer, inside[:, 0], inside[:, 1]), point)
    assert len(np.unique(geometry.number(*apart))) == 600
    corner = np.stack([apart.first, apart.second], axis=1) - 4.0
    moved = float((np.maximum(np.maximum(corner - point, point - corner - 1), 0) ** 2).sum())
    all_cells = np.stack(np.meshgrid(np.arange(8), np.arange(8), indexing="ij"), axis=-1).reshape(-1, 2) - 4.0
    best = 0.0
    for points in point.reshape(60, 10, 2):
        away = np.maximum(all_cells - points[:, None], points[:, None] - all_cells - 1)
        cost = (np.maximum(away, 0) ** 2).sum(-1)
        best += float(cost[linear_sum_assignment(cost)].sum())
    assert best <= moved < 3 * best


def test_showers_do_not_disturb_each_other() -> None:
    geometry = Geometry.pads(1, 4, 1.0)
    cells = Cells(*np.array([[0, 0], [1, 1], [1, 1]]))
    apart = separate(geometry, np.array([0, 1]), cells, np.full((2, 2), -0.5))
    assert np.array_equal(apart.first, cells.first)


def test_too_many_hits_are_an_error() -> None:
    geometry = Geometry.pads(1, 1, 1.0)
    with pytest.raises(ValueError, match="do not fit"):
        separate(geometry, np.zeros(2, int), Cells(*np.zeros((3, 2), int)), np.zeros((2, 2)))
