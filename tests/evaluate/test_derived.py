"""What figures derive from whole events, by laws."""

import numpy as np
import pytest

from cloudchamber.evaluate.derived import BREIT_JET_PT, LAB_JET_PT, Derived
from cloudchamber.evaluate.sample import Sample
from cloudchamber.events import Beams, Events

BEAMS = Beams.parse("10x275")


@pytest.fixture(scope="module")
def derived(stable_events: Events) -> Derived:
    return Derived(Sample.of(stable_events, BEAMS, "it"))


def test_the_breit_frame_conserves_what_the_boson_brings(derived: Derived) -> None:
    """All hadrons together have the proton's momentum less Q along z, and nothing across."""
    total = np.stack([derived.hadrons.total(derived.breit[:, k]) for k in range(4)], axis=-1)
    Q2, x = derived.sample.dis.Q2, derived.sample.dis.x
    np.testing.assert_allclose(total[:, 1:3], 0.0, atol=5e-3)
    proton = np.sqrt(Q2) / (2 * x)
    np.testing.assert_allclose(total[:, 3], proton - np.sqrt(Q2), rtol=1e-3, atol=5e-3)
    mass2 = total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1)
    np.testing.assert_allclose(mass2, derived.sample.dis.W2, rtol=2e-3)


def test_x_p_counts_the_current_hemisphere(derived: Derived) -> None:
    x_p = derived.x_p
    assert len(x_p.values) == (derived.breit[:, 3] < 0).sum()
    assert (x_p.values > 0).all()
    assert np.quantile(x_p.values, 0.99) < 1.2
    assert len(x_p) == len(derived.sample)


def test_methods_agree_where_nothing_is_lost(derived: Derived) -> None:
    found = derived.inclusive
    np.testing.assert_allclose(found["DA"].Q2, found["Electron"].Q2, rtol=0.1)


@pytest.mark.parametrize("kind", ["EEC", "TEEC", "BEEC"])
def test_correlators_belong_to_their_events(kind: str, derived: Derived) -> None:
    column, share = derived.correlator(kind)
    event = np.repeat(np.arange(len(column)), column.counts)
    np.testing.assert_allclose(np.bincount(event, share, minlength=len(column)), 1.0, rtol=1e-9)


def test_jets_hold_the_recoil(derived: Derived) -> None:
    pytest.importorskip("fastjet", reason="needs fastjet, which the extra 'jets' installs")
    for found, lowest in ((derived.lab_jets, LAB_JET_PT), (derived.breit_jets, BREIT_JET_PT)):
        assert len(found.offsets) == len(derived.sample) + 1
        assert (found.pt >= lowest).all()
    counts = np.diff(derived.lab_jets.offsets)
    hard = derived.sample.electron.pt > 8
    assert (counts[hard] >= 1).mean() > 0.95
