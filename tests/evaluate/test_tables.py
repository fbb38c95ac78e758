"""Weighted rows, and floors of tests that are known beforehand."""

import numpy as np
import pytest

from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.tables import Measured, Statistic, Table, effective_size, scores, standard, take_weighted


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_rows_are_drawn_in_proportion_to_their_weights(rng: np.random.Generator) -> None:
    table = Table(np.arange(4.0)[:, None], np.array([0.0, 1.0, 2.0, 5.0]))
    shares = np.bincount(table.drawn(40_000, rng)[:, 0].astype(int), minlength=4) / 40_000
    np.testing.assert_allclose(shares, [0, 1 / 8, 2 / 8, 5 / 8], atol=0.01)


def test_few_of_many_different_rows_are_taken_in_proportion_to_their_weights(rng: np.random.Generator) -> None:
    weight = np.tile([0.0, 1.0, 3.0], 20_000)
    rows = take_weighted(weight, 3000, rng)
    assert len(set(rows.tolist())) == 3000
    shares = np.bincount(rows % 3, minlength=3) / 3000
    np.testing.assert_allclose(shares, [0, 1 / 4, 3 / 4], atol=0.03)


def test_equal_weights_count_fully_and_no_row_is_taken_twice(rng: np.random.Generator) -> None:
    assert effective_size(np.full(50, 0.2)) == pytest.approx(50)
    assert sorted(take_weighted(np.ones(50), 80, rng).tolist()) == list(range(50))


def test_standard_columns_have_weighted_mean_0_and_spread_1(rng: np.random.Generator) -> None:
    x = rng.normal(3.0, 2.0, (500, 3))
    x[:, 1] = 7.0
    table = Table(x, rng.uniform(size=500))
    result = standard(table).of(table)
    assert result.x.shape == (500, 2)
    np.testing.assert_allclose(table.share @ result.x, 0.0, atol=1e-12)
    np.testing.assert_allclose(table.share @ result.x**2, 1.0, rtol=1e-12)


def mean_gap(reference: Table, candidate: Table, _rng: np.random.Generator) -> list[Measured]:
    return [Measured(float(candidate.x.mean() - reference.x.mean()), 0.1)]


def test_every_truth_truth_pair_is_measured_and_brought_to_the_full_size() -> None:
    reference, candidate = Table.of(np.arange(400.0)[:, None]), Table.of(np.full((100, 1), 500.0))
    told: list[float] = []
    full = scores(mean_gap, [Statistic("gap", "")], (reference, candidate), Plan.make(100, 400, 1),
                  progress=lambda _what, share: told.append(share))[0]  # fmt: skip
    assert full.value == 500 - 49.5
    plan = Plan.make(100, 400, 4)
    small = scores(mean_gap, [Statistic("gap", "", power=1.0, centre=10.0)], (reference, candidate), plan)[0]
    assert plan.pair_size == 50
    np.testing.assert_allclose(small.pairs, 10 + (50 - 10) * 50 / 100)
    assert small.scale == pytest.approx(0.5)
    assert told[-1] == 1.0


def test_the_result_does_not_depend_on_the_order_of_the_work() -> None:
    def noise(_a: Table, _b: Table, rng: np.random.Generator) -> list[Measured]:
        return [Measured(float(rng.normal()), 0.0)]

    table = Table.of(np.zeros((400, 1)))
    one, two = (scores(noise, [Statistic("x", "")], (table, table), Plan.make(40, 400, 4))[0] for _ in range(2))
    np.testing.assert_array_equal(one.pairs, two.pairs)
    assert len(set(one.pairs.tolist())) == 4
