"""Showers as hits: round trips, exact energies, symmetries, densities."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from cloudchamber.errors import InputError
from cloudchamber.events import Geometry, Showers
from cloudchamber.formats import showers as files
from cloudchamber.represent.hits import HitsRepresentation
from cloudchamber.represent.shower_scales import given_of
from cloudchamber.tensors.rng import RowRng

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"


@pytest.fixture(scope="module")
def showers() -> Showers:
    return files.read(SAMPLE)


@pytest.fixture(scope="module")
def representation(showers: Showers) -> HitsRepresentation:
    return HitsRepresentation.fit(showers)


def test_a_shower_comes_back_from_its_scores(showers: Showers, representation: HitsRepresentation) -> None:
    given = given_of(showers)
    bundle = representation.encode(showers)
    visible = representation.visible(bundle["visible"].x, given.incident)
    np.testing.assert_allclose(visible, given.visible, rtol=1e-5)
    counts = bundle["counts"].x.long()
    assert torch.equal(counts, given.counts)
    layers = representation.layers_given(given.incident, given.visible, counts)
    excess = representation.excess(bundle["layers"].x, layers, given.visible, counts)
    np.testing.assert_allclose(excess, given.excess, rtol=1e-4, atol=1e-5)
    again = representation.decode(bundle["hits"].x, given)
    assert np.array_equal(again.incident_energy, showers.incident_energy)
    np.testing.assert_allclose(again.voxels(), showers.voxels(), rtol=1e-4, atol=1e-5)
    assert np.array_equal(again.voxels() > 0, showers.voxels() > 0)


def test_energies_are_conserved_whatever_is_drawn(showers: Showers, representation: HitsRepresentation) -> None:
    given = given_of(showers)
    torch.manual_seed(3)
    layers = representation.layers_given(given.incident, given.visible, given.counts)
    excess = representation.excess(torch.randn(*layers.x.shape), layers, given.visible, given.counts)
    drawn = given._replace(excess=excess)
    noise = torch.randn(len(showers), int(given.counts.sum(1).max()), 3)
    made = representation.decode(noise, drawn)
    np.testing.assert_allclose(made.visible_energy, showers.visible_energy, rtol=1e-9)
    np.testing.assert_allclose(
        made.layer_energy, excess + given.counts.double() * showers.geometry.threshold, rtol=1e-9, atol=1e-12
    )
    assert np.array_equal(made.layer_counts, showers.layer_counts)
    assert made.energy.min() >= showers.geometry.threshold
    Showers.of(made.incident_energy, made.counts, made.cells, made.energy, geometry=made.geometry)  # no cell twice


def test_scores_are_unit_normal(showers: Showers, representation: HitsRepresentation) -> None:
    bundle = representation.encode(showers)
    mask = bundle["hits"].mask
    assert mask is not None
    radius = bundle["hits"].x[mask][:, :2].norm(dim=1)
    assert stats.kstest(radius.numpy(), "rayleigh").statistic < 0.01
    for name in ("visible", "layers"):
        part = bundle[name]
        z = part.x if part.tokens is None else part.x[part.mask & (part.tokens < 15)]  # later ones share a map
        assert stats.kstest(z.flatten().numpy(), "norm").statistic < 0.03


def test_rows_are_the_same_every_time(showers: Showers, representation: HitsRepresentation) -> None:
    one, two = representation.encode(showers[:50]), representation.encode(showers[:50])
    assert all(torch.equal(one[name].x, two[name].x) for name in one.parts)


def test_a_state_restores_it(showers: Showers, representation: HitsRepresentation) -> None:
    again = HitsRepresentation.from_state(representation.state())
    assert again.geometry == representation.geometry
    one, two = representation.encode(showers[:50]), again.encode(showers[:50])
    assert all(torch.equal(one[name].x, two[name].x) for name in one.parts)


def test_variations_are_mirrored_showers(showers: Showers, representation: HitsRepresentation) -> None:
    """Every varied shower is one of the eight images of its shower, and all eight appear."""
    some = showers[:64]
    given, rows = given_of(some), representation.encode(some)["hits"]
    varied = representation.vary(rows, RowRng((5,), len(some)))
    assert torch.equal(varied.x[..., 2], rows.x[..., 2])
    grids = [s.voxels().reshape(len(some), 30, 32, 32) for s in (some, representation.decode(varied.x, given))]
    found = set()
    for before, after in zip(*grids, strict=True):
        images = [image[:, ::a, ::b] for image in (before, before.swapaxes(1, 2)) for a in (1, -1) for b in (1, -1)]
        same = [k for k, image in enumerate(images) if np.allclose(image, after, rtol=1e-3, atol=1e-4)]
        assert same
        found.update(same)
    assert found == set(range(8))


def test_log_det_is_that_of_the_map(showers: Showers, representation: HitsRepresentation) -> None:
    rows = representation.encode(showers[:5])["hits"]
    assert rows.tokens is not None
    row, hit, step = 2, 4, 1e-6
    layer = rows.tokens[row, hit : hit + 1]
    point = representation._points(rows.x[row, hit : hit + 1, :2].double(), layer)
    columns = [
        (representation._scores(point + step * d, layer) - representation._scores(point - step * d, layer)) / (2 * step)
        for d in torch.eye(2, dtype=torch.float64)
    ]
    place = torch.linalg.slogdet(torch.cat(columns).T).logabsdet
    energy = representation._maps["energy"]
    share = energy.inverse(rows.x[row, hit : hit + 1, 2], layer)
    slope = (energy.forward(share + step, layer) - energy.forward(share - step, layer)) / (2 * step)
    one = replace(rows.select(torch.tensor([row])), mask=(torch.arange(rows.x.shape[1]) == hit)[None])
    np.testing.assert_allclose(representation.log_det(one), place + slope.log(), rtol=1e-4)


def test_other_showers_are_refused(showers: Showers, representation: HitsRepresentation) -> None:
    with pytest.raises(InputError, match="another calorimeter"):
        representation.encode(replace(showers, geometry=Geometry.pads(30, 32, 4.0, threshold=0.02)))
    with pytest.raises(InputError, match=r"below the calorimeter's threshold of 0.02 MeV"):
        representation.encode(replace(showers, energy=showers.energy / 10))
    with pytest.raises(InputError, match="too few"):
        HitsRepresentation.fit(showers[:10])
