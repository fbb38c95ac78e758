"""Classifiers of cells: they find nothing where nothing differs, and what was planted where it does."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cloudchamber.evaluate.showers.classifiers import classifier_of_cells
from cloudchamber.evaluate.showers.nets import ConvolutionalNet, DenseNet, Hits
from cloudchamber.events import Geometry, Showers

GEOMETRY = Geometry.pads(2, 4, 5.0)
FEATURES = 4
THRESHOLD = 0.01


def random_showers(n: int, seed: int) -> Showers:
    """Showers whose cells are independent exponentials, half of them empty."""
    rng = np.random.default_rng(seed)
    voxels = rng.exponential(1.0, (n, GEOMETRY.cells)) * (rng.random((n, GEOMETRY.cells)) < 0.5)
    return Showers.from_voxels(rng.uniform(500, 1000, n), voxels, GEOMETRY)


def moved(showers: Showers) -> Showers:
    """The same with the cells of the first layer sorted along x in four of five showers: no sum of a layer knows it."""
    voxels = showers.voxels()
    sort = np.random.default_rng(3).random(len(showers)) < 0.8
    rows = voxels[sort, :16].reshape(-1, 4, 4)
    voxels[sort, :16] = np.sort(rows, axis=2).reshape(-1, 16)
    return Showers.from_voxels(showers.incident_energy, voxels, GEOMETRY)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DenseNet(GEOMETRY.cells, FEATURES, width=16),
        lambda: ConvolutionalNet(GEOMETRY.shapes, FEATURES, width=4),
    ],
    ids=["dense", "convolutional"],
)
def test_finds_what_was_planted_and_nothing_else(make: Callable[[], nn.Module]) -> None:
    one, two = random_showers(1_500, 1), random_showers(1_500, 2)
    same = classifier_of_cells(Hits.of(one, THRESHOLD), Hits.of(two, THRESHOLD), make, epochs=3)
    planted = classifier_of_cells(Hits.of(one, THRESHOLD), Hits.of(moved(two), THRESHOLD), make, epochs=8)
    assert same.p_value is not None
    assert same.p_value > 0.001
    assert planted.value > 0.6
    assert planted.p_value is not None
    assert planted.p_value < 1e-6


def test_hits_of_some_showers_are_those_showers() -> None:
    showers = random_showers(50, 5)
    hits, rows = Hits.of(showers, THRESHOLD), torch.tensor([7, 3, 49])
    taken = hits.take(rows)
    for k, row in enumerate(rows.tolist()):
        start, stop = taken.offsets[k : k + 2]
        expected = slice(int(hits.offsets[row]), int(hits.offsets[row + 1]))
        assert torch.equal(taken.cell[start:stop], hits.cell[expected])
        assert torch.equal(taken.value[start:stop], hits.value[expected])
    assert torch.equal(taken.event, hits.event[rows])


def test_convolutions_see_every_cell_at_its_place() -> None:
    net = ConvolutionalNet(GEOMETRY.shapes, FEATURES)
    cells = GEOMETRY.place(np.arange(GEOMETRY.cells))
    expected = (cells.layer * 4 + cells.second) * 4 + cells.first
    assert net.place.tolist() == expected.tolist()


def test_the_order_of_hits_does_not_matter() -> None:
    showers = random_showers(20, 6)
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(showers.offsets, showers.offsets[1:], strict=False)])
    cells = type(showers.cells)(*(column[order] for column in showers.cells))
    turned = replace(showers, cells=cells, energy=showers.energy[order])
    for net in (DenseNet(GEOMETRY.cells, FEATURES), ConvolutionalNet(GEOMETRY.shapes, FEATURES)):
        net.eval()
        assert torch.allclose(net(Hits.of(showers, THRESHOLD)), net(Hits.of(turned, THRESHOLD)), atol=1e-5)
