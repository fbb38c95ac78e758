"""The rule of highest pT, against Pythia8's own record."""

import awkward as ak
import numpy as np

from cloudchamber.events import Beams, Events
from cloudchamber.physics.scattered import electron_first
from cloudchamber.simulate.pythia import DISSetting, simulate_shard


def test_the_scattered_electron_has_the_highest_pt_of_all_electrons() -> None:
    """In each of 4,000 events whose particles are reversed, so that the electron stands at the end."""
    events = simulate_shard(DISSetting(Beams(electron=10, hadron=275), 25.0), 4_000, seed=5, shard=0)
    found = electron_first(Events(events.particles[:, ::-1], events.weight, events.run))
    assert (ak.sum(events.particles.pdg_id == 11, axis=1) > 1).to_numpy().sum() > 100
    for name in ("px", "py", "pz"):
        np.testing.assert_array_equal(getattr(found.electron, name), getattr(events.electron, name))
    np.testing.assert_array_equal(found.counts, events.counts)
