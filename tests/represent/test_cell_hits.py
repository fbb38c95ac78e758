"""Showers as hits in cells: round trips, exact energies, symmetries, other geometries."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from cloudchamber.errors import InputError
from cloudchamber.events import Geometry, Showers
from cloudchamber.formats import showers as files
from cloudchamber.represent.cell_hits import CellsRepresentation
from cloudchamber.represent.shower_scales import given_of
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"


@pytest.fixture(scope="module")
def showers() -> Showers:
    return files.read(SAMPLE)


@pytest.fixture(scope="module")
def representation(showers: Showers) -> CellsRepresentation:
    return CellsRepresentation.fit(showers)


def real(batch: Batch) -> torch.Tensor:
    assert batch.mask is not None
    return batch.x[batch.mask]


def test_a_shower_comes_back_from_its_tensors(showers: Showers, representation: CellsRepresentation) -> None:
    given, bundle = given_of(showers), representation.encode(showers)
    np.testing.assert_allclose(representation.visible(bundle["visible"].x, given.incident), given.visible, rtol=1e-5)
    assert torch.equal(bundle["counts"].x.long(), given.counts)
    excess = representation.excess(bundle["layers"].x, bundle["layers"], given.visible, given.counts)
    np.testing.assert_allclose(excess, given.excess, rtol=1e-5, atol=1e-6)
    again = representation.decode(bundle["hits"].x, given)
    np.testing.assert_allclose(again.voxels(), showers.voxels(), rtol=1e-5, atol=1e-7)
    assert np.array_equal(again.voxels() > 0, showers.voxels() > 0)


def test_hits_fall_in_each_layer(showers: Showers, representation: CellsRepresentation) -> None:
    hits = representation.encode(showers)["hits"]
    assert hits.tokens is not None
    assert hits.mask is not None
    both = hits.mask[:, 1:]
    assert bool((hits.tokens.diff(dim=1)[both] >= 0).all())
    same = both & (hits.tokens.diff(dim=1) == 0)
    assert bool((hits.x[..., 2].diff(dim=1)[same] <= 0).all())


def test_energies_are_conserved_whatever_is_drawn(showers: Showers, representation: CellsRepresentation) -> None:
    given, bundle = given_of(showers), representation.encode(showers)
    torch.manual_seed(3)
    shares = torch.rand(*bundle["layers"].x.shape)
    excess = representation.excess(shares, bundle["layers"], given.visible, given.counts)
    x = bundle["hits"].x.clone()
    x[..., 2] = torch.rand(x.shape[:2])
    made = representation.decode(x, given._replace(excess=excess))
    np.testing.assert_allclose(made.visible_energy, showers.visible_energy, rtol=1e-9)
    floor = given.counts.double() * showers.geometry.threshold
    np.testing.assert_allclose(made.layer_energy, excess + floor, rtol=1e-9, atol=1e-12)
    assert np.array_equal(made.layer_counts, showers.layer_counts)
    assert made.energy.min() >= showers.geometry.threshold


def test_scores_of_shares_are_uniform(showers: Showers, representation: CellsRepresentation) -> None:
    """Where there is a choice: neither the last share of a shower nor that of a layer."""
    bundle = representation.encode(showers)
    for name in ("layers", "hits"):
        part = bundle[name]
        assert part.mask is not None
        assert part.tokens is not None
        if name == "layers":
            free = torch.cat([part.mask[:, 1:], torch.zeros_like(part.mask[:, :1])], dim=1) & (part.tokens < 15)
        else:
            after = torch.cat([part.mask[:, 1:], torch.zeros_like(part.mask[:, :1])], dim=1)
            free = after & (part.tokens == torch.cat([part.tokens[:, 1:], part.tokens[:, :1] - 1], dim=1))
        assert stats.kstest(part.x[..., -1][free].numpy(), "uniform").statistic < 0.03


def test_rows_are_the_same_every_time_and_from_a_state(showers: Showers, representation: CellsRepresentation) -> None:
    again = CellsRepresentation.from_state(representation.state())
    assert again.geometry == representation.geometry
    bundles = [one.encode(showers[:50]) for one in (representation, representation, again)]
    for bundle in bundles[1:]:
        assert all(torch.equal(bundles[0][name].x, bundle[name].x) for name in bundle.parts)


def test_variations_are_mirrored_showers(showers: Showers, representation: CellsRepresentation) -> None:
    """Every varied shower is one of the eight images of its shower, and all eight appear."""
    some = showers[:64]
    given, rows = given_of(some), representation.encode(some)["hits"]
    varied = representation.vary(rows, RowRng((5,), len(some)))
    grids = [s.voxels().reshape(len(some), 30, 32, 32) for s in (some, representation.decode(varied.x, given))]
    found = set()
    for before, after in zip(*grids, strict=True):
        images = [image[:, ::a, ::b] for image in (before, before.swapaxes(1, 2)) for a in (1, -1) for b in (1, -1)]
        same = [k for k, image in enumerate(images) if np.allclose(image, after, rtol=1e-4, atol=1e-6)]
        assert same
        found.update(same)
    assert found == set(range(8))


def test_the_fullest_layer_has_what_is_left(showers: Showers, representation: CellsRepresentation) -> None:
    rows, counts = representation.encode(showers)["layers"], torch.from_numpy(showers.layer_counts)
    assert rows.mask is not None
    assert rows.tokens is not None
    last = rows.mask.sum(1) - 1
    assert torch.equal(rows.tokens.gather(1, last[:, None])[:, 0], counts.argmax(1))
    before = torch.arange(rows.mask.shape[1]) < last[:, None]
    assert bool((rows.tokens.diff(dim=1) > 0)[before[:, 1:]].all())
    for row in range(50):
        assert sorted(rows.tokens[row][rows.mask[row]].tolist()) == counts[row].nonzero()[:, 0].tolist()


def test_a_line_in_a_layer_is_kept(showers: Showers, representation: CellsRepresentation) -> None:
    """An electron that does not shower in the first layer leaves the same energy there at all incident energies."""
    assert bool(representation.lines[0])
    assert not bool(representation.lines[2:].any())
    rows = representation.encode(showers)["layers"]
    assert rows.mask is not None
    assert rows.tokens is not None
    first = rows.mask[:, 0] & (rows.tokens[:, 0] == 0)
    lone = first & torch.from_numpy(np.abs(showers.layer_energy[:, 0] - 0.1708) < 5e-4)
    assert float(lone.double().mean()) > 0.1
    one_line = rows.x[lone, 0, 1]
    assert float(one_line.max() - one_line.min()) < 1.3 * float(lone.double().mean())


def test_the_prior_counts_hits_and_has_the_symmetries(showers: Showers, representation: CellsRepresentation) -> None:
    mean = representation.prior.exp()
    np.testing.assert_allclose(mean.sum((1, 2)), showers.layer_counts.mean(0) + 0.02 * 1024 / len(showers), rtol=1e-4)
    torch.testing.assert_close(mean, mean.transpose(1, 2))
    torch.testing.assert_close(mean, mean.flip(1))


def test_layers_may_differ_in_their_cells() -> None:
    geometry = Geometry(
        layers=(Geometry.pads(1, 4, 1.0).layers[0], Geometry.pads(1, 2, 1.0).layers[0].model_copy(update={"id": 1})),
        threshold=0.01,
    )
    rng = np.random.default_rng(7)
    voxels = (rng.random((60, geometry.cells)) < 0.5) * (0.01 + rng.exponential(size=(60, geometry.cells)))
    voxels[:, 0] = 1.0
    showers = Showers.from_voxels(np.full(60, 100.0), voxels, geometry)
    representation = CellsRepresentation.fit(showers)
    assert representation.prior.shape == (2, 4, 4)
    assert int((representation.prior[1] > -torch.inf).sum()) == 4
    bundle = representation.encode(showers)
    again = representation.decode(bundle["hits"].x, given_of(showers))
    np.testing.assert_allclose(again.voxels(), voxels, rtol=1e-5, atol=1e-7)


def test_other_showers_are_refused(showers: Showers, representation: CellsRepresentation) -> None:
    with pytest.raises(InputError, match="another calorimeter"):
        representation.encode(replace(showers, geometry=Geometry.pads(30, 32, 4.0, threshold=0.02)))
    with pytest.raises(InputError, match=r"below the calorimeter's threshold of 0.02 MeV"):
        representation.encode(replace(showers, energy=showers.energy / 10))
    with pytest.raises(InputError, match="too few"):
        CellsRepresentation.fit(showers[:10])
