"""The laws for the shipped models of showers: energies as asked for, seeds, and a response like the simulation's.

Margins are 5 standard errors plus what the cards' evaluations resolve.
"""

from pathlib import Path

import numpy as np
import pytest

from cloudchamber.events import Showers
from cloudchamber.formats import showers as files
from cloudchamber.generate.showers import BLOCK
from cloudchamber.recipes.shower_generation import ShowerGenerator
from cloudchamber.recipes.store import load_model, model_names
from cloudchamber.represent.cell_hits import CellsRepresentation

MODELS = [name for name in ("calo-wsi", "calo-wsi-fast") if name in model_names()]
TRUTH = Path(__file__).parents[1] / "samples" / "electrons.parquet"
pytestmark = pytest.mark.skipif(not MODELS, reason="no model of showers is installed")


@pytest.fixture(scope="module")
def truth() -> Showers:
    return files.read(TRUTH)


@pytest.fixture(scope="module", params=MODELS)
def generator(request: pytest.FixtureRequest) -> ShowerGenerator:
    return ShowerGenerator(request.param, load_model(request.param), "cpu")


@pytest.fixture(scope="module")
def made(generator: ShowerGenerator, truth: Showers) -> Showers:
    return generator.sample(truth.incident_energy / 1e3, seed=2)


def test_incident_energies_are_those_that_were_asked_for(made: Showers, truth: Showers) -> None:
    np.testing.assert_allclose(made.incident_energy, truth.incident_energy, rtol=1e-15)


def test_hits_are_above_the_threshold_and_alone_in_their_cells(made: Showers) -> None:
    assert made.energy.min() >= made.geometry.threshold
    places = np.stack([made.row, *made.cells])
    assert len(np.unique(places, axis=1).T) == len(made.energy)


def test_showers_respond_like_simulated_ones(made: Showers, truth: Showers) -> None:
    one, other = (s.visible_energy / s.incident_energy for s in (made, truth))
    assert (
        abs(one.mean() / other.mean() - 1)
        < 0.01 + 5 * np.hypot(one.std(), other.std()) / len(truth) ** 0.5 / other.mean()
    )
    hits = made.counts.mean() - truth.counts.mean()
    assert abs(hits) < 0.02 * truth.counts.mean() + 5 * (made.counts - truth.counts).std() / len(truth) ** 0.5


def test_layers_have_their_mean_energies(made: Showers, truth: Showers) -> None:
    difference = (made.layer_energy - truth.layer_energy)[:, :20]
    error = difference.std(0) / len(truth) ** 0.5
    assert (np.abs(difference.mean(0)) < 5 * error + 0.03 * truth.layer_energy[:, :20].mean(0)).all()


def test_a_block_depends_on_its_energies_and_the_seed_alone(
    generator: ShowerGenerator, made: Showers, truth: Showers
) -> None:
    energies = truth.incident_energy[:BLOCK] / 1e3
    assert np.array_equal(generator.sample(energies, seed=2).energy, made[:BLOCK].energy)
    assert not np.array_equal(generator.sample(energies, seed=6).counts, made[:BLOCK].counts)


def test_showers_are_mirror_images_of_what_was_drawn(
    generator: ShowerGenerator, made: Showers, truth: Showers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CellsRepresentation, "vary", lambda self, rows, rng: rows)
    drawn = generator.sample(truth.incident_energy[:BLOCK] / 1e3, seed=2)
    found = set()
    for before, after in zip(*(s.voxels().reshape(BLOCK, 30, 32, 32) for s in (drawn, made[:BLOCK])), strict=True):
        images = [image[:, ::a, ::b] for image in (before, before.swapaxes(1, 2)) for a in (1, -1) for b in (1, -1)]
        same = {k for k, image in enumerate(images) if np.allclose(image, after)}
        assert same
        found |= same
    assert found == set(range(8))
