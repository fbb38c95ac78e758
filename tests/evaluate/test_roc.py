"""Areas under ROC curves, their errors and null distribution, and density ratios with a closed form."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from cloudchamber.evaluate.roc import LEVELS, Area, area_under_curve, known_p_value, weights_of


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def test_weights_and_ties_agree_with_scikit_learn(rng: np.random.Generator) -> None:
    score, truth, weight = rng.poisson(3.0, 500).astype(float), rng.uniform(size=500) < 0.4, rng.uniform(size=500)
    expected = roc_auc_score(truth, score, sample_weight=weight)
    assert area_under_curve(score, truth, weight).value == pytest.approx(expected)


def test_shifted_gaussians_have_the_known_area_and_error(rng: np.random.Generator) -> None:
    truth, found = np.arange(400) < 200, []
    for _ in range(300):
        found.append(area_under_curve(rng.normal(size=400) + 1.0 * truth, truth))
    areas = np.array([area.value for area in found])
    assert areas.mean() == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.005)
    assert np.mean([area.error for area in found]) == pytest.approx(areas.std(), rel=0.12)


def test_scores_that_know_nothing_have_the_stated_spread(rng: np.random.Generator) -> None:
    truth, weight = np.arange(300) < 100, rng.uniform(size=300)
    found = [area_under_curve(rng.normal(size=300), truth, weight) for _ in range(500)]
    assert found[0].null_spread == pytest.approx(np.std([area.value for area in found]), rel=0.12)
    p_values = np.array([known_p_value([area]) for area in found])
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.03)


def test_folds_are_combined_by_bonferroni() -> None:
    areas = [Area(0.5 + 0.02, 0.01, 0.01), Area(0.5, 0.01, 0.01)]
    assert known_p_value(areas) == pytest.approx(2 * norm.sf(2.0))


def test_density_ratios_of_gaussians_have_known_quantiles(rng: np.random.Generator) -> None:
    """For N(0, 1) against a candidate N(d, 1) the ratio is exp(d^2 / 2 - d x)."""
    d, n = 0.8, 200_000
    truth = np.arange(2 * n) < n
    x = rng.normal(size=2 * n) + d * truth
    found = weights_of(1 / (1 + np.exp(d**2 / 2 - d * x)), truth)
    z = norm.ppf(LEVELS)[1:-1]
    np.testing.assert_allclose(np.log(found.reference_quantiles[1:-1]), d**2 / 2 + d * z, atol=0.03)
    np.testing.assert_allclose(np.log(found.candidate_quantiles[1:-1]), -(d**2) / 2 + d * z, atol=0.03)
    assert found.candidate_histogram.sum() == pytest.approx(1.0)


def test_weights_are_repetitions(rng: np.random.Generator) -> None:
    p, truth, times = rng.uniform(size=90), rng.uniform(size=90) < 0.5, rng.integers(1, 4, 90)
    one = weights_of(p, truth, times.astype(float))
    two = weights_of(np.repeat(p, times), np.repeat(truth, times))
    np.testing.assert_allclose(one.reference_quantiles, two.reference_quantiles)
    np.testing.assert_allclose(one.candidate_histogram, two.candidate_histogram)
