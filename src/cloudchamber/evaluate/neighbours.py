r"""Precision, recall, density and coverage of standardised event observables, and memorisation of a training set.

With B(x) the ball about a real event x that reaches its k-th nearest real neighbour, and B(y) likewise for generated
events y (arXiv:2002.09797, Eqs. 2 to 4 and 6; N real and M generated events, k = 5):

    precision = 1/M sum_y 1[y in union of B(x)]       density  = 1/(k M) sum_y sum_x 1[y in B(x)]
    recall    = 1/N sum_x 1[x in union of B(y)]       coverage = 1/N sum_x 1[some y in B(x)]

For identical distributions and N = M, density has mean 1 and coverage a mean of about 1 - 2^-k (Lemmas 1 and 2).

Memorisation: a generated event has its nearest neighbour at a distance d_T in the training set and d_R in an equally
large sample of unseen reference events.

    closer = share of generated events with d_T < d_R,      ratio = median of d_T / d_R

A model that has learned the distribution has closer = 1/2 and ratio = 1; copies of training events have more and less.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.score import Tail
from cloudchamber.evaluate.tables import Measured, Statistic, Table

__all__ = ["MEMORISATION", "PRDC", "memorisation", "precision_recall_density_coverage"]

Array = NDArray[np.float64]

PRDC = (
    Statistic("precision", "share of generated events inside the reference's manifold", tail=Tail.BOTH),
    Statistic("recall", "share of reference events inside the generated manifold", tail=Tail.BOTH),
    Statistic("density", "reference balls about a generated event, over k", tail=Tail.BOTH),
    Statistic("coverage", "share of reference balls with a generated event inside", tail=Tail.BOTH),
)
MEMORISATION = (
    Statistic("closer to training", "share of events nearer to the training set than to unseen reference events"),
    Statistic("nearest-neighbour ratio", "median distance to the training set over that to unseen reference events",
              tail=Tail.LOWER),
)  # fmt: skip
_BOOTSTRAPS = 50
_ROWS = 500


def precision_recall_density_coverage(
    reference: Table, candidate: Table, rng: np.random.Generator, *, size: int = 5_000, k: int = 5
) -> tuple[Measured, ...]:
    """Precision, recall, density and coverage, in this order, with binomial errors.

    Args:
        reference: standardised observables of shape (n, d).
        candidate: standardised observables of shape (m, d).
        rng: source of random numbers.
        size: events drawn from each sample.
        k: neighbours that make a ball.
    """
    real, fake = (table.subset(size, rng) for table in (reference, candidate))
    radius_real, radius_fake = _radii(real, k), _radii(fake, k)
    covering = np.zeros(len(fake))
    inside, covered = np.zeros(len(real), dtype=bool), np.zeros(len(real), dtype=bool)
    for start, distance in _distances(real, fake):
        rows = slice(start, start + len(distance))
        near = distance < radius_real[rows, None]
        covering += near.sum(axis=0)
        covered[rows] = near.any(axis=1)
        inside[rows] = (distance < radius_fake).any(axis=1)
    return tuple(_mean(values) for values in (covering > 0, inside, covering / k, covered))


def _mean(values: NDArray[np.generic]) -> Measured:
    numbers = values.astype(np.float64)
    return Measured(float(numbers.mean()), float(numbers.std(ddof=1) / np.sqrt(len(numbers))))


def _distances(a: Array, b: Array) -> Sequence[tuple[int, Array]]:
    from sklearn.metrics import pairwise_distances

    starts = range(0, len(a), _ROWS)
    return ((start, pairwise_distances(a[start : start + _ROWS], b)) for start in starts)  # type: ignore[return-value]


def _radii(x: Array, k: int) -> Array:
    """Distance of each row to its k-th nearest other row."""
    return np.concatenate([np.partition(distance, k, axis=1)[:, k] for _, distance in _distances(x, x)])


def nearest(of: Array, among: Array) -> Array:
    """Distance of each row of one sample to the nearest row of another, shape (len(of),).

    Args:
        of: shape (n, d).
        among: shape (m, d).
    """
    return np.concatenate([distance.min(axis=1) for _, distance in _distances(of, among)])


def memorisation(
    reference: Table, candidate: Table, rng: np.random.Generator, *, training: Table, size: int = 5_000
) -> tuple[Measured, Measured]:
    """Share of events closer to the training set than to the reference, and the median ratio of distances.

    Args:
        reference: standardised observables of events that no model has seen, shape (n, d).
        candidate: standardised observables of shape (m, d).
        rng: source of random numbers.
        training: standardised observables of the training set, shape (t, d).
        size: events drawn from each.
    """
    size = min(size, len(reference), len(training))
    events = candidate.subset(size, rng)
    to_training, to_reference = (nearest(events, t.subset(size, rng)) for t in (training, reference))
    closer = _mean((to_training < to_reference) + 0.5 * (to_training == to_reference))
    ratio = np.maximum(to_training, np.finfo(float).tiny) / np.maximum(to_reference, np.finfo(float).tiny)
    medians = [np.median(ratio[rng.integers(len(ratio), size=len(ratio))]) for _ in range(_BOOTSTRAPS)]
    return closer, Measured(float(np.median(ratio)), float(np.std(medians, ddof=1)))
