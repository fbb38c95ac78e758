"""Blocks of events: exact laws, streams of their own, and electrons that redraws leave alone."""

from collections.abc import Callable
from typing import NamedTuple

import awkward as ak
import numpy as np
import pytest
from numpy.typing import NDArray
from toy_cascade import SpeciesOfSample, rows_equal, toy_cascade

from cloudchamber.events import Beams, Events, Level
from cloudchamber.generate.pipeline import BLOCK, Finisher, Pipeline, Solver, Tally
from cloudchamber.physics.conservation import residuals
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.simulate.decay import Decayer
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

BEAMS = Beams(electron=10, hadron=275)
Make = Callable[..., Pipeline]


@pytest.fixture(scope="module")
def make(primary_sample: Events, primary_representation: CloudRepresentation) -> Make:
    def pipeline(finisher: Finisher | None = None, spoilt: tuple[int, ...] = (), *, project: bool = True) -> Pipeline:
        cascade = toy_cascade(primary_representation, primary_sample, spoilt)
        return Pipeline(
            primary_representation, cascade, primary_sample.run, finisher, solver=Solver(calls=2, project=project)
        )

    return pipeline


@pytest.fixture(scope="module")
def block(make: Make) -> Events:
    return make().block(3, seed=5).events


def test_every_law_holds_in_every_event(block: Events) -> None:
    found = residuals(block, BEAMS)
    assert len(block) == BLOCK
    assert np.abs(found.momentum).max() < 1e-10 * 285
    assert found.flavours is not None
    for numbers in (found.charge3, found.baryon, found.leptons, found.flavours):
        assert not numbers.any()
    assert block.flat("px").dtype == np.float64


def test_decays_keep_every_law(make: Make, block: Events) -> None:
    made = make(Decayer()).block(3, seed=5).events
    found = residuals(made, BEAMS)
    assert np.abs(found.momentum).max() < 1e-9 * 285
    for numbers in (found.charge3, found.baryon, found.leptons):
        assert not numbers.any()
    assert made.counts.mean() > block.counts.mean() + 5


def test_the_electron_comes_first_with_its_mass(block: Events) -> None:
    electron = block.electron
    assert (ak.to_numpy(electron.pdg_id) == 11).all()
    np.testing.assert_allclose(ak.to_numpy(electron.mass), 0.000511)
    px, py = ak.to_numpy(electron.px), ak.to_numpy(electron.py)
    assert np.hypot(px, py).min() > 0.9
    assert np.abs(np.exp(1j * np.arctan2(py, px)).mean()) < 4 / np.sqrt(BLOCK)  # azimuth is uniform


def test_without_projection_momentum_is_not_exact(make: Make, block: Events) -> None:
    rough = make(project=False).block(3, seed=5).events
    assert np.abs(residuals(rough, BEAMS).momentum).max() > 1e-3
    assert np.array_equal(rough.flat("pdg_id"), block.flat("pdg_id"))
    assert np.array_equal(rough.flat("mass"), block.flat("mass"))


def test_a_block_is_a_function_of_its_number_and_the_seed(make: Make, block: Events) -> None:
    pipeline = make()
    other = pipeline.block(4, seed=5).events
    again = pipeline.block(3, seed=5).events
    assert rows_equal(again, block, np.arange(BLOCK))
    everything = [ak.to_numpy(events.electron.px) for events in (block, other, pipeline.block(3, seed=6).events)]
    assert len(np.unique(np.concatenate(everything))) == 3 * BLOCK


def test_redrawing_species_leaves_electrons_and_other_events_alone(make: Make, block: Events) -> None:
    spoilt = tuple(range(0, BLOCK, 2))
    pipeline = make(spoilt=spoilt)
    made = pipeline.block(3, seed=5)
    stage = pipeline.model["species"]
    assert isinstance(stage, SpeciesOfSample)
    assert stage.called >= 2
    assert made.tally.species_draws >= BLOCK + len(spoilt)
    for name in block.columns:
        assert np.array_equal(ak.to_numpy(made.events.electron[name]), ak.to_numpy(block.electron[name]))
    found = residuals(made.events, BEAMS)
    assert found.flavours is not None
    assert not found.flavours.any()
    kept = np.setdiff1d(np.arange(BLOCK), spoilt)
    assert np.array_equal(made.events[kept].flat("pdg_id"), block[kept].flat("pdg_id"))
    np.testing.assert_allclose(made.events[kept].flat("px"), block[kept].flat("px"), rtol=1e-3, atol=1e-3)


