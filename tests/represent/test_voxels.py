"""Showers as voxels: round trips, exact energies, sparsity, log-determinants, merging."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cloudchamber.errors import InputError
from cloudchamber.events import Geometry, Merging, Showers
from cloudchamber.events.geometry import Layer
from cloudchamber.formats import showers as files
from cloudchamber.represent.layer_fractions import LayerFractions, settled
from cloudchamber.represent.voxels import LayerMap, VoxelsRepresentation
from cloudchamber.tensors.rng import RowRng

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"
KINDS = {
    "published": {"with_layers": True, "scaled": "voxel"},
    "noisy": {"with_layers": True, "scaled": "all", "noise": 0.3},
    "alone": {"with_layers": False, "scaled": "none"},
    "noisy-alone": {"with_layers": False, "scaled": "voxel", "noise": 0.3},
}


@pytest.fixture(scope="module")
def showers() -> Showers:
    return files.read(SAMPLE, limit=150)


@pytest.fixture(scope="module", params=list(KINDS))
def representation(showers: Showers, request: pytest.FixtureRequest) -> VoxelsRepresentation:
    return VoxelsRepresentation.fit(showers, Merging(3, 3, 3), **KINDS[request.param])


def decoded(representation: VoxelsRepresentation, showers: Showers) -> Showers:
    bundle, incident = representation.encode(showers), torch.tensor(showers.incident_energy)
    z = representation.dense(bundle["voxels"], RowRng((1,), len(showers))).x
    layers = representation.layer_energies(bundle["layers"].x, incident) if representation.layers else None
    return representation.decode(z, incident, layers)


def test_a_shower_comes_back_from_its_scores(showers: Showers, representation: VoxelsRepresentation) -> None:
    merged, again = representation.merging.showers(showers), decoded(representation, showers)
    assert again.geometry == merged.geometry
    assert np.array_equal(again.counts, merged.counts)
    assert np.array_equal(np.stack(again.cells), np.stack(merged.cells))
    np.testing.assert_allclose(again.energy, merged.energy, rtol=1e-5)
    np.testing.assert_allclose(again.visible_energy, merged.visible_energy, rtol=3e-6)


def test_every_cell_comes_back_at_full_granularity(showers: Showers) -> None:
    some = showers[:40]
    again = decoded(VoxelsRepresentation.fit(some, Merging(), with_layers=True, noise=0.2), some)
    np.testing.assert_allclose(again.voxels(), some.voxels(), rtol=1e-5, atol=1e-9)


def test_polar_cells_without_a_threshold_come_back(showers: Showers) -> None:
    """As in the CaloChallenge's files; the smallest energy of the sample is then the threshold."""
    angles = tuple(np.linspace(-np.pi, np.pi, 33).tolist())
    layers = tuple(Layer(id=k, first=tuple(map(float, range(33))), second=angles) for k in range(30))
    polar = replace(showers, geometry=Geometry(kind="polar", layers=layers))
    representation = VoxelsRepresentation.fit(polar, Merging(2, 4, 1), with_layers=True, noise=0.5)
    assert representation.threshold == showers.energy.min()
    again, merged = decoded(representation, polar), representation.merging.showers(polar)
    assert again.geometry.kind == "polar"
    assert np.array_equal(again.counts, merged.counts)
    np.testing.assert_allclose(again.energy, merged.energy, rtol=1e-5)


