import numpy as np
import pytest

from cloudchamber.events import Beams, Events, Level, RunInfo
from cloudchamber.physics.conservation import initial_state, residuals, sum_per_event

BEAMS = Beams(electron=10, hadron=275)


def sample(pdg_id: list[int], **history: list[int]) -> Events:
    """Elastic ep, then anything more at rest and massless, in one event."""
    n = len(pdg_id)
    start = initial_state(BEAMS).momentum
    pz = np.zeros(n)
    pz[:2] = [-np.sqrt(10**2 - 0.000511**2), start[3] + np.sqrt(10**2 - 0.000511**2)]
    mass = np.zeros(n)
    mass[:2] = [0.000511, 0.93827]
    flat = {"pdg_id": np.array(pdg_id), "px": np.zeros(n), "py": np.zeros(n), "pz": pz, "mass": mass}
    return Events.from_flat([n], flat | {name: np.array(values) for name, values in history.items()})


def test_elastic_scattering_conserves_everything() -> None:
    found = residuals(sample([11, 2212]).with_run(RunInfo(level=Level.PRIMARY)), BEAMS)
    assert np.abs(found.momentum).max() < 1e-12
    assert found.flavours is not None
    for numbers in (found.charge3, found.baryon, found.leptons, found.flavours):
        assert not numbers.any()


@pytest.mark.parametrize(
    ("extra", "charge3", "baryon", "leptons"),
    [(211, 3, 0, (0, 0, 0)), (-2112, 0, -1, (0, 0, 0)), (13, -3, 0, (0, 1, 0)), (-12, 0, 0, (-1, 0, 0))],
)
def test_an_extra_particle_shows(extra: int, charge3: int, baryon: int, leptons: tuple[int, ...]) -> None:
    found = residuals(sample([11, 2212, extra]), BEAMS)
    assert found.charge3.tolist() == [charge3]
    assert found.baryon.tolist() == [baryon]
    assert found.leptons.tolist() == [list(leptons)]
    assert found.flavours is None


def test_decayed_particles_count_for_flavours_only() -> None:
    found = residuals(sample([11, 2212, 333, 130, 310], status=[1, 1, 2, 1, 1], mother=[-1, -1, -1, 2, 2]), BEAMS)
    assert found.flavours is not None
    assert not found.flavours.any()
    assert np.abs(found.momentum).max() < 1e-12
    strange = residuals(sample([11, 2212, 321, 211], status=[1, 1, 2, 1], mother=[-1, -1, -1, 2]), BEAMS)
    assert strange.flavours is not None
    assert strange.flavours.tolist() == [[0, 1, -1, 0, 0]]


def test_pythia_conserves(stable_events: Events, primary_events: Events) -> None:
    for events in (stable_events, primary_events):
        found = residuals(events, BEAMS)
        assert np.abs(found.momentum).max() < 1e-6 * 285
        assert not np.concatenate([found.charge3, found.baryon, found.leptons.ravel()]).any()
    assert found.flavours is not None
    assert not found.flavours.any()


def test_sums_skip_empty_events() -> None:
    flat = {name: np.ones(3) for name in ("px", "py", "pz", "mass")} | {"pdg_id": np.full(3, 22)}
    events = Events.from_flat([0, 2, 0, 1, 0], flat)
    assert sum_per_event(events, np.array([[1], [2], [4]])).ravel().tolist() == [0, 3, 0, 4, 0]
