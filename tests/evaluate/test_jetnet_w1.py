"""W1 by JetNet's protocol: batches by hand, shifted Gaussians, and the line for azimuths."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from cloudchamber.evaluate.jetnet_w1 import jetnet_score, jetnet_w1
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.sample import Column


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(12)


def jagged(rng: np.random.Generator, n: int, shift: float = 0.0) -> Column:
    counts = rng.integers(0, 4, n)
    return Column(rng.normal(shift, 1.0, counts.sum()), np.concatenate([[0], np.cumsum(counts)]), np.ones(n))


def test_the_mean_is_that_of_batches_drawn_event_by_event(rng: np.random.Generator) -> None:
    a, b = jagged(rng, 200), jagged(rng, 300)

    def drawn(column: Column) -> np.ndarray:
        events = rng.choice(len(column), 400)
        return np.concatenate([column.values[column.offsets[e] : column.offsets[e + 1]] for e in events])

    by_hand = [wasserstein_distance(drawn(a), drawn(b)) for _ in range(60)]
    found = jetnet_w1(a, b, rng, batches=60, events=400)
    assert found.value == pytest.approx(np.mean(by_hand), abs=4 * np.std(by_hand) / np.sqrt(30))
    assert found.error == pytest.approx(np.std(by_hand), rel=0.4)


def test_shifted_gaussians_are_as_far_apart_as_the_shift(rng: np.random.Generator) -> None:
    found = jetnet_w1(jagged(rng, 20_000), jagged(rng, 20_000, 0.4), rng)
    assert found.value == pytest.approx(0.4, abs=0.03)


def test_azimuths_are_on_the_line() -> None:
    one, two = (Column.per_event(np.full(10, value), np.ones(10)) for value in (3.1, -3.1))
    found = jetnet_w1(one, two, np.random.default_rng(1))
    assert (found.value, found.error) == pytest.approx((6.2, 0.0))


def test_weighted_events_are_drawn_more_often(rng: np.random.Generator) -> None:
    a = Column.per_event(np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    b = Column.per_event(np.zeros(2), np.ones(2))
    assert jetnet_w1(a, b, rng).value == pytest.approx(0.75, abs=0.01)


def test_the_floor_needs_pairs_of_the_full_size(rng: np.random.Generator) -> None:
    reference, candidate = jagged(rng, 4000), jagged(rng, 500)
    score = jetnet_score(reference, candidate, Plan.make(500, 4000, 3))
    assert score is not None
    assert score.n_pairs == 3
    assert score.ratio == pytest.approx(1.0, abs=0.7)
    small = jetnet_score(reference[slice(0, 500)], candidate, Plan.make(500, 500, 3))
    assert small is not None
    assert small.floor is None
