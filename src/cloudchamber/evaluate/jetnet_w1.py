r"""W1 of particle features by JetNet's protocol (w1p), for comparison with numbers of other papers.

The W1-P of arXiv:2106.11535, section 4, as the `jetnet` package computes it: in each of 5 batches, 50,000 events are
drawn with replacement from both samples, and the W1 of a feature over all their particles is taken on the line, in the
raw unit, whatever the multiplicities; mean and standard deviation over the batches. Azimuths are not treated as angles.

Drawing events with replacement is the same as weighting each with the multinomial number of times that it was drawn, so
the particles are sorted once. Weighted events are drawn in proportion to their weights.
"""

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.sample import Column
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.tables import Measured
from cloudchamber.evaluate.wasserstein import Merged

__all__ = ["BATCHES", "EVENTS", "jetnet_score", "jetnet_w1"]

Array = NDArray[np.float64]

BATCHES, EVENTS = 5, 50_000
_FLOOR_PAIRS = 3
_FEWEST_VALUES = 100


def jetnet_score(reference: Column, candidate: Column, plan: Plan) -> Score | None:
    """W1 by JetNet's protocol, with the mean over three truth-truth pairs as its floor.

    Args:
        reference: the feature in all reference events.
        candidate: the feature in the candidate's events.
        plan: which events to compare.

    Returns:
        None where one of the samples has fewer than 100 values.
    """
    a, b = reference[plan.reference], candidate[plan.candidate]
    if min(len(a.values), len(b.values)) < _FEWEST_VALUES:
        return None
    rng = np.random.default_rng(len(a.values))
    found = jetnet_w1(a, b, rng)
    pairs = plan.pairs[:_FLOOR_PAIRS] if plan.full_size else ()
    floors = [jetnet_w1(reference[one], reference[two], rng, batches=1).value for one, two in pairs]
    return Score(found.value, found.error, len(b), np.array(floors), plan.pair_size if floors else 0)


def jetnet_w1(
    reference: Column, candidate: Column, rng: np.random.Generator, *, batches: int = BATCHES, events: int = EVENTS
) -> Measured:
    """Mean and standard deviation of W1 over batches of events drawn with replacement.

    Args:
        reference: the feature, jagged by event, with at least one value.
        candidate: the same of the candidate.
        rng: source of random numbers.
        batches: how many.
        events: drawn from each sample in each.
    """
    merged = Merged.of(reference.values, candidate.values)
    pair = reference, candidate
    values = [merged.distance(*(_drawn(column, events, rng) for column in pair)) for _ in range(batches)]
    return Measured(float(np.mean(values)), float(np.std(values)))


def _drawn(column: Column, events: int, rng: np.random.Generator) -> Array:
    """How often each value was drawn."""
    times = rng.multinomial(events, column.weight / column.weight.sum())
    return np.repeat(times, column.counts).astype(np.float64)
