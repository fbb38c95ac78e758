"""Z + jets: the definition of the events, the Z peak, and shards that are pure functions of their names."""

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Events, ProtonBeams
from cloudchamber.physics import jets as finder
from cloudchamber.physics.zjets import JET, MUON, PT_MIN, R_MIN, JetEvents, closest_pair, faults
from cloudchamber.simulate.zjets import ZJetsSetting, simulate_zjets


@pytest.fixture(scope="module")
def events() -> Events:
    return simulate_zjets(ZJetsSetting(), 200, seed=5, shard=0)


def test_every_event_obeys_the_definition(events: Events) -> None:
    assert len(events) == 200
    assert not faults(events).any()
    assert events.flat("px").dtype == np.float32
    for size in np.unique(events.counts):
        jets = JetEvents.of(events[events.counts == size])
        assert (jets.pt[:, 2:] > PT_MIN).all()
        assert (closest_pair(jets) > R_MIN).all()
    assert events.counts.min() == 3
    assert events.counts.max() <= 5
    assert events.run.protons == ProtonBeams(energy=6500.0)


def test_the_muons_are_those_of_the_z(events: Events) -> None:
    assert events.particles.pdg_id[:, :2].tolist() == [[MUON, -MUON]] * len(events)
    mass = np.asarray((events.particles[:, 0] + events.particles[:, 1]).mass)
    assert abs(np.median(mass) - 91.2) < 0.5
    assert np.mean(np.abs(mass - 91.19) < 5) > 0.8


def test_the_jets_balance_the_z_where_there_is_one(events: Events) -> None:
    """The recoil of one hard jet is the Z's, up to soft particles outside of jets."""
    one = events[events.counts == 3]
    z = one.particles[:, 0] + one.particles[:, 1]
    turn = np.abs(np.asarray(z.deltaphi(one.particles[:, 2])))
    assert np.mean(turn > np.pi / 2) > 0.95


def test_a_longer_shard_begins_with_a_shorter_one(events: Events) -> None:
    again = simulate_zjets(ZJetsSetting(), 60, seed=5, shard=0)
    assert np.array_equal(again.flat("px"), events[:60].flat("px"))
    other = simulate_zjets(ZJetsSetting(), 60, seed=5, shard=1)
    assert not np.array_equal(other.flat("px")[:180], again.flat("px")[:180])


def test_a_multiplicity_is_a_part_of_the_whole(events: Events) -> None:
    two = simulate_zjets(ZJetsSetting(jets=2), 30, seed=5, shard=0)
    assert set(two.counts) == {4}
    assert np.array_equal(two.flat("py"), events[events.counts == 4][:30].flat("py"))
    whole, part = events.run.cross_section_pb, two.run.cross_section_pb
    assert whole is not None
    assert part is not None
    error = two.run.cross_section_error_pb
    assert error is not None
    assert abs(part / whole - np.mean(events.counts == 4)) < 5 * error / whole


def test_batches_without_an_event_that_passes_are_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudchamber.simulate.zjets._CHUNK", 4)
    three = simulate_zjets(ZJetsSetting(jets=3), 1, seed=5, shard=0)
    assert three.counts.tolist() == [5]


@pytest.mark.parametrize(("options", "words"), [({"energy": 10.0}, "--energy 10"), ({"jets": 4}, "--jets 4")])
def test_impossible_numbers_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ZJetsSetting(**options)  # type: ignore[arg-type]


def test_missing_fastjet_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "has_fastjet", lambda: False)
    with pytest.raises(InputError, match=r"pip install '\.\[jets\]'"):
        ZJetsSetting()


def test_faults_are_found() -> None:
    def event(*particles: tuple[int, float, float, float]) -> Events:
        kinds, pt, eta, phi = (np.array(column) for column in zip(*particles, strict=True))
        columns = {"pdg_id": kinds, "px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta),
                   "mass": np.zeros(len(pt))}  # fmt: skip
        return Events.from_flat([len(pt)], columns)

    muons = ((MUON, 5.0, 0.0, 0.0), (-MUON, 5.0, 1.0, 2.0))
    good = event(*muons, (JET, 40.0, 0.0, 0.0), (JET, 30.0, 0.5, 0.0))
    assert faults(good) == [0.0]
    for bad in (
        event(*muons),
        event(muons[1], muons[0], (JET, 40.0, 0.0, 0.0)),
        event(*muons, (JET, 19.0, 0.0, 0.0)),
        event(*muons, (JET, 30.0, 0.0, 0.0), (JET, 40.0, 0.5, 0.0)),
        event(*muons, (JET, 40.0, 0.0, 3.1), (JET, 30.0, 0.2, -3.1)),
    ):
        assert faults(bad) == [1.0]
