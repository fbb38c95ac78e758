"""Showers as points: round trips, hits that share a cell, log-determinants."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cloudchamber.errors import InputError
from cloudchamber.events import Geometry, Showers
from cloudchamber.events.geometry import Layer
from cloudchamber.formats import showers as files
from cloudchamber.represent.points import PointsRepresentation

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"


@pytest.fixture(scope="module")
def showers() -> Showers:
    return files.read(SAMPLE, limit=150)


@pytest.fixture(scope="module")
def representation(showers: Showers) -> PointsRepresentation:
    return PointsRepresentation.fit(showers)


def test_a_shower_comes_back_from_its_scores(showers: Showers, representation: PointsRepresentation) -> None:
    bundle, incident = representation.encode(showers), torch.tensor(showers.incident_energy)
    counts = representation.counts(bundle["cluster"].x)
    assert counts.tolist() == showers.counts.tolist()
    cluster = representation.cluster.inverse(bundle["cluster"].x)
    np.testing.assert_allclose(cluster[:, 0], showers.visible_energy, rtol=1e-5)
    again = representation.decode(bundle["hits"].x, counts, incident)
    assert np.array_equal(again.counts, showers.counts)
    assert np.array_equal(again.voxels() > 0, showers.voxels() > 0)
    np.testing.assert_allclose(again.voxels(), showers.voxels(), rtol=1e-5)


def test_scores_are_standardised(showers: Showers, representation: PointsRepresentation) -> None:
    bundle = representation.encode(showers)
    assert bundle["hits"].mask is not None
    for z in (bundle["cluster"].x, bundle["hits"].x[bundle["hits"].mask]):
        assert z.mean(0).abs().max() < 1e-3
        assert (z.std(0, correction=0) - 1).abs().max() < 1e-3
    assert bundle["hits"].x[~bundle["hits"].mask].abs().max() == 0


def test_hits_in_one_cell_are_added_up(representation: PointsRepresentation) -> None:
    z = torch.zeros(1, 3, 4)
    z[0, 2, 1] = 3.0
    made = representation.decode(z, torch.tensor([3]), torch.tensor([1000.0]))
    assert made.counts.tolist() == [2]
    assert made.energy.max() == pytest.approx(2 * made.energy.min())


def test_whatever_is_drawn_is_a_shower(representation: PointsRepresentation) -> None:
    torch.manual_seed(2)
    counts = representation.counts(3 * torch.randn(50, 2))
    assert 1 <= counts.min() <= counts.max() <= representation.most
    z = 4 * torch.randn(50, int(counts.max()), 4)
    made = representation.decode(z, counts, torch.full((50,), 2000.0))
    Showers.of(made.incident_energy, made.counts, made.cells, made.energy, geometry=made.geometry)
    assert made.energy.min() >= 0.02 * (1 - 1e-6)


def test_the_log_determinant_is_that_of_autograd(showers: Showers, representation: PointsRepresentation) -> None:
    values = representation.hits.inverse(representation.encode(showers)["hits"].x[0, :3])
    for row in values:
        jacobian = torch.func.jacrev(lambda v: representation.hits.forward(v[None])[0])(row)
        expected = torch.linalg.slogdet(jacobian).logabsdet.item()
        assert representation.hits.log_det(row[None]).item() == pytest.approx(expected, rel=1e-9)


def test_a_state_restores_it(showers: Showers, representation: PointsRepresentation) -> None:
    again = PointsRepresentation.from_state(representation.state())
    one, two = representation.encode(showers), again.encode(showers)
    assert all(torch.equal(one[name].x, two[name].x) for name in one.parts)
    assert again.most == int(showers.counts.max())


def test_polar_cells_come_back_too(showers: Showers) -> None:
    angles = tuple(np.linspace(-np.pi, np.pi, 33).tolist())
    layers = tuple(Layer(id=k, first=tuple(map(float, range(33))), second=angles) for k in range(30))
    polar = replace(showers, geometry=Geometry(kind="polar", layers=layers, threshold=0.02))
    representation = PointsRepresentation.fit(polar)
    bundle = representation.encode(polar)
    again = representation.decode(bundle["hits"].x, torch.tensor(polar.counts), torch.tensor(polar.incident_energy))
    assert np.array_equal(again.voxels() > 0, polar.voxels() > 0)


def test_what_cannot_be_learnt_is_refused(showers: Showers, representation: PointsRepresentation) -> None:
    with pytest.raises(InputError, match="too few to fit"):
        PointsRepresentation.fit(showers[:5])
    with pytest.raises(InputError, match="of another calorimeter"):
        representation.encode(replace(showers, geometry=Geometry.pads(30, 32, 4.0)))
