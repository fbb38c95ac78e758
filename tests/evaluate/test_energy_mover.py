"""The energy mover's distance of events with known transport, and the match of two samples."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog

from cloudchamber.evaluate.energy_mover import Cloud, coverage_and_mmd, energy_movers_distance, match
from cloudchamber.evaluate.sample import Sample
from cloudchamber.events import Beams, Events


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(10)


def cloud(rng: np.random.Generator, number: int, pt: float | None = None) -> Cloud:
    sizes = rng.exponential(size=number) if pt is None else np.full(number, pt)
    return Cloud(sizes, rng.normal(0.0, 1.0, number), rng.uniform(-np.pi, np.pi, number))


def single(pt: float, eta: float, phi: float) -> Cloud:
    return Cloud(*(np.array([value]) for value in (pt, eta, phi)))


def test_single_particles_of_equal_pt_are_moved() -> None:
    assert energy_movers_distance(single(2.0, 0.0, 0.0), single(2.0, 0.3, -0.4)) == pytest.approx(2 * 0.5)
    assert energy_movers_distance(single(2.0, 0.0, 0.0), single(2.0, 0.3, -0.4), radius=0.5) == pytest.approx(2.0)


def test_the_difference_of_pt_is_added() -> None:
    assert energy_movers_distance(single(5.0, 0.0, 0.0), single(2.0, 0.3, 0.4)) == pytest.approx(2 * 0.5 + 3)
    assert energy_movers_distance(single(2.0, 9.0, 0.4), single(5.0, 0.0, 0.0)) == pytest.approx(
        2 * np.hypot(9.0, 0.4) + 3
    )


def test_azimuth_is_an_angle_unless_told_otherwise() -> None:
    one, two = single(1.0, 0.0, 3.1), single(1.0, 0.0, -3.1)
    assert energy_movers_distance(one, two) == pytest.approx(2 * np.pi - 6.2)
    assert energy_movers_distance(one, two, periodic=False) == pytest.approx(6.2)


def test_particles_of_equal_pt_are_assigned(rng: np.random.Generator) -> None:
    a, b = cloud(rng, 9, 0.7), cloud(rng, 9, 0.7)
    cost = np.hypot(a.eta[:, None] - b.eta, np.remainder(a.phi[:, None] - b.phi + np.pi, 2 * np.pi) - np.pi)
    assert energy_movers_distance(a, b) == pytest.approx(0.7 * cost[linear_sum_assignment(cost)].sum())


def test_unequal_events_agree_with_linear_programming(rng: np.random.Generator) -> None:
    a, b = cloud(rng, 5), cloud(rng, 7)
    cost = np.hypot(a.eta[:, None] - b.eta, np.remainder(a.phi[:, None] - b.phi + np.pi, 2 * np.pi) - np.pi)
    rows, columns = np.kron(np.eye(5), np.ones(7)), np.kron(np.ones(5), np.eye(7))
    moved = min(a.pt.sum(), b.pt.sum())
    plan = linprog(cost.ravel(), np.vstack([rows, columns]), np.concatenate([a.pt, b.pt]), np.ones((1, 35)), [moved])
    expected = plan.fun + abs(a.pt.sum() - b.pt.sum())
    assert energy_movers_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert energy_movers_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_the_order_of_particles_and_splitting_one_change_nothing(rng: np.random.Generator) -> None:
    a, b = cloud(rng, 6), cloud(rng, 8)
    order = rng.permutation(6)
    split = Cloud(*(np.append(values, values[0]) for values in a))
    split.pt[[0, -1]] /= 2
    expected = energy_movers_distance(a, b)
    assert energy_movers_distance(Cloud(*(values[order] for values in a)), b) == pytest.approx(expected)
    assert energy_movers_distance(split, b) == pytest.approx(expected)


def test_identical_samples_are_covered_at_no_distance(rng: np.random.Generator) -> None:
    events = [cloud(rng, 4) for _ in range(12)]
    found = match(events, events[::-1])
    assert found.coverage == 1.0
    np.testing.assert_allclose(found.nearest, 0.0, atol=1e-9)


def test_one_repeated_event_covers_one(rng: np.random.Generator) -> None:
    events = [cloud(rng, 4) for _ in range(10)]
    found = match(events, [events[3]] * 10)
    assert found.coverage == 0.1
    assert found.nearest[3] == pytest.approx(0.0, abs=1e-9)


def test_samples_of_simulated_events(stable_events: Events, rng: np.random.Generator) -> None:
    sample = Sample.of(stable_events, Beams.parse("10x275"), "it")
    one, two = sample[slice(0, 40)], sample[slice(40, 80)]
    coverage, distance = coverage_and_mmd(one, two, rng, n=15, batches=2)
    assert 0.3 < coverage.value < 0.9
    assert distance.value > 5 * distance.error > 0
    coverage, distance = coverage_and_mmd(one, one, rng, n=40, batches=1)
    assert (coverage.value, distance.value) == pytest.approx((1.0, 0.0), abs=1e-6)
