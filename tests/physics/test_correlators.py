"""Energy-energy correlators by their sum rules and on events made by hand."""

import numpy as np
import pytest

from cloudchamber.events import Beams, Events
from cloudchamber.physics.breit import breit_tetrad
from cloudchamber.physics.correlators import Weighted, breit_correlator, pair_correlator, transverse_correlator
from cloudchamber.physics.dis import beam_momenta, to_frame
from cloudchamber.physics.kinematics import Momenta

BEAMS = Beams(electron=10, hadron=275)


def hadrons(events: Events) -> tuple[Momenta, np.ndarray, Momenta]:
    """Hadrons, their offsets, and the electrons."""
    p = Momenta(*(events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass")))
    first = np.zeros(len(p.px), dtype=bool)
    first[events.offsets[:-1]] = True
    return p.take(~first), events.offsets - np.arange(len(events) + 1), p.take(first)


def total(found: Weighted, n: int) -> np.ndarray:
    return np.bincount(found.event, found.weight, minlength=n)


def test_weights_add_up_to_one_in_every_event(stable_events: Events) -> None:
    p, offsets, electron = hadrons(stable_events)
    axes = breit_tetrad(electron.four_vectors(), BEAMS)
    event = np.repeat(np.arange(len(stable_events)), np.diff(offsets))
    proton = to_frame(np.broadcast_to(beam_momenta(BEAMS).proton, axes[:, 0].shape), axes)
    breit = breit_correlator(to_frame(p.four_vectors(), axes[event]), offsets, proton)
    for found in (pair_correlator(p, offsets), transverse_correlator(p, offsets, electron.phi), breit):
        np.testing.assert_allclose(total(found, len(stable_events)), 1.0, rtol=1e-9)
        assert (found.weight >= 0).all()


def test_recoil_puts_the_weight_opposite_to_the_electron(stable_events: Events) -> None:
    p, offsets, electron = hadrons(stable_events)
    found = transverse_correlator(p, offsets, electron.phi)
    assert found.weight[found.values < -0.8].sum() > 5 * found.weight[found.values > 0.8].sum()


def test_three_particles_by_hand() -> None:
    pt, eta, phi = np.array([3.0, 1.0, 2.0]), np.array([0.0, 0.3, 0.0]), np.array([0.0, 0.4, 3.0])
    p = Momenta(pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), np.zeros(3))
    found = pair_correlator(p, np.array([0, 3]))
    np.testing.assert_allclose(found.values, [0.5, 3.0, np.hypot(0.3, 2.6)])
    np.testing.assert_allclose(found.weight, np.array([3.0, 6.0, 2.0]) / 11)
    transverse = transverse_correlator(p, np.array([0, 3]), np.array([np.pi]))
    np.testing.assert_allclose(transverse.values, np.cos(phi - np.pi))
    np.testing.assert_allclose(transverse.weight, pt / 6)


def test_events_with_one_particle_have_no_pairs() -> None:
    p = Momenta(np.ones(2), np.zeros(2), np.zeros(2), np.zeros(2))
    assert len(pair_correlator(p, np.array([0, 1, 1, 2])).values) == 0


def test_a_particle_along_the_proton_has_a_cosine_of_one() -> None:
    proton = np.array([[100.0, 0.0, 0.0, 100.0]])
    momenta = np.array([[5.0, 0.0, 0.0, 5.0], [2.0, 0.0, 0.0, -2.0]])
    found = breit_correlator(momenta, np.array([0, 2]), proton)
    np.testing.assert_allclose(found.values, [1.0, -1.0])
    assert found.weight == pytest.approx([0.0, 1.0])
