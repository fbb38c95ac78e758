"""Histograms per event: closed forms of densities and errors, and pulls that have unit width."""

import numpy as np
import pytest
from scipy.special import erf

from cloudchamber.evaluate.figures.histogram import Histogram, integer_edges, quantile_edges
from cloudchamber.evaluate.sample import Column

EDGES = np.array([0.0, 1.0, 3.0])


def jagged(counts: np.ndarray, values: np.ndarray, weight: np.ndarray | None = None) -> Column:
    weight = np.ones(len(counts)) if weight is None else weight
    return Column(values, np.concatenate([[0], np.cumsum(counts)]), weight)


def test_densities_are_per_event_and_width() -> None:
    found = Histogram.fill(jagged(np.array([2, 0, 2]), np.array([0.5, 2.0, 2.5, 9.0])), EDGES)
    np.testing.assert_allclose(found.density, [1 / 3, 2 / 3 / 2])
    np.testing.assert_array_equal(found.entries, [1, 2])


def test_one_value_per_event_has_the_binomial_error() -> None:
    values = np.concatenate([np.full(30, 0.5), np.full(70, 2.0)])
    found = Histogram.fill(Column.per_event(values, np.ones(100)), np.array([0.0, 1.0, 2.0]))
    np.testing.assert_allclose(found.density, [0.3, 0.7])
    np.testing.assert_allclose(found.error, np.sqrt(0.3 * 0.7 / 100))


def test_both_ways_of_counting_agree() -> None:
    rng = np.random.default_rng(1)
    values, weight = rng.uniform(0, 3, 500), rng.uniform(0.5, 2.0, 500)
    one = Histogram.fill(Column.per_event(values, weight), EDGES)
    other = Histogram.fill(Column.per_event(values, weight), EDGES, np.ones(500))
    for name in ("density", "error", "entries"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name))


def test_twins_do_not_make_the_error_smaller() -> None:
    """Every particle twice: the same shape, known no better, where counting particles would claim sqrt(2)."""
    rng = np.random.default_rng(2)
    counts, values = np.ones(400, dtype=int), rng.uniform(0, 3, 400)
    one = Histogram.fill(jagged(counts, values), EDGES)
    two = Histogram.fill(jagged(2 * counts, values.repeat(2)), EDGES)
    np.testing.assert_allclose(two.density, 2 * one.density)
    np.testing.assert_allclose(two.error / two.density, one.error / one.density)


def test_the_error_is_the_spread_of_repeated_samples() -> None:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(300):
        counts = rng.poisson(3.0, 200)
        shift = np.repeat(rng.uniform(0, 1, 200), counts)
        weight = rng.uniform(0.2, 1.8, 200)
        found.append(Histogram.fill(jagged(counts, shift + rng.uniform(0, 2, counts.sum()), weight), EDGES))
    spread = np.std([h.density for h in found], axis=0)
    np.testing.assert_allclose(np.mean([h.error for h in found], axis=0), spread, rtol=0.15)


def test_pulls_of_equal_samples_have_unit_width() -> None:
    rng, edges, pulls = np.random.default_rng(4), np.linspace(-3, 3, 25), []
    for _ in range(60):
        small, large = (Histogram.fill(Column.per_event(rng.normal(size=n), np.ones(n)), edges) for n in (1000, 4000))
        pulls.append(small.pulls(large, 10))
    values = np.concatenate(pulls)
    values = values[np.isfinite(values)]
    assert values.std() == pytest.approx(1.0, abs=0.07)
    assert values.mean() == pytest.approx(0.0, abs=0.1)


def test_shares_add_up() -> None:
    found = Histogram.fill(jagged(np.array([2, 1]), np.array([0.5, 2.0, 2.5])), EDGES, np.array([0.25, 0.75, 1.0]))
    np.testing.assert_allclose(found.density * np.diff(EDGES), [0.125, 0.875])


