"""Wasserstein distances against scipy, closed forms and brute force."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from cloudchamber.evaluate.wasserstein import circular_wasserstein, wasserstein


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize(("size_a", "size_b"), [(1, 1), (7, 30), (500, 500)])
def test_the_line_agrees_with_scipy(size_a: int, size_b: int, rng: np.random.Generator) -> None:
    a, b = rng.normal(size=size_a), rng.exponential(size=size_b)
    assert wasserstein(a, b) == pytest.approx(wasserstein_distance(a, b), rel=1e-12)


def test_weights_agree_with_scipy(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=200), rng.normal(size=300)
    wa, wb = rng.uniform(size=200), rng.uniform(size=300)
    assert wasserstein(a, b, wa, wb) == pytest.approx(wasserstein_distance(a, b, wa, wb), rel=1e-12)


def test_ties_agree_with_scipy(rng: np.random.Generator) -> None:
    a, b = rng.poisson(2.0, 400).astype(float), rng.poisson(2.5, 300).astype(float)
    assert wasserstein(a, b) == pytest.approx(wasserstein_distance(a, b), rel=1e-12)


def test_shifted_gaussians_are_as_far_apart_as_the_shift(rng: np.random.Generator) -> None:
    a = rng.normal(size=100_000)
    assert wasserstein(a, rng.normal(size=100_000) + 0.3) == pytest.approx(0.3, abs=0.015)
    assert wasserstein(a, a + 0.3) == pytest.approx(0.3, rel=1e-12)


def test_scaled_gaussians_differ_by_the_mean_size_of_the_change(rng: np.random.Generator) -> None:
    a = rng.normal(size=1000)
    assert wasserstein(a, 1.1 * a) == pytest.approx(0.1 * np.abs(a).mean(), rel=1e-9)


def brute_force(a: np.ndarray, b: np.ndarray) -> float:
    """The best of all one-to-one transports, each along the shorter arc."""
    cost = np.abs(np.remainder(a[:, None] - b + np.pi, 2 * np.pi) - np.pi)
    return float(cost[linear_sum_assignment(cost)].mean())


@pytest.mark.parametrize("spread", [0.3, 2.0, 20.0])
def test_the_circle_agrees_with_optimal_transport(spread: float, rng: np.random.Generator) -> None:
    for size in (1, 2, 5, 60):
        a, b = rng.normal(3.0, spread, size), rng.normal(-2.5, 1.0, size)
        assert circular_wasserstein(a, b) == pytest.approx(brute_force(a, b), rel=1e-9, abs=1e-12)


def test_whole_weights_on_the_circle_are_repetitions(rng: np.random.Generator) -> None:
    a, b, counts = rng.uniform(0, 7, 40), rng.uniform(0, 7, 30), rng.integers(1, 4, 40)
    repeated = circular_wasserstein(np.repeat(a, counts), b)
    assert circular_wasserstein(a, b, counts.astype(float)) == pytest.approx(repeated, rel=1e-9)


def test_the_circle_has_no_seam(rng: np.random.Generator) -> None:
    a, b = rng.vonmises(0, 2, 300), rng.vonmises(0.4, 2, 200)
    turned = circular_wasserstein(a + 2.9, b + 2.9)
    assert turned == pytest.approx(circular_wasserstein(a, b), rel=1e-9)
    narrow = rng.vonmises(3.0, 80, 300)
    assert circular_wasserstein(narrow, narrow + 0.5) == pytest.approx(0.5, rel=1e-9)
