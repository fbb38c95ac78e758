r"""Sliced Wasserstein and sliced Kolmogorov-Smirnov tests over all event observables, arXiv:2409.16336.

Standardised observables are projected on K random directions theta_k, uniform on the unit sphere. On each slice the
two samples are compared in one dimension, with the distribution functions F_k and G_k:

    SW  = 1/K sum_k int |F_k - G_k| dx,        SKS = 1/K sum_k max |F_k - G_k|

The distribution under the null hypothesis is that of both numbers when the labels of the events are permuted; weights
stay with their events. Floors are means over the permutations. p-values take the logarithms as Gaussian. The error is a
bootstrap with Poisson weights.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.progress import Progress, silent
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.tables import Table
from cloudchamber.evaluate.threads import threads

__all__ = ["Sliced", "sliced_scores"]

Array = NDArray[np.float64]

_BOOTSTRAPS = 20
_AT_ONCE = 40


class Sliced(NamedTuple):
    """Both sliced tests, in units of the standard deviation and as a difference of probabilities."""

    wasserstein: Score
    kolmogorov: Score


def sliced_scores(
    reference: Table,
    candidate: Table,
    rng: np.random.Generator,
    *,
    slices: int = 100,
    permutations: int = 100,
    progress: Progress = silent,
) -> Sliced:
    """Compare two samples on random slices.

    Args:
        reference: standardised observables of shape (n, d).
        candidate: standardised observables of shape (m, d).
        rng: source of random numbers.
        slices: number K of directions.
        permutations: of the labels, for the null distribution.
        progress: told of every slice.
    """
    directions = rng.normal(size=(slices, reference.x.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    signed = _signed_weights(reference.weight, candidate.weight, permutations, rng)
    both = np.concatenate([reference.x, candidate.x])
    total = np.zeros((2, signed.shape[1]))
    with threads() as pool:
        for k, result in enumerate(pool.map(partial(_slice, both, signed), directions)):
            total += result / slices
            progress("sliced tests", (k + 1) / slices)
    return Sliced(*(_score(row, len(candidate)) for row in total))


def _score(row: Array, n: int) -> Score:
    draws, null = row[1 : 1 + _BOOTSTRAPS], row[1 + _BOOTSTRAPS :]
    return Score(float(row[0]), float(draws.std(ddof=1)), n, null, n, logarithmic=True)


def _signed_weights(a: Array, b: Array, permutations: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Weights of all events, those of the second sample negative, each sample's sum 1; shape (n + m, columns).

    The columns are the samples as they are, bootstraps, and permutations of the labels.
    """
    weight, first = np.concatenate([a, b]), np.arange(len(a) + len(b)) < len(a)
    columns = [_signed(weight, first)]
    columns += [_signed(weight * rng.poisson(1.0, len(weight)), first) for _ in range(_BOOTSTRAPS)]
    columns += [_signed(weight, rng.permutation(first)) for _ in range(permutations)]
    return np.stack(columns, axis=1)


def _signed(weight: Array, first: NDArray[np.bool_]) -> NDArray[np.float32]:
    signed: Array = np.where(first, weight / weight[first].sum(), -weight / weight[~first].sum())
    return signed.astype(np.float32)


def _slice(x: Array, signed: NDArray[np.float32], direction: Array) -> Array:
    """Both statistics of one slice under all signed weights, shape (2, columns)."""
    values = x @ direction
    order = np.argsort(values)
    gaps = np.diff(values[order])
    apart = gaps > 0
    result = np.empty((2, signed.shape[1]))
    for start in range(0, signed.shape[1], _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        difference = np.abs(np.cumsum(signed[order, part], axis=0, dtype=np.float64)[:-1])
        result[0, part] = gaps @ difference
        result[1, part] = difference[apart].max(axis=0) if apart.any() else 0.0
    return result