class _Finished(NamedTuple):
    events: Events
    failed: NDArray[np.int64]


class Reluctant:
    """Finishes nothing, and refuses some rows at first."""

    def __init__(self, refused: list[int]) -> None:
        self.refused, self.seen = refused, 0

    def decay(self, events: Events, *, seed: int, block: int, attempt: int, history: bool) -> _Finished:
        refused = {0: self.refused, 1: [0]}.get(attempt, [])
        assert (seed, block, history) == (5, 3, False)
        self.seen = attempt
        return _Finished(events, np.array(refused, dtype=np.int64))


def test_events_that_cannot_decay_get_new_hadrons_at_the_same_electron(make: Make, block: Events) -> None:
    finisher = Reluctant([2, 100, 255])
    made = make(finisher).block(3, seed=5)
    assert finisher.seen == 2
    assert made.tally.decay_redraws == 4
    kept = np.setdiff1d(np.arange(BLOCK), [2, 100, 255])
    assert rows_equal(made.events, block, kept)
    for row in (2, 100, 255):
        assert made.events[row : row + 1].electron.px[0] == block[row : row + 1].electron.px[0]
        assert not np.array_equal(made.events[row : row + 1].flat("px"), block[row : row + 1].flat("px"))
    assert np.abs(residuals(made.events, BEAMS).momentum).max() < 1e-10 * 285


def test_tallies_add() -> None:
    total = Tally(events=10, species_draws=20, decay_redraws=1, rescaled=2)
    total += Tally(events=5, species_draws=10, decay_redraws=1, rescaled=1)
    assert total == Tally(events=15, species_draws=30, decay_redraws=2, rescaled=3)
    assert total.acceptance == 0.5
    assert Tally().acceptance == 1


@pytest.fixture(scope="module")
def folded() -> Pipeline:
    """A pipeline whose model knows folded events."""
    setting = DISSetting(Beams.parse("10x275"), 25.0, level=Level.STABLE)
    sample = simulate_shard(setting, 1_000, seed=32, shard=0)
    representation = CloudRepresentation.fit(sample, fold_decays=True)
    cascade = toy_cascade(representation, representation.fold(sample))
    return Pipeline(representation, cascade, sample.run, None, solver=Solver(calls=2))


def test_folded_decays_are_done_and_exact(folded: Pipeline) -> None:
    """All photon pairs are there again, with the parents' masses, and every law holds."""
    events = folded.block(1, seed=5).events
    found = residuals(events, BEAMS)
    assert np.abs(found.momentum).max() < 1e-9 * 285
    for numbers in (found.charge3, found.baryon, found.leptons):
        assert not numbers.any()
    assert not np.isin(events.flat("pdg_id"), [111, 221, 3212, -3212]).any()
    again = folded.representation.fold(events)
    assert 3 < (again.flat("pdg_id") == 111).sum() / BLOCK < 6
    assert ((events.flat("pdg_id") == 22).sum() - (again.flat("pdg_id") == 22).sum()) / BLOCK > 6


def test_unfolding_is_a_function_of_seed_and_block(folded: Pipeline) -> None:
    one, same, other = (folded.block(2, seed=seed).events for seed in (5, 5, 6))
    assert one.particles.to_list() == same.particles.to_list()
    assert one.flat("px")[:20].tolist() != other.flat("px")[:20].tolist()


def test_a_tally_tells_only_what_there_was() -> None:
    assert not str(Tally(events=256))
    told = str(Tally(events=99, species_draws=100, decay_redraws=2))
    assert told == "species lists accepted 99.0%, decays redrawn 2"
    assert str(Tally(events=256, redrawn_images=3)) == "images without an electron redrawn 3"
