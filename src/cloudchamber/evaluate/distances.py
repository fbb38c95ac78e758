"""Scores of one quantity: its Wasserstein distance, or the difference of its mean, with error and floor.

The error is a bootstrap over events: each event of both samples gets a Poisson weight of mean one, which
keeps the correlation of the particles within an event. The floor comes from the truth-truth pairs of a
`Plan`.
"""

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.sample import Column
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.wasserstein import Merged

__all__ = ["FEWEST_VALUES", "mean_difference", "mean_per_event", "wasserstein_score"]

Array = NDArray[np.float64]

FEWEST_VALUES = 100
"""With fewer values than this in the candidate or in the compared reference, nothing is measured."""


def wasserstein_score(
    reference: Column, candidate: Column, plan: Plan, *, circular: bool = False, bootstraps: int = 20
) -> Score | None:
    """W1 between candidate and reference.

    Args:
        reference: the quantity in all reference events.
        candidate: the same quantity in the candidate's events.
        plan: which events to compare.
        circular: whether the values are angles.
        bootstraps: number of re-weightings behind the error.

    Returns:
        None where one of the samples has fewer than 100 values.
    """
    a, b = candidate[plan.candidate], reference[plan.reference]
    if min(len(a.values), len(b.values)) < FEWEST_VALUES:
        return None
    merged = Merged.of(a.values, b.values, circular=circular)
    rng = np.random.default_rng(len(a.values))
    draws = [merged.distance(_bootstrap(rng, a), _bootstrap(rng, b)) for _ in range(bootstraps)]
    pairs = [_distance(reference[one], reference[two], circular) for one, two in plan.pairs]
    return Score(
        merged.distance(a.value_weights, b.value_weights), float(np.std(draws, ddof=1)), len(a),
        plan.scale * np.array([d for d in pairs if d is not None]), plan.pair_size, plan.scale,
    )  # fmt: skip


def mean_per_event(column: Column) -> tuple[float, float]:
    """Weighted mean over events of the summed values, and its standard error.

    Args:
        column: values of particles or of events.
    """
    total = np.bincount(np.repeat(np.arange(len(column)), column.counts), column.values, minlength=len(column))
    share = column.weight / column.weight.sum()
    mean = float(share @ total)
    return mean, float(np.sqrt((share**2) @ (total - mean) ** 2))


def mean_difference(reference: Column, candidate: Column, plan: Plan) -> Score | None:
    """Size of the relative difference between the means per event of candidate and reference.

    Args:
        reference: the quantity in all reference events.
        candidate: the same quantity in the candidate's events.
        plan: which events to compare.

    Returns:
        None where the reference's mean is zero.
    """
    (a, error_a), (b, error_b) = (
        mean_per_event(candidate[plan.candidate]),
        mean_per_event(reference[plan.reference]),
    )
    if b == 0:
        return None
    pairs = [_relative(mean_per_event(reference[one])[0], mean_per_event(reference[two])[0]) for one, two in plan.pairs]
    error = float(np.hypot(error_a, a / b * error_b) / abs(b))
    return Score(_relative(a, b), error, plan.candidate.stop, plan.scale * np.array(pairs), plan.pair_size, plan.scale)


def _relative(a: float, b: float) -> float:
    return abs(a / b - 1) if b else 0.0


def _bootstrap(rng: np.random.Generator, column: Column) -> Array:
    weights: Array = np.repeat(column.weight * rng.poisson(1.0, len(column)), column.counts)
    return weights


def _distance(a: Column, b: Column, circular: bool) -> float | None:
    if min(len(a.values), len(b.values)) == 0:
        return None
    return Merged.of(a.values, b.values, circular=circular).distance(a.value_weights, b.value_weights)
