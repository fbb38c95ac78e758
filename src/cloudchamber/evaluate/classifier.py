"""Classifier two-sample test: can gradient-boosted trees tell candidate from reference events?

Trees are trained on the event observables of four fifths of both samples, balanced, and judge the last fifth,
in turn. The area under the ROC curve is 0.5 where nothing can be told and 1 where everything can; the mean
over the five folds is the value and their standard deviation over sqrt(5) its error. The floor is the same
test on truth-truth pairs. The trees' density ratios of all events, each judged by trees that did not see it, are kept
as a distribution (`roc`).

Every fit runs on one thread, and as many fits at a time as there are cores: small fits share cores badly.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.progress import Progress, silent
from cloudchamber.evaluate.roc import WeightDistribution, area_under_curve, weights_of
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.tables import Table

__all__ = ["FOLDS", "TREES", "ClassifierTest", "classifier_score"]

Array = NDArray[np.float64]

FOLDS = 5
TREES: dict[str, Any] = {
    "max_iter": 100, "max_leaf_nodes": 16, "max_bins": 127, "learning_rate": 0.1, "min_samples_leaf": 50,
}  # fmt: skip
"""Settings of scikit-learn's HistGradientBoostingClassifier."""
_IMPORTANCE_ROWS = 2_000


@dataclass(frozen=True)
class ClassifierTest:
    """Result of the classifier test.

    Attributes:
        score: area under the ROC curve with error and floor.
        importance: loss of area in one fold when an observable is shuffled, shape (number of observables,).
        weights: distribution of the density ratios of the events that are compared.
    """

    score: Score
    importance: Array
    weights: WeightDistribution


class _Fold(NamedTuple):
    """One fit: the events of two blocks, `y` true for the first, and which rows to train on and to judge."""

    x: Array
    y: NDArray[np.bool_]
    weight: Array | None
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    explain: bool


class _Judged(NamedTuple):
    area: float
    probability: Array
    """Of being the candidate's, for the events of the fold that are judged."""
    importance: Array | None


def classifier_score(
    reference: Table, candidate: Table, plan: Plan, *, pairs: int | None = None, progress: Progress = silent
) -> ClassifierTest:
    """Area under the ROC curve of candidate against reference, with its floor.

    Args:
        reference: observables of all reference events, shape (N, d).
        candidate: observables of the candidate's events, shape (n, d).
        plan: which events to compare.
        pairs: use at most this many truth-truth pairs.
        progress: told of every fit.
    """
    compared = candidate[plan.candidate], reference[plan.reference]
    tests = [compared, *((reference[one], reference[two]) for one, two in plan.pairs[:pairs])]
    prepared = _folds(*compared, explain=True)
    folds = chain(prepared, (fold for pair in tests[1:] for fold in _folds(*pair, explain=False)))
    judged: list[_Judged] = []
    with _no_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(_judge, folds):
            judged.append(result)
            progress("classifier test", len(judged) / (FOLDS * len(tests)))
    areas = np.array([result.area for result in judged]).reshape(-1, FOLDS)
    draws = 0.5 + plan.scale * (areas[1:].mean(axis=1) - 0.5)
    score = Score(float(areas[0].mean()), float(areas[0].std(ddof=1) / np.sqrt(FOLDS)), len(compared[0]), draws,
                  plan.pair_size, plan.scale)  # fmt: skip
    importance = np.mean([r.importance for r in judged if r.importance is not None], axis=0)
    return ClassifierTest(score, importance, _weights(prepared, judged))


def _weights(folds: Sequence[_Fold], judged: Sequence[_Judged]) -> WeightDistribution:
    """Distribution of the density ratios of the events in these folds, each judged once."""
    parts = list(zip(folds, judged, strict=False))
    rows = np.concatenate([fold.test for fold, _ in parts])
    probability = np.concatenate([result.probability for _, result in parts])
    return weights_of(probability, folds[0].y[rows], _rows(folds[0].weight, rows))


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Shield the warning filters, which scikit-learn changes for the whole process inside each fit."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        yield


def _folds(a: Table, b: Table, *, explain: bool) -> list[_Fold]:
    from sklearn.model_selection import StratifiedKFold

    x = np.concatenate([a.x, b.x])
    y = np.arange(len(x)) < len(a.x)
    weight = _balanced(a.weight, b.weight)
    splits = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, y)
    return [_Fold(x, y, weight, train, test, explain and k == 0) for k, (train, test) in enumerate(splits)]


def _balanced(a: Array, b: Array) -> Array | None:
    """Weights with equal sums for both samples; None where all are equal, which makes fits ten times faster."""
    weight = np.concatenate([a / a.sum(), b / b.sum()]) * (len(a) + len(b)) / 2
    return None if np.ptp(weight) < 1e-9 else weight


def _judge(fold: _Fold) -> _Judged:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    x, y, weight, train, test, explain = fold
    with threadpool_limits(1, "openmp"):
        model = HistGradientBoostingClassifier(early_stopping=False, random_state=0, **TREES)
        model.fit(x[train], y[train], sample_weight=_rows(weight, train))
        probability = model.predict_proba(x[test])[:, 1]
        area = area_under_curve(probability, y[test], _rows(weight, test)).value
        rows = test[:: -(-len(test) // _IMPORTANCE_ROWS)]
        importance = _importance(model, x[rows], y[rows], _rows(weight, rows)) if explain else None
        return _Judged(area, probability, importance)


def _rows(weight: Array | None, rows: NDArray[np.int64]) -> Array | None:
    return None if weight is None else weight[rows]


def _importance(model: Any, x: Array, y: NDArray[np.bool_], weight: Array | None) -> Array:  # noqa: ANN401
    whole = _area(model, x, y, weight)
    rng, losses = np.random.default_rng(0), np.empty(x.shape[1])
    for column in range(x.shape[1]):
        kept = x[:, column].copy()
        x[:, column] = rng.permutation(kept)
        losses[column] = whole - _area(model, x, y, weight)
        x[:, column] = kept
    return losses


def _area(model: Any, x: Array, y: NDArray[np.bool_], weight: Array | None) -> float:  # noqa: ANN401
    return area_under_curve(model.predict_proba(x)[:, 1], y, weight).value
