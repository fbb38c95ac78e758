"""The selection of arXiv:2410.22421."""

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.physics.acceptance import Acceptance, accepted
from cloudchamber.physics.kinematics import Momenta

PAPER = Acceptance.named("paper")


def eta(events: Events) -> np.ndarray:
    return Momenta(*(events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass"))).eta


def test_what_is_kept_is_inside_and_of_the_species(stable_events: Events) -> None:
    kept = PAPER.apply(stable_events)
    electron = np.zeros(len(kept.flat("px")), dtype=bool)
    electron[kept.offsets[:-1]] = True
    assert (np.abs(eta(kept)) < 5)[~electron].all()
    assert set(np.abs(kept.flat("pdg_id"))) <= set(PAPER.species)


def test_nothing_else_is_lost(stable_events: Events) -> None:
    wanted = (np.abs(eta(stable_events)) < 5) & np.isin(np.abs(stable_events.flat("pdg_id")), PAPER.species)
    wanted[stable_events.offsets[:-1]] = True
    kept = PAPER.apply(stable_events)
    np.testing.assert_array_equal(kept.flat("px"), stable_events.flat("px")[wanted])
    assert 0.5 < wanted.mean() < 0.9


def test_the_scattered_electron_stays_wherever_it_goes() -> None:
    columns = {"pdg_id": np.array([11, 211, 310, 130]), "px": np.array([0.001, 0.001, 1.0, 1.0]),
               "py": np.zeros(4), "pz": np.array([-20.0, 20.0, 0.0, 0.0]), "mass": np.zeros(4)}  # fmt: skip
    assert PAPER.apply(Events.from_flat([4], columns)).flat("pdg_id").tolist() == [11, 130]


def test_an_event_without_particles_is_refused(stable_events: Events) -> None:
    columns = {name: stable_events.flat(name)[:0] for name in stable_events.columns}
    empty = Events.from_flat([0], columns, [1.0], stable_events.run)
    with pytest.raises(InputError, match="event 2 holds no particles"):
        PAPER.apply(Events.concatenate([stable_events[:2], empty]))


def test_without_a_selection_nothing_changes(stable_events: Events) -> None:
    assert accepted(stable_events, None) is stable_events


def test_an_unknown_selection_is_refused() -> None:
    with pytest.raises(InputError, match="choose one of paper"):
        Acceptance.named("newspaper")
