"""The classifier test on Gaussians, where the best area under the curve is Phi(shift / sqrt 2)."""

import numpy as np
import pytest
from scipy.stats import norm

from cloudchamber.evaluate.classifier import FOLDS, TREES, classifier_score
from cloudchamber.evaluate.pairs import Plan

N = 1500


@pytest.fixture(autouse=True)
def fewer_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TREES, "max_iter", 30)


def sample(n: int, shift: float = 0.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).normal(size=(n, 3))
    x[:, 1] += shift
    return x, np.ones(n)


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
    test = classifier_score(sample(6 * N), sample(N, 1.0, 2), plan, lambda _what, share: told.append(share))
    assert test.score.value == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.03)
    assert test.score.value > (test.score.floor or 1.0) + 0.2
    assert test.importance.argmax() == 1
    assert told[-1] == 1.0
    assert len(told) == 4 * FOLDS


def test_weights_that_undo_a_shift_hide_it() -> None:
    x, _ = sample(2 * N, 0.5, 2)
    weight = np.exp(-0.5 * x[:, 1])
    plan = Plan(slice(0, 2 * N), slice(0, 2 * N), ())
    area = classifier_score(sample(2 * N), (x, weight), plan).score.value
    assert area == pytest.approx(0.5, abs=0.03)
    assert classifier_score(sample(2 * N), (x, np.ones(2 * N)), plan).score.value > 0.6
