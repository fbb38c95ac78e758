"""The classifier test on Gaussians, where the best area under the curve is Phi(shift / sqrt 2)."""

import numpy as np
import pytest
from scipy.stats import norm

from cloudchamber.evaluate.classifier import FOLDS, TREES, classifier_score
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.tables import Table

N = 1500


@pytest.fixture(autouse=True)
def fewer_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TREES, "max_iter", 30)


def sample(n: int, shift: float = 0.0, seed: int = 1) -> Table:
    x = np.random.default_rng(seed).normal(size=(n, 3))
    x[:, 1] += shift
    return Table.of(x)


def test_equal_distributions_give_one_half() -> None:
    test = classifier_score(sample(9 * N), sample(N, seed=2), Plan.make(N, 9 * N, 4))
    assert test.score.value == pytest.approx(0.5, abs=0.03)
    assert test.score.floor == pytest.approx(0.5, abs=0.03)
    assert test.score.n_pairs == 4
    assert test.score.p_value is not None
    assert test.score.p_value > 0.01


def test_a_shift_gives_the_known_area_and_is_explained() -> None:
    told: list[float] = []
    plan = Plan.make(N, 6 * N, 3)
    test = classifier_score(sample(6 * N), sample(N, 1.0, 2), plan, progress=lambda _what, share: told.append(share))
    assert test.score.value == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.03)
    assert test.score.value > (test.score.floor or 1.0) + 0.2
    assert test.importance.argmax() == 1
    assert told[-1] == 1.0
    assert len(told) == 4 * FOLDS


def test_weights_that_undo_a_shift_hide_it() -> None:
    shifted = sample(2 * N, 0.5, 2)
    weighted = Table(shifted.x, np.exp(-0.5 * shifted.x[:, 1]))
    plan = Plan(slice(0, 2 * N), slice(0, 2 * N), ())
    area = classifier_score(sample(2 * N), weighted, plan).score.value
    assert area == pytest.approx(0.5, abs=0.03)
    assert classifier_score(sample(2 * N), shifted, plan).score.value > 0.6


def test_density_ratios_of_unseen_events_average_to_one_and_spread_with_the_shift() -> None:
    """In the limit w = exp(-d (x - d/2)), whose logarithm has the spread d for either sample."""
    plan = Plan(slice(0, 4 * N), slice(0, 4 * N), ())
    weights = classifier_score(sample(4 * N), sample(4 * N, 1.0, 2), plan).weights
    quartiles = np.log(weights.reference_quantiles[[3, 5]])
    assert quartiles[1] - quartiles[0] == pytest.approx(2 * 0.6745, rel=0.15)
    assert weights.reference_histogram.sum() == pytest.approx(1.0)
    centres = 10 ** np.linspace(-1.975, 1.975, 80)
    assert weights.candidate_histogram @ centres == pytest.approx(1.0, abs=0.1)