@pytest.mark.parametrize("kind", ["published", "noisy"])
def test_energies_are_conserved_whatever_is_drawn(showers: Showers, kind: str) -> None:
    representation = VoxelsRepresentation.fit(showers, Merging(2, 4, 5), **KINDS[kind])
    torch.manual_seed(3)
    incident = torch.tensor(showers.incident_energy)
    scores = 2 * torch.randn(len(showers), 6)
    layers = representation.layer_energies(scores, incident)
    fraction = representation.layers.line.inverse(scores)[:, 0]
    total = fraction * representation.layers.fractions.ceiling * incident
    made = representation.decode(2 * torch.randn(len(showers), representation.voxels), incident, layers)
    np.testing.assert_allclose(made.layer_energy, layers, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(made.visible_energy, total.clamp(min=0.02), rtol=1e-9)
    assert made.energy.min() >= 0.02 * (1 - 2e-4)
    assert made.counts.min() > 0
    Showers.of(made.incident_energy, made.counts, made.cells, made.energy, geometry=made.geometry)


def test_noise_is_drawn_anew_and_only_where_nothing_is(showers: Showers) -> None:
    representation = VoxelsRepresentation.fit(showers, Merging(3, 3, 3), **KINDS["noisy"])
    rows = representation.encode(showers)["voxels"]
    one, two = (representation.dense(rows, RowRng((seed,), len(showers))).x for seed in (1, 2))
    filled = torch.zeros(one.shape, dtype=torch.bool)
    filled[rows.mask.nonzero()[:, 0], rows.tokens[rows.mask]] = True
    assert torch.equal(one == two, filled)
    same = representation.encode(showers)
    assert torch.equal(same["layers"].x, representation.encode(showers)["layers"].x)


def test_scores_have_zero_mean_and_unit_variance(showers: Showers) -> None:
    representation = VoxelsRepresentation.fit(showers, Merging(4, 4, 3), **KINDS["noisy"] | {"scaled": "voxel"})
    bundle = representation.encode(showers)
    layers, voxels = bundle["layers"].x, representation.dense(bundle["voxels"], RowRng((5,), 150)).x
    for z, slack in ((layers, 1e-3), (voxels, 0.4)):
        assert z.mean(0).abs().max() < slack
        assert z.std(0, correction=0).max() < 1 + slack
    assert (layers.std(0, correction=0) - 1).abs().max() < 1e-3
    often = representation.merging.showers(showers).voxels() > 0
    spread = voxels.std(0, correction=0)[torch.tensor(often.mean(0) > 0.3)]
    assert len(spread) > 20
    assert (spread - 1).abs().max() < 0.1
    assert voxels.abs().max() < 25


def test_the_density_of_layers_is_that_of_their_scores(showers: Showers) -> None:
    energy = torch.tensor(Merging(1, 1, 6).showers(showers).layer_energy)[:20]
    energy, incident = energy[(energy > 0).all(1)], torch.tensor(showers.incident_energy)[:20]
    layers = LayerMap.fit(energy, incident[: len(energy)])
    for row, beam in zip(energy[:5], incident, strict=False):
        jacobian = torch.func.jacrev(lambda e, beam=beam: layers.forward(e[None], beam[None])[0])(row)
        expected = torch.linalg.slogdet(jacobian).logabsdet
        assert layers.log_det(row[None], beam[None]).item() == pytest.approx(expected.item(), rel=1e-9)


def test_the_density_of_voxels_is_that_of_their_scores(showers: Showers) -> None:
    representation = VoxelsRepresentation.fit(showers, Merging(16, 16, 10), **KINDS["noisy"])
    layers = torch.tensor([[5.0, 2.0, 0.001]]).double()
    units = representation.units(torch.ones(1), layers)
    energy = torch.rand(1, representation.voxels).double() * 0.01

    def scores(e: torch.Tensor) -> torch.Tensor:
        return representation.line.forward((e.view(3, -1) / units[0, :, None]).flatten())

    jacobian = torch.func.jacrev(scores)(energy[0])
    fractions = (energy.view(3, -1) / units[0, :, None]).view(1, -1)
    found = representation.voxels_log_det(fractions, units)
    assert found.item() == pytest.approx(torch.linalg.slogdet(jacobian).logabsdet.item(), rel=1e-9)


def test_a_state_restores_it(showers: Showers, representation: VoxelsRepresentation) -> None:
    again = VoxelsRepresentation.from_state(representation.state())
    one, two = representation.encode(showers), again.encode(showers)
    assert all(torch.equal(one[name].x, two[name].x) for name in one.parts)
    np.testing.assert_array_equal(decoded(again, showers).energy, decoded(representation, showers).energy)


def test_mirrored_showers_have_the_same_voxels_elsewhere(showers: Showers) -> None:
    representation = VoxelsRepresentation.fit(showers, Merging(2, 2, 5), with_layers=True, scaled="all")
    rows = representation.encode(showers)["voxels"]
    plain, moved = (way(rows, RowRng((2,), 150)).x for way in (representation.dense, representation.mirrored))
    assert not torch.equal(plain, moved)
    one, two = (z.view(150, *representation.shape).flatten(2).sort(-1).values for z in (plain, moved))
    assert torch.equal(one, two)
    images = plain.view(150, *representation.shape), moved.view(150, *representation.shape)
    changes = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    seen = set()
    for before, after in zip(*images, strict=True):
        for x, y, swap in changes:
            turned = before.flip([d for d, on in ((-1, x), (-2, y)) if on])
            if torch.equal(turned.transpose(-1, -2) if swap else turned, after):
                seen.add((x, y, swap))
    assert len(seen) == 8


def test_fractions_are_those_of_what_is_left() -> None:
    energy, incident = torch.tensor([[1.0, 0.0, 3.0, 4.0], [2.0, 0.0, 0.0, 0.0]]).double(), torch.tensor([16.0, 4.0])
    layers = LayerFractions(1.0)
    u = layers.forward(energy, incident.double())
    assert u.tolist() == [[0.5, 1 / 8, 0.0, 3 / 7], [0.5, 1.0, 0.0, 0.0]]
    torch.testing.assert_close(layers.inverse(u, incident.double()), energy, rtol=1e-14, atol=1e-14)


def test_settled_energies_obey_threshold_and_sum() -> None:
    torch.manual_seed(1)
    energy, total = torch.rand(500, 40).double() ** 8, 0.01 + 3 * torch.rand(500).double() ** 4
    made = settled(energy, total, 0.1)
    torch.testing.assert_close(made.sum(1), torch.where(total < 0.1, 0.0, total), rtol=1e-12, atol=0)
    assert made[made > 0].min() >= 0.1 * (1 - 1e-4)
    order = energy.argsort(1)
    assert bool((made.gather(1, order).diff(dim=1) >= 0).all())  # whatever is kept is larger than what is not


def test_merged_cells_hold_all_energy(showers: Showers) -> None:
    merged = Merging(3, 2, 4).showers(showers)
    assert merged.geometry.shapes[0].tolist() == [11, 16]
    assert len(merged.geometry.layers) == 8
    fine = showers.voxels().reshape(150, 30, 32, 32)
    blocks = np.zeros((150, 8, 16, 11))
    for place in np.ndindex(30, 32, 32):
        blocks[:, place[0] // 4, place[1] // 2, place[2] // 3] += fine[:, *place]
    np.testing.assert_allclose(merged.voxels().reshape(blocks.shape), blocks, rtol=1e-12)
    assert merged.geometry.layers[1].id == 4
    assert merged.geometry.layers[0].first[-2:] == (70.0, 80.0)


def test_what_cannot_be_voxels_is_refused(showers: Showers) -> None:
    layers = showers.geometry.layers
    other = layers[0].model_copy(update={"first": (0.0, 1.0)})
    uneven = Geometry(layers=(other, *layers[1:]))
    with pytest.raises(InputError, match="cannot be merged"):
        Merging(1, 1, 2).geometry(uneven)
    with pytest.raises(InputError, match="voxels need layers with the same numbers of bins"):
        VoxelsRepresentation.fit(replace(showers, geometry=uneven), Merging(), with_layers=True)
    with pytest.raises(InputError, match="too few to fit"):
        VoxelsRepresentation.fit(showers[:5], Merging(), with_layers=True)
    fitted = VoxelsRepresentation.fit(showers, Merging(4, 4, 5), with_layers=True)
    with pytest.raises(InputError, match="below the calorimeter's threshold"):
        fitted.encode(replace(showers, energy=showers.energy * 0.5))
    with pytest.raises(InputError, match="of another calorimeter"):
        fitted.encode(replace(showers, geometry=uneven))