def test_values_that_are_not_numbers_are_nowhere() -> None:
    found = Histogram.fill(Column.per_event(np.array([np.nan, np.inf, -np.inf, 3.0]), np.ones(4)), EDGES)
    np.testing.assert_array_equal(found.entries, [0, 1])


def test_bins_hold_the_values() -> None:
    values = np.random.default_rng(5).normal(size=10_000)
    edges = quantile_edges(values, 20)
    assert ((values > edges[0]) & (values < edges[-1])).mean() == pytest.approx(0.999, abs=2e-4)
    assert integer_edges(np.array([0.0, 1.0, 4.0])).tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]
    assert len(quantile_edges(np.empty(0))) == 41


def flat(density: list[float], error: float) -> Histogram:
    bins = len(density)
    return Histogram(np.arange(bins + 1.0), np.array(density), np.full(bins, error), np.full(bins, 1e6), 1e6)


def test_the_model_is_as_uncertain_as_its_ensemble_is_wide() -> None:
    """Three members: variance 1 less 0.25 by statistics, and Student's factor for two degrees of freedom."""
    found = flat([1.0, 1.0], 0.5).with_members([flat([2.0, 1.0], 0.5), flat([3.0, 1.0], 0.5)])
    assert found.model is not None
    factor = 1.3213  # of Student's distribution with 2 degrees of freedom at the probability 0.8413
    np.testing.assert_allclose(found.model, [factor * np.sqrt(0.75), 0.0], rtol=1e-4)
    np.testing.assert_allclose(found.total_error, np.hypot(0.5, found.model))
    np.testing.assert_array_equal(flat([1.0], 0.5).total_error, [0.5])


@pytest.mark.parametrize(("members", "sigma"), [(3, 2.0), (5, 2.0), (5, 0.5), (9, 4.0)])
def test_the_band_covers_the_truth(members: int, sigma: float) -> None:
    """Models that scatter around the truth by sigma, with statistics of 1 each: 68 % of 4,000 bins are covered."""
    rng, bins = np.random.default_rng(members), 4000
    drawn = [flat(list(sigma * rng.normal(size=bins) + rng.normal(size=bins)), 1.0) for _ in range(members)]
    pulls = drawn[0].density / drawn[0].with_members(drawn[1:]).total_error
    assert abs(np.mean(np.abs(pulls) <= 1) - 0.683) < 0.05
    by_statistics = np.mean(np.abs(drawn[0].density) <= drawn[0].error)
    assert abs(by_statistics - erf(1 / np.sqrt(2 * (1 + sigma**2)))) < 5 * 0.5 / np.sqrt(bins)


@pytest.mark.parametrize("bias", [0.02, 0.1, 0.5])
def test_the_band_covers_an_error_that_all_members_share(bias: float) -> None:
    """Models that are wrong in the same way in 4,000 bins; all statistics are 0.1.

    The mean of five squares is uncertain, which covers less than 68 %; noise is never below zero, which covers more.
    """
    rng, bins = np.random.default_rng(round(100 * bias)), 4000
    shared = 1 + bias * rng.normal(size=bins)
    drawn = [flat(list(shared + 0.1 * rng.normal(size=bins)), 0.1) for _ in range(5)]
    training = flat(list(1 + 0.1 * rng.normal(size=bins)), 0.1)
    known, unknown = drawn[0].with_members(drawn[1:], training), drawn[0].with_members(drawn[1:])
    covered, bare = (np.mean(np.abs(h.density - 1) <= h.total_error) for h in (known, unknown))
    assert abs(covered - 0.683) < 0.1
    assert bare < covered
    assert bias < 0.5 or bare < 0.3


def test_members_that_follow_their_training_sample_share_no_error() -> None:
    rng = np.random.default_rng(3)
    training = flat(list(1 + 0.1 * rng.normal(size=1000)), 0.1)
    drawn = [flat(list(training.density + 0.05 * rng.normal(size=1000)), 0.05) for _ in range(4)]
    np.testing.assert_array_equal(
        drawn[0].with_members(drawn[1:], training).model, drawn[0].with_members(drawn[1:]).model
    )
