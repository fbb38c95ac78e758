"""Scores of one quantity: floors and errors that are known beforehand."""

import numpy as np
import pytest

from cloudchamber.evaluate.distances import mean_difference, mean_per_event, wasserstein_score
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.sample import Column

N = 500


def gaussian(n: int, shift: float = 0.0, seed: int = 1) -> Column:
    rng = np.random.default_rng(seed)
    return Column.per_event(rng.normal(shift, 1.0, n), np.ones(n))


def clusters(n: int, size: int, seed: int) -> Column:
    """Events of `size` equal values each."""
    values = np.repeat(np.random.default_rng(seed).normal(size=n), size)
    return Column(values, np.arange(n + 1) * size, np.ones(n))


def test_the_same_distribution_has_a_ratio_near_one() -> None:
    score = wasserstein_score(gaussian(21 * N), gaussian(N, seed=2), Plan.make(N, 21 * N, 10))
    assert score is not None
    assert score.n_pairs == 10
    assert score.pair_size == N
    assert score.ratio == pytest.approx(1.0, abs=0.6)


def test_a_shift_is_measured_within_its_error() -> None:
    score = wasserstein_score(gaussian(21 * N), gaussian(N, 0.5, seed=2), Plan.make(N, 21 * N, 10))
    assert score is not None
    assert score.value == pytest.approx(0.5, abs=4 * score.error)
    assert score.error == pytest.approx(np.sqrt(2 / N), rel=0.6)
    assert score.p_value is not None
    assert score.p_value < 1e-4


def test_the_error_knows_that_particles_of_an_event_belong_together() -> None:
    plan = Plan.make(N, 2 * N, 10)
    shifted = Column(clusters(N, 20, 1).values + 1.0, clusters(N, 20, 1).offsets, np.ones(N))
    grouped = wasserstein_score(clusters(2 * N, 20, 2), shifted, plan, bootstraps=60)
    single = wasserstein_score(gaussian(2 * N), gaussian(N, 1.0, seed=3), plan, bootstraps=60)
    assert grouped is not None
    assert single is not None
    assert grouped.error == pytest.approx(single.error, rel=0.5)


def test_floors_of_smaller_pairs_are_brought_to_the_full_size() -> None:
    full = wasserstein_score(gaussian(40 * N), gaussian(N, seed=2), Plan.make(N, 40 * N, 20))
    small = wasserstein_score(gaussian(4 * N, seed=5), gaussian(N, seed=2), Plan.make(N, 4 * N, 20))
    assert full is not None
    assert small is not None
    assert small.pair_size == N // 10
    assert small.floor == pytest.approx(full.floor, rel=0.35)


def test_weights_undo_a_biased_selection() -> None:
    rng = np.random.default_rng(7)
    values = rng.uniform(size=40 * N)
    kept = values[rng.uniform(size=len(values)) < values]
    candidate = Column.per_event(kept, 1 / kept)
    reference = Column.per_event(rng.uniform(size=40 * N), np.ones(40 * N))
    plan = Plan.make(len(kept), 40 * N, 10)
    weighted = wasserstein_score(reference, candidate, plan)
    plain = wasserstein_score(reference, Column.per_event(kept, np.ones(len(kept))), plan)
    assert plain is not None
    assert plain.value == pytest.approx(1 / 6, abs=0.01)
    assert weighted is not None
    assert weighted.value < 0.02


def test_too_few_values_are_not_measured() -> None:
    empty = Column(np.zeros(3), np.concatenate([np.zeros(N), [0, 3]])[1:].astype(int), np.ones(N))
    assert wasserstein_score(gaussian(N), empty, Plan.make(N - 1, N, 10)) is None


def test_the_mean_per_event_sums_its_values() -> None:
    column = Column(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3]), np.array([1.0, 1.0, 2.0]))
    mean, error = mean_per_event(column)
    assert mean == pytest.approx((3 + 0 + 2 * 4) / 4)
    assert error == pytest.approx(np.sqrt((0.25**2) * 0.25**2 + (0.25 * 2.75) ** 2 + (0.5 * 1.25) ** 2))


def test_the_mean_difference_is_relative() -> None:
    reference = Column.per_event(np.full(N, 4.0), np.ones(N))
    score = mean_difference(reference, Column.per_event(np.full(N, 5.0), np.ones(N)), Plan.make(N, N, 10))
    assert score is not None
    assert score.value == pytest.approx(0.25)
    assert score.floor == 0
    nothing = Column.per_event(np.zeros(N), np.ones(N))
    assert mean_difference(nothing, reference, Plan.make(N, N, 10)) is None
