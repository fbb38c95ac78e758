"""The Frechet physics distance of Gaussians, where it is known exactly."""

import numpy as np
import pytest

from cloudchamber.evaluate.frechet import frechet_distance, frechet_physics_distance, gaussian_moments
from cloudchamber.evaluate.tables import Table

N = 20_000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(6)


def test_commuting_covariances_have_a_closed_form(rng: np.random.Generator) -> None:
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    one, two = rng.uniform(0.1, 2.0, 4), rng.uniform(0.1, 2.0, 4)
    shift = rng.normal(size=4)
    distance = frechet_distance(
        (np.zeros(4), (rotation * one**2) @ rotation.T), (shift, (rotation * two**2) @ rotation.T)
    )
    assert distance == pytest.approx((shift**2).sum() + ((one - two) ** 2).sum())


def test_singular_covariances_are_allowed() -> None:
    one = np.ones((3, 3))
    assert frechet_distance((np.zeros(3), one), (np.zeros(3), one)) == pytest.approx(0.0, abs=1e-6)


def test_weighted_moments_are_those_of_repeated_events(rng: np.random.Generator) -> None:
    x, times = rng.normal(size=(50, 3)), rng.integers(1, 5, 50)
    weighted = gaussian_moments(Table(x, times.astype(float)))
    repeated = gaussian_moments(Table.of(np.repeat(x, times, axis=0)))
    for a, b in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_shifted_and_widened_gaussians_are_as_far_apart_as_theory_says(rng: np.random.Generator) -> None:
    spread, shift = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0])
    reference = Table.of(rng.normal(0, spread, (N, 3)))
    candidate = Table.of(rng.normal(shift, 1.5 * spread, (N, 3)))
    largest = np.abs(reference.x).max(axis=0)
    expected = ((shift / largest) ** 2).sum() + ((0.5 * spread / largest) ** 2).sum()
    found = frechet_physics_distance(reference, candidate, rng)[0]
    assert found.value == pytest.approx(expected, rel=0.04)
    assert 0 < found.error < 0.02 * expected


def test_the_extrapolation_removes_the_bias_of_the_draws(rng: np.random.Generator) -> None:
    """The limit of large draws with replacement is the distance of the samples themselves."""
    reference, candidate = (Table.of(rng.normal(size=(N, 5))) for _ in range(2))
    largest = np.abs(reference.x).max(axis=0)
    samples = [gaussian_moments(Table.of(table.x / largest)) for table in (reference, candidate)]
    found = frechet_physics_distance(reference, candidate, rng)[0]
    assert found.value == pytest.approx(frechet_distance(*samples), abs=5 * found.error)


def test_an_observable_that_a_small_reference_has_not_is_counted_as_it_is(rng: np.random.Generator) -> None:
    """A rare particle: zero in all reference events, so its difference is not scaled."""
    x, y = rng.normal(size=(2000, 2)), rng.normal(size=(2000, 2))
    x[:, 1], y[:, 1] = 0.0, 3.0
    (found,) = frechet_physics_distance(Table.of(x), Table.of(y), rng)
    assert found.value == pytest.approx(9.0, abs=0.05)
