"""The laws for the shipped model of Z with jets: every cut is exact, the Z is where it is, and seeds name events.

The wide margins on shapes are for a broken file of weights; what the model is worth stands in docs/zjets.md.
"""

import numpy as np
import pytest

from cloudchamber.events import Events
from cloudchamber.generate.pipeline import BLOCK
from cloudchamber.physics.zjets import PT_MIN, R_MIN, JetEvents, closest_pair
from cloudchamber.recipes.generation import Generator, load
from cloudchamber.recipes.store import model_names

N = 4 * BLOCK
pytestmark = pytest.mark.skipif("zjets" not in model_names(), reason="the model is not installed")


@pytest.fixture(scope="module")
def generator() -> Generator:
    return load("zjets")


@pytest.fixture(scope="module", params=(1, 2, 3))
def made(request: pytest.FixtureRequest, generator: Generator) -> Events:
    return generator.sample(N, seed=3, jets=request.param)


def mass_of_muons(jets: JetEvents) -> np.ndarray:
    momenta, mass = jets.momenta()[:, :2], jets.mass[:, :2]
    energy = np.sqrt((momenta**2).sum(-1) + mass**2).sum(1)
    return np.sqrt(energy**2 - (momenta.sum(1) ** 2).sum(-1))


def test_no_jet_is_outside_of_the_cuts(made: Events) -> None:
    jets = JetEvents.of(made)
    assert closest_pair(jets).min() > R_MIN - 1e-5
    assert jets.pt[:, 2:].min() > PT_MIN * (1 - 1e-6)
    assert (np.diff(jets.pt[:, 2:], axis=1) <= 1e-4 * jets.pt[:, 3:]).all()
    assert (np.asarray(made.particles.pdg_id[:, :2]) == [13, -13]).all()


def test_the_z_peaks_at_its_mass(made: Events) -> None:
    mass = mass_of_muons(JetEvents.of(made))
    assert np.median(mass) == pytest.approx(91.1, abs=0.5)
    assert ((mass > 86) & (mass < 96)).mean() == pytest.approx(0.82, abs=0.06)


def test_numbers_of_jets_are_those_of_pythia(generator: Generator) -> None:
    found = np.bincount(generator.sample(N, seed=4).counts - 2, minlength=4)[1:] / N
    shares = np.array([0.773, 0.185, 0.042])
    assert (np.abs(found - shares) < 4 * np.sqrt(shares * (1 - shares) / N)).all()


def test_events_depend_on_their_number_and_the_seed_alone(generator: Generator) -> None:
    long, short = generator.sample(2 * BLOCK, seed=5), generator.sample(BLOCK, seed=5)
    assert np.array_equal(long[:BLOCK].flat("px"), short.flat("px"))
    assert not np.array_equal(generator.sample(BLOCK, seed=6).flat("px")[:9], short.flat("px")[:9])
