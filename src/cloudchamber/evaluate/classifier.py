"""Classifier two-sample test: can gradient-boosted trees tell candidate from reference events?

Trees are trained on the event observables of four fifths of both samples, balanced, and judge the last fifth,
in turn. The area under the ROC curve is 0.5 where nothing can be told and 1 where everything can; the mean
over the five folds is the value and their standard deviation over sqrt(5) its error. The floor is the same
test on truth-truth pairs.

Every fit runs on one thread, and as many fits at a time as there are cores: small fits share cores badly.
"""

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.progress import Progress, silent
from cloudchamber.evaluate.score import Score

__all__ = ["FOLDS", "TREES", "ClassifierTest", "classifier_score"]

Array = NDArray[np.float64]

FOLDS = 5
TREES: dict[str, Any] = {
    "max_iter": 100, "max_leaf_nodes": 16, "max_bins": 127, "learning_rate": 0.1, "min_samples_leaf": 50,
}  # fmt: skip
"""Settings of scikit-learn's HistGradientBoostingClassifier."""
_IMPORTANCE_ROWS = 10_000


@dataclass(frozen=True)
class ClassifierTest:
    """Result of the classifier test.

    Attributes:
        score: area under the ROC curve with error and floor.
        importance: loss of area in one fold when an observable is shuffled, shape (number of observables,).
    """

    score: Score
    importance: Array


class _Block(NamedTuple):
    x: Array
    weight: Array


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
    importance: Array | None


def classifier_score(
    reference: tuple[Array, Array], candidate: tuple[Array, Array], plan: Plan, progress: Progress = silent
) -> ClassifierTest:
    """Area under the ROC curve of candidate against reference, with its floor.

    Args:
        reference: observables of all reference events, shape (N, d), and their weights, shape (N,).
        candidate: observables of the candidate's events, shape (n, d), and their weights, shape (n,).
        plan: which events to compare.
        progress: told of every fit.
    """

    def block(sample: tuple[Array, Array], events: slice) -> _Block:
        return _Block(sample[0][events], sample[1][events])

    compared = block(candidate, plan.candidate), block(reference, plan.reference)
    tests = [compared, *((block(reference, one), block(reference, two)) for one, two in plan.pairs)]
    folds = (fold for k, pair in enumerate(tests) for fold in _folds(*pair, explain=k == 0))
    judged = []
    with _no_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(_judge, folds):
            judged.append(result)
            progress("classifier test", len(judged) / (FOLDS * len(tests)))
    areas = np.array([result.area for result in judged]).reshape(-1, FOLDS)
    score = Score(float(areas[0].mean()), float(areas[0].std(ddof=1) / np.sqrt(FOLDS)), len(compared[0].x),
                  areas[1:].mean(axis=1), plan.pair_size)  # fmt: skip
    return ClassifierTest(score, np.mean([r.importance for r in judged if r.importance is not None], axis=0))


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Shield the warning filters, which scikit-learn changes for the whole process inside each fit."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        yield


def _folds(a: _Block, b: _Block, *, explain: bool) -> Iterator[_Fold]:
    from sklearn.model_selection import StratifiedKFold

    x = np.concatenate([a.x, b.x])
    y = np.arange(len(x)) < len(a.x)
    weight = _balanced(a.weight, b.weight)
    for k, (train, test) in enumerate(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, y)):
        yield _Fold(x, y, weight, train, test, explain and k == 0)


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
        area = _area(model, x[test], y[test], _rows(weight, test))
        rows = test[:: -(-len(test) // _IMPORTANCE_ROWS)]
        return _Judged(area, _importance(model, x[rows], y[rows], _rows(weight, rows)) if explain else None)


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
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, model.predict_proba(x)[:, 1], sample_weight=weight))
