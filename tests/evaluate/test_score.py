"""Floors, ratios, p-values and the plan of truth-truth pairs."""

import numpy as np
import pytest

from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.score import Score, prediction_p_value


def test_a_prediction_p_value_is_uniform_for_gaussian_draws() -> None:
    draws = np.random.default_rng(1).normal(3.0, 2.0, (1500, 11))
    p_values = np.sort([prediction_p_value(row[0], row[1:]) for row in draws])
    np.testing.assert_allclose(p_values, np.linspace(0, 1, len(p_values)), atol=0.04)


@pytest.mark.parametrize("pairs", [[], [1.0, 2.0], [1.0, 1.0, 1.0, 1.0]])
def test_without_a_spread_there_is_no_p_value(pairs: list[float]) -> None:
    assert prediction_p_value(5.0, np.array(pairs)) is None


def test_without_pairs_there_is_no_floor() -> None:
    score = Score(1.0, 0.1, 10, np.array([]), 0)
    assert (score.floor, score.floor_spread, score.ratio, score.p_value) == (None, None, None, None)


@pytest.mark.parametrize(
    ("candidate", "reference", "pairs", "size"),
    [
        (1000, 60_000, 10, 1000),
        (1000, 21_000, 10, 1000),
        (1000, 9_000, 4, 1000),
        (1000, 6_000, 3, 1000),
        (1000, 5_000, 10, 250),
        (5000, 1_000, 10, 50),
    ],
)
def test_pairs_are_disjoint_and_as_large_as_the_reference_allows(
    candidate: int, reference: int, pairs: int, size: int
) -> None:
    plan = Plan.make(candidate, reference, 10)
    assert (len(plan.pairs), plan.pair_size) == (pairs, size)
    events = np.concatenate([np.arange(reference)[block] for pair in plan.pairs for block in pair])
    assert len(events) == len(set(events.tolist())) == 2 * pairs * size
    assert plan.reference.stop == min(candidate, reference)
    if reference >= 21 * candidate:
        assert events.min() >= plan.reference.stop


def test_the_scale_brings_small_pairs_to_the_compared_size() -> None:
    assert Plan.make(1000, 60_000, 10).scale == 1.0
    assert Plan.make(1000, 2000, 10).scale == pytest.approx(np.sqrt(100 / 1000))
