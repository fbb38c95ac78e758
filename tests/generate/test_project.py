"""The projection: exact sums, masses untouched, nothing moved that needs no move, and a fallback that always works."""

from typing import NamedTuple

import awkward as ak
import numpy as np
import pytest
from numpy.typing import NDArray

from cloudchamber.events import Beams, Events
from cloudchamber.generate.project import Projected, project
from cloudchamber.physics.dis import dis_variables, hadronic_tetrad, to_frame
from cloudchamber.represent.cloud import four_momenta

BEAMS = Beams(electron=10, hadron=275)
Array = NDArray[np.float64]


class System(NamedTuple):
    """Hadrons in their frame."""

    momentum: Array
    mass: Array
    event: NDArray[np.int64]
    W: Array


@pytest.fixture(scope="module")
def simulated(primary_events: Events) -> System:
    scattered = four_momenta(primary_events.electron)
    event = np.repeat(np.arange(len(primary_events)), primary_events.counts - 1)
    flat = ak.flatten(primary_events.hadronic)
    momentum = to_frame(four_momenta(flat), hadronic_tetrad(scattered, BEAMS)[event])
    W = np.sqrt(dis_variables(scattered, BEAMS).W2)
    return System(momentum, ak.to_numpy(flat.mass).astype(np.float64), event, W)


@pytest.fixture(scope="module")
def smeared(simulated: System) -> System:
    """Momenta off by 20 %, as a poor model would leave them."""
    momentum = simulated.momentum.copy()
    momentum[:, 1:] *= np.random.default_rng(2).normal(1, 0.2, (len(momentum), 3))
    return simulated._replace(momentum=momentum)


def assert_exact(made: Projected, system: System) -> None:
    total = np.stack([np.bincount(system.event, made.momentum[:, k]) for k in range(4)], axis=-1)
    assert np.abs(total[:, 0] / system.W - 1).max() < 1e-12
    assert (np.abs(total[:, 1:]) / system.W[:, None]).max() < 1e-12
    shell = made.momentum[:, 0] ** 2 - (made.momentum[:, 1:] ** 2).sum(-1) - system.mass**2
    assert (np.abs(shell) / made.momentum[:, 0] ** 2).max() < 1e-12


def test_sums_are_exact_and_masses_untouched(smeared: System) -> None:
    made = project(*smeared)
    assert_exact(made, smeared)
    assert made.rescaled.mean() < 0.02


def test_conserved_events_stay_where_they_are(simulated: System) -> None:
    """Simulated momenta, exact to the rounding of float32, move by no more than that."""
    made = project(*simulated)
    moved = np.abs(made.momentum - simulated.momentum).max(1) / simulated.W[simulated.event]
    assert np.quantile(moved, 0.99) < 1e-6
    assert moved.max() < 1e-4  # a few events with photons that split into pairs are off in Pythia itself
    assert not made.rescaled.any()


def test_projecting_twice_changes_nothing(smeared: System) -> None:
    once = project(*smeared)
    twice = project(once.momentum, smeared.mass, smeared.event, smeared.W)
    kept = ~once.rescaled[smeared.event]
    np.testing.assert_allclose(twice.momentum[kept], once.momentum[kept], rtol=1e-9, atol=1e-10)


def test_small_errors_cause_small_moves(simulated: System) -> None:
    size = 1e-4
    factor = 1 + size * np.random.default_rng(3).normal(size=(len(simulated.momentum), 3))
    momentum = simulated.momentum.copy()
    momentum[:, 1:] *= factor
    made = project(*simulated._replace(momentum=momentum))
    moved = np.abs(made.momentum - momentum).max(1) / simulated.W[simulated.event]
    assert np.quantile(moved, 0.99) < 10 * size


def test_the_order_of_particles_does_not_matter(smeared: System) -> None:
    order = np.random.default_rng(4).permutation(len(smeared.event))
    shuffled = project(smeared.momentum[order], smeared.mass[order], smeared.event[order], smeared.W)
    np.testing.assert_allclose(shuffled.momentum, project(*smeared).momentum[order], rtol=1e-8, atol=1e-9)


def test_events_do_not_see_each_other(smeared: System) -> None:
    together = project(*smeared).momentum
    for number in (0, 7):
        rows = smeared.event == number
        W = smeared.W[number : number + 1]
        alone = project(smeared.momentum[rows], smeared.mass[rows], np.zeros(rows.sum(), np.int64), W)
        np.testing.assert_allclose(alone.momentum, together[rows], rtol=1e-8, atol=1e-9)


def test_turning_or_reflecting_commutes_with_projecting(smeared: System) -> None:
    c, s = np.cos(0.7), np.sin(0.7)
    turn = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, -1.0]])
    turned = project(*smeared._replace(momentum=smeared.momentum @ turn.T))
    kept = ~turned.rescaled[smeared.event]
    np.testing.assert_allclose(turned.momentum[kept], (project(*smeared).momentum @ turn.T)[kept], rtol=1e-8, atol=1e-8)


def test_where_rapidities_cannot_help_momenta_are_rescaled() -> None:
    """Particles side by side at rapidity 0 span no light-cone plane; a common factor is exact there too."""
    px = np.array([1.0, -1.0, 2.0, -2.0, 3.0, -3.0])
    momentum = np.stack([0 * px, px, 0 * px, 0 * px], axis=-1)
    system = System(momentum, np.full(6, 0.1), np.array([0, 0, 1, 1, 1, 1]), np.array([30.0, 7.0]))
    made = project(*system)
    assert made.rescaled.all()
    assert_exact(made, system)
    ratio = made.momentum[2:, 1] / px[2:]
    np.testing.assert_allclose(ratio, ratio[0])


def test_nearly_no_room_is_still_exact() -> None:
    """Masses that almost fill W leave particles almost at rest."""
    rng = np.random.default_rng(5)
    momentum = np.concatenate([np.zeros((4, 1)), rng.normal(size=(4, 3))], axis=1)
    system = System(momentum, np.array([1.0, 2.0, 0.5, 0.1]), np.zeros(4, np.int64), np.array([3.6 * (1 + 1e-6)]))
    made = project(*system)
    assert_exact(made, system)
    assert np.abs(made.momentum[:, 1:]).max() < 0.1
