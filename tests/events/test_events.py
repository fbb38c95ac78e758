import awkward as ak
import numpy as np
import pytest
from pydantic import ValidationError

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, RunInfo
from cloudchamber.events.schema import NAMED_BEAMS


def sample() -> Events:
    flat = {name: np.arange(5.0) for name in ("px", "py", "pz", "mass")}
    return Events.from_flat([2, 0, 3], {"pdg_id": np.array([11, 211, 11, 22, 22]), **flat}, [1.0, 2.0, 3.0])


def test_flat_columns_come_back() -> None:
    events = sample()
    assert len(events) == 3
    assert events.counts.tolist() == [2, 0, 3]
    assert events.offsets.tolist() == [0, 2, 2, 5]
    assert events.flat("px").tolist() == [0, 1, 2, 3, 4]
    assert np.allclose(events.flat("pt"), np.sqrt(2) * np.arange(5))


def test_slices_and_concatenation() -> None:
    events = sample()
    again = Events.concatenate([events[:1], events[1:2], events[2:]])
    assert ak.array_equal(again.particles, events.particles)
    assert again.weight.tolist() == events.weight.tolist()
    assert events[np.array([True, False, True])].counts.tolist() == [2, 3]


def test_selection_keeps_events() -> None:
    photons = sample().select(sample().particles.pdg_id == 22)
    assert photons.counts.tolist() == [0, 0, 2]


def test_events_without_particles_are_named() -> None:
    sample()[:1].require_particles()
    with pytest.raises(InputError, match="event 101 holds no particles"):
        sample().require_particles(100)


@pytest.mark.parametrize("counts", [[2, 0, 3], [0, 5, 0], [5, 0]])
def test_the_final_state_keeps_empty_events(counts: list[int]) -> None:
    flat = {name: np.arange(5.0) for name in ("px", "py", "pz", "mass")}
    ids, status = np.array([11, 211, 11, 22, 22]), np.array([1, 2, 1, 1, 2])
    final = Events.from_flat(counts, {"pdg_id": ids, "status": status, **flat}).final_state()
    owner = np.repeat(np.arange(len(counts)), counts)
    assert final.counts.tolist() == [int((status[owner == k] == 1).sum()) for k in range(len(counts))]
    assert final.flat("px").tolist() == [0, 2, 3]


def test_electron_and_hadrons() -> None:
    events = sample()[np.array([0, 2])]
    assert events.electron.pdg_id.to_list() == [11, 11]
    assert events.hadronic.pdg_id.to_list() == [[211], [22, 22]]


@pytest.mark.parametrize("name", NAMED_BEAMS)
def test_named_beams(name: str) -> None:
    assert Beams.parse(name).name == name


@pytest.mark.parametrize("name", ["", "10", "10x", "10x-3", "x275", "10x275x3", "0x275", "10x1e3", "18x0.5"])
def test_impossible_beams(name: str) -> None:
    with pytest.raises(InputError, match="beams"):
        Beams.parse(name)


def test_metadata_is_strict() -> None:
    run = RunInfo(beams=Beams.parse("5x41"), seed=3, cross_section_pb=1.5)
    assert RunInfo.model_validate_json(run.model_dump_json()) == run
    for bad in ({"cross_section_pb": -1}, {"seed": "x"}, {"unknown": 1}, {"cross_section_pb": float("nan")}):
        with pytest.raises(ValidationError):
            RunInfo.model_validate(bad)


def test_the_final_state_of_a_history_is_what_decays_without_history_leave(primary_events: Events) -> None:
    from cloudchamber.simulate.decay import Decayer

    with_history = Decayer().decay(primary_events[:100], seed=3, history=True).events
    without = Decayer().decay(primary_events[:100], seed=3).events
    final = with_history.final_state()
    assert final.columns == without.columns
    assert np.array_equal(final.counts, without.counts)
    assert all(np.array_equal(final.flat(name), without.flat(name)) for name in without.columns)
    assert without.final_state() is without
