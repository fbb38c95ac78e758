"""Shards of simulated DIS: a pure function of setting, seed and number, inside the cuts, and conserving."""

import awkward as ak
import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, Level
from cloudchamber.physics.dis import beam_momenta, dis_variables
from cloudchamber.represent.cloud import four_momenta
from cloudchamber.simulate.pythia import DISSetting, new_pythia, shard_seed, simulate_shard

BEAMS = Beams.parse("10x275")


@pytest.fixture(scope="module", params=list(Level))
def events(request: pytest.FixtureRequest) -> Events:
    return simulate_shard(DISSetting(BEAMS, 25.0, 400.0, request.param), 600, seed=3, shard=2)


def electrons(events: Events) -> np.ndarray:
    e = ak.values_astype(events.electron, np.float64)
    return np.stack([ak.to_numpy(x) for x in (e.E, e.px, e.py, e.pz)], axis=1)


def test_the_scattered_electron_is_first_and_inside_the_cuts(events: Events) -> None:
    assert (events.electron.pdg_id == 11).to_numpy().all()
    q2 = dis_variables(electrons(events), BEAMS).Q2
    assert np.quantile(q2, 0.02) > 24.9
    assert np.quantile(q2, 0.98) < 400.1


def test_the_beams_momentum_is_conserved(events: Events) -> None:
    p = ak.values_astype(events.particles, np.float64)
    energy = np.sqrt(p.px**2 + p.py**2 + p.pz**2 + p.mass**2)
    totals = np.stack([ak.to_numpy(ak.sum(x, axis=1)) for x in (energy, p.px, p.py, p.pz)], axis=1)
    expected = beam_momenta(BEAMS).electron + beam_momenta(BEAMS).proton
    np.testing.assert_allclose(totals, np.broadcast_to(expected, totals.shape), atol=2e-4)


def test_extra_settings_change_the_events_and_are_told() -> None:
    plain, detuned = DISSetting(BEAMS, 25.0), DISSetting(BEAMS, 25.0, extra=("StringZ:aLund = 1.9",))
    one, two = (simulate_shard(setting, 400, seed=3, shard=2) for setting in (plain, detuned))
    assert two.run.settings == (*one.run.settings, "StringZ:aLund = 1.9")
    assert two.counts.mean() > one.counts.mean() + 0.5


@pytest.mark.parametrize("line", ["StringZ:nonsense = 1", "nonsense", "StringZ:aLund 0.4", "StringZ:aLund = blue"])
def test_settings_that_pythia_does_not_understand_are_refused(line: str) -> None:
    with pytest.raises(InputError, match=f"does not understand the setting '{line}'"):
        DISSetting(BEAMS, 25.0, extra=(line,))


@pytest.mark.parametrize("line", ["Beams:eA = 5", "random:seed = 3", "PhaseSpace:Q2Min = 1", "HadronLevel:Decay = on",
                                  "PhaseSpace:pTHatMinDiverge = 0.5"])  # fmt: skip
def test_settings_that_have_an_option_are_refused(line: str) -> None:
    with pytest.raises(InputError, match="is made by the options of the command; leave it out of --set"):
        DISSetting(BEAMS, 25.0, extra=(line,))


def test_metadata_describes_the_sample(events: Events) -> None:
    assert events.run.beams == BEAMS
    assert (events.run.cuts.q2_min, events.run.cuts.q2_max) == (25.0, 400.0)
    assert events.run.seed == 3
    assert events.run.cross_section_pb is not None
    assert 1e4 < events.run.cross_section_pb < 2.5e4


def test_the_levels_keep_what_they_promise() -> None:
    def has(level: Level, code: int) -> bool:
        sample = simulate_shard(DISSetting(BEAMS, 25.0, level=level), 200, seed=1, shard=0)
        return bool(ak.any(sample.particles.pdg_id == code))

    assert [has(level, 111) for level in (Level.STABLE, Level.PI0, Level.PRIMARY)] == [False, True, True]
    assert [has(level, 113) for level in (Level.STABLE, Level.PI0, Level.PRIMARY)] == [False, False, True]


def test_a_shard_depends_on_seed_and_number_only_and_starts_with_a_shorter_one() -> None:
    def columns(n: int, seed: int, shard: int) -> Events:
        return simulate_shard(DISSetting(BEAMS, 25.0), n, seed=seed, shard=shard)

    long, short = columns(120, 5, 1), columns(80, 5, 1)
    assert ak.array_equal(long[:80].particles, short.particles)
    assert not ak.array_equal(short.particles, columns(80, 5, 2).particles)
    assert not ak.array_equal(short.particles, columns(80, 6, 1).particles)


def test_progress_adds_up() -> None:
    made: list[int] = []
    simulate_shard(DISSetting(BEAMS, 25.0), 150, seed=1, shard=0, advance=made.append)
    assert sum(made) == 150


def test_shard_seeds_are_valid_and_differ() -> None:
    seeds = {shard_seed(seed, shard) for seed in range(30) for shard in range(30)}
    assert len(seeds) == 900
    assert min(seeds) >= 1
    assert max(seeds) <= 900_000_000


@pytest.mark.parametrize(("q2_min", "q2_max"), [(0.1, None), (20_000.0, None), (25.0, 25.0), (25.0, 3.0),
                                                (25.0, float("inf"))])  # fmt: skip
def test_impossible_q2_is_refused(q2_min: float, q2_max: float | None) -> None:
    with pytest.raises(InputError, match="--q2-m"):
        DISSetting(BEAMS, q2_min, q2_max)


def test_not_a_number_is_refused_as_q2() -> None:
    with pytest.raises(InputError, match="--q2-min"):
        DISSetting(BEAMS, float("nan"))


@pytest.mark.parametrize(("q2_min", "q2_max"), [(10_990.0, None), (25.0, 25.0000001)])
def test_cuts_that_leave_nothing_are_told(q2_min: float, q2_max: float | None) -> None:
    with pytest.raises(InputError, match="no phase space is left for these beams and cuts"):
        simulate_shard(DISSetting(BEAMS, q2_min, q2_max), 5, seed=1, shard=0)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(InputError, match="No:such = 1"):
        new_pythia(("No:such = 1",), 1)


def test_a_sample_flat_in_ln_q2_has_weights_that_undo_it() -> None:
    """Its weighted events have the cross-section, and the spectrum of Q2, of events that nothing biases."""
    beams = Beams.parse("10x100")
    flat, plain = (
        simulate_shard(DISSetting(beams, 1.0, level=Level.PRIMARY, flat_q2=biased), 4_000, seed=9, shard=0)
        for biased in (True, False)
    )
    Q2 = {name: dis_variables(four_momenta(e.electron), beams).Q2 for name, e in (("flat", flat), ("plain", plain))}
    assert np.median(np.abs(flat.weight * Q2["flat"] - 1)) < 1e-3
    assert np.array_equal(plain.weight, np.ones(4_000))
    assert (Q2["flat"] > 100).mean() > 5 * (Q2["plain"] > 100).mean()
    share = flat.weight[Q2["flat"] > 5].sum() / flat.weight.sum()
    assert share == pytest.approx((Q2["plain"] > 5).mean(), abs=0.035)
    assert flat.run.cross_section_pb == pytest.approx(plain.run.cross_section_pb, rel=0.05)
    assert flat.run.settings != plain.run.settings
