from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from cloudchamber.events import Events, RunInfo
from cloudchamber.formats import files
from cloudchamber.physics.conventions import Check, judge
from cloudchamber.physics.record import Record

BROKEN = 123
"""Number of the event that tests break."""


def failures(*records: Record) -> dict[str, Check]:
    return {check.name: check for check in judge(records) if not check.passed}


def with_column(events: Events, name: str, change: Callable[[np.ndarray], None]) -> Events:
    """The events with one column changed in place from the first particle of the event to break."""
    columns = {column: events.flat(column).copy() for column in events.columns}
    change(columns[name][events.offsets[BROKEN] : events.offsets[BROKEN + 1]])
    return Events.from_flat(events.counts, columns, events.weight, events.run)


def put(place: int, value: float) -> Callable[[np.ndarray], None]:
    def change(values: np.ndarray) -> None:
        values[place] = value

    return change


@pytest.fixture
def hepmc(stable_events: Events, tmp_path: Path) -> Record:
    with files.open_writer(tmp_path / "a.hepmc3", stable_events.run) as writer:
        writer.write(stable_events)
    (record,) = files.iterate_records(tmp_path / "a.hepmc3")
    return record


def test_pythia_passes(stable_events: Events, primary_events: Events, hepmc: Record) -> None:
    for record in (Record(stable_events), Record(primary_events), hepmc):
        assert not failures(record)
    asked = [{check.name for check in judge([record])} for record in (Record(primary_events), hepmc)]
    assert asked[0] - asked[1] == {"flavours"}
    assert asked[1] - asked[0] == {
        "units", "head-on frame", "primary vertex", "status", "mass shell", "undecayed hadrons"
    }  # fmt: skip


def test_pieces_give_the_same_verdict(stable_events: Events) -> None:
    broken = with_column(stable_events, "px", put(0, 50.0))
    pieces = [Record(broken[first : first + 70], first) for first in range(0, len(broken), 70)]
    assert judge(pieces) == judge([Record(broken)])


@pytest.mark.parametrize(
    ("column", "place", "value", "expected"),
    [
        ("px", 1, np.nan, {"finite", "four-momentum"}),
        ("px", 0, 3.0, {"four-momentum"}),
        ("mass", 0, 0.1, {"masses"}),
        ("pdg_id", 0, 13, {"scattered electron", "lepton numbers", "masses"}),
        ("pdg_id", 1, 99999, {"known species", "undecayed hadrons"}),
        ("pdg_id", 1, 21, {"known species"}),
        ("pdg_id", 1, 113, {"undecayed hadrons"}),
    ],
)
def test_a_broken_particle_is_found(
    column: str, place: int, value: float, expected: set[str], stable_events: Events
) -> None:
    found = failures(Record(with_column(stable_events, column, put(place, value))))
    assert expected <= set(found)
    assert {found[name].worst_event for name in expected} == {BROKEN}


def test_a_lost_particle_breaks_conservation(stable_events: Events, primary_events: Events) -> None:
    for events in (stable_events, primary_events):
        charged = ak.flatten(events.particles.pdg_id[BROKEN : BROKEN + 1])
        place = int(np.flatnonzero(np.isin(np.abs(ak.to_numpy(charged)), [211, 321, 213, 323]))[0])
        keep = np.ones(events.offsets[-1], dtype=bool)
        keep[events.offsets[BROKEN] + place] = False
        found = failures(Record(events.select(ak.unflatten(keep, events.counts))))
        assert {"charge", "four-momentum"} <= set(found)
        assert found["charge"].worst_event == BROKEN
    assert "flavours" in found


def test_an_impossible_electron_is_found(stable_events: Events) -> None:
    found = failures(Record(with_column(stable_events, "pz", put(0, -500.0))))
    assert found["scattered electron"].worst_event == BROKEN


def test_metadata_is_asked(stable_events: Events) -> None:
    found = failures(Record(stable_events.with_run(RunInfo())))
    assert set(found) == {"beams", "cross-section"}


def test_weights(stable_events: Events) -> None:
    weight = stable_events.weight.copy()
    weight[BROKEN] = np.inf
    found = failures(Record(replace(stable_events, weight=weight)))
    assert found["weights"].worst_event == BROKEN


@pytest.mark.parametrize(
    ("fact", "value", "name"),
    [
        ("standard_units", False, "units"),
        ("beam_count", 3, "beams"),
        ("beam_ids", [-11, 2212], "beams"),
        ("beam_ids", [11, 211], "beams"),
        ("joined_beams", False, "primary vertex"),
        ("status_faults", 1, "status"),
        ("cross_section_pb", np.nan, "cross-section"),
        ("beam_momenta", [[10.0, 0, 0, -10.0], [275.0, -6.9, 0, 274.9]], "head-on frame"),
    ],
)
def test_facts_of_a_record(fact: str, value: object, name: str, hepmc: Record) -> None:
    assert hepmc.facts is not None
    values = getattr(hepmc.facts, fact).copy()
    values[BROKEN] = value
    found = failures(replace(hepmc, facts=replace(hepmc.facts, **{fact: values})))
    assert found[name].worst_event == BROKEN


def test_energies_must_be_on_shell(hepmc: Record) -> None:
    assert hepmc.facts is not None
    energy = hepmc.facts.energy * (1 + 1e-8)
    assert set(failures(replace(hepmc, facts=replace(hepmc.facts, energy=energy)))) == {"mass shell"}


def test_tolerance_follows_the_generator(stable_events: Events) -> None:
    shift = with_column(stable_events, "px", lambda values: np.add(values, 2e-3 / len(values), out=values))
    assert not failures(Record(shift))
    ours = shift.with_run(shift.run.with_(generator="cloudchamber"))
    assert set(failures(Record(ours))) == {"four-momentum"}


def test_events_without_particles_fail(stable_events: Events) -> None:
    empty = stable_events.select(stable_events.particles.pz > 1e9)
    assert {"scattered electron", "four-momentum"} <= set(failures(Record(empty)))
