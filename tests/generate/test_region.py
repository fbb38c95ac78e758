"""Rejection at the electron stage gives the physical density inside the cuts, and keeps the streams of events apart."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cloudchamber.events import Beams, Cuts, Events, Level
from cloudchamber.generate.region import Region, draw_electrons, try_electrons
from cloudchamber.physics.dis import DISVariables, dis_variables
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.simulate.pythia import DISSetting, simulate_shard
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng, Rng

BEAMS = Beams.parse("10x100")


@pytest.fixture(scope="module")
def representation() -> CloudRepresentation:
    setting = DISSetting(BEAMS, 1.0, level=Level.PRIMARY, flat_q2=True)
    return CloudRepresentation.fit_mixture([simulate_shard(setting, 2_000, seed=4, shard=0)])


def unit_normal(given: Batch, rng: Rng) -> Tensor:
    """The density that a model without correlations would learn."""
    assert given.context is not None
    return rng.normal(2)


def variables(
    representation: CloudRepresentation, region: Region, events: range = range(4_000), seed: int = 3
) -> DISVariables:
    drawn = draw_electrons(unit_normal, representation, region, EventRng(seed, events), len(events))
    return dis_variables(drawn.momenta, BEAMS)


@pytest.mark.parametrize("candidates", [1, 8])
def test_kept_electrons_have_the_physical_density(representation: CloudRepresentation, candidates: int) -> None:
    cuts = Cuts(q2_min=4.0, y_min=0.02, y_max=0.8)
    found = variables(representation, Region(cuts, candidates))
    assert found.Q2.min() >= 4.0
    assert found.y.min() >= 0.02
    assert found.y.max() <= 0.8
    scores = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(2))
    every = dis_variables(representation.electron.decode(scores, np.zeros(100_000)), BEAMS)
    inside = (every.Q2 >= 4) & (every.y >= 0.02) & (every.y <= 0.8)
    for name in ("Q2", "y"):
        expected = np.log(getattr(every, name)[inside])
        mean = np.average(expected, weights=1 / every.Q2[inside])
        error = np.log(getattr(found, name)).std() / np.sqrt(len(found.Q2))
        assert abs(np.log(getattr(found, name)).mean() - mean) < 4 * error


def test_an_electron_depends_on_its_event_number_alone(representation: CloudRepresentation) -> None:
    region = Region(Cuts(q2_min=10.0), 4)
    whole = variables(representation, region, range(600))
    part = variables(representation, region, range(200, 400))
    np.testing.assert_array_equal(whole.Q2[200:400], part.Q2)
    assert len(np.unique(whole.Q2)) == 600
    assert not np.array_equal(whole.Q2, variables(representation, region, range(600), seed=4).Q2)


def test_a_trial_says_what_share_is_kept(representation: CloudRepresentation) -> None:
    n, cuts = 20_000, Cuts(q2_min=4.0)
    trial = try_electrons(unit_normal, representation, cuts, EventRng(0, range(n), 4))
    Q2 = dis_variables(
        representation.electron.decode(unit_normal(_given(n), EventRng(1, range(n))), np.zeros(n)), BEAMS
    ).Q2
    assert trial.drawn == n
    assert trial.kept <= trial.physical <= n
    assert trial.kept / n == pytest.approx(np.where(Q2 >= 4, 4 / Q2, 0).mean(), abs=0.015)


def _given(n: int) -> Batch:
    return Batch(torch.zeros(n, 2), torch.ones(n), torch.zeros(n, 1))


def test_without_bias_nothing_more_is_drawn(sample_10x275: Events) -> None:
    """Models of one setting take the same numbers from their streams as ever: scores, then an azimuth."""
    representation = CloudRepresentation.fit(sample_10x275)
    drawn = draw_electrons(lambda given, rng: rng.normal(2), representation, Region(), EventRng(5, range(50)), 50)
    rng = EventRng(5, range(50))
    scores, phi = rng.normal(2), 2 * np.pi * rng.uniform().double().numpy() - np.pi
    again = representation.electron.decode(scores, phi)
    physical = np.isfinite(again).all(1) & (np.nan_to_num(dis_variables(again, representation.beams).W2) > 1)
    assert physical.sum() > 40
    np.testing.assert_array_equal(drawn.momenta[physical], again[physical])


@pytest.fixture(scope="module")
def sample_10x275() -> Events:
    return simulate_shard(DISSetting(Beams.parse("10x275"), 25.0, level=Level.PRIMARY), 500, seed=31, shard=0)
