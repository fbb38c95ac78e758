r"""Frechet physics distance (FPD) of event observables, arXiv:2211.10295.

Both samples are taken as Gaussian, with means mu and covariances S (Dowson and Landau, J. Multivar. Anal. 12 (1982)
450):

    FPD = |mu_1 - mu_2|^2 + Tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))

Moments of N events are biased upwards as 1/N. So, as published, the distance is measured at ten sample sizes from
20,000 to 50,000 events that are evenly spaced in 1/N (two fifths of the events to all of them where there are fewer
than 50,000), as the mean over 20 draws with replacement each, and a straight line in 1/N is fitted; its intercept is
the value. Observables are divided by their largest size in the reference. The intercept may come out negative.

A draw here is of blocks of events whose moments are known beforehand, which changes no expectation and makes the draws
cheap; 400 blocks make the size of a draw fine enough.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.tables import Measured, Statistic, Table

__all__ = ["FPD", "frechet_distance", "frechet_physics_distance", "gaussian_moments"]

Array = NDArray[np.float64]

FPD = Statistic("FPD", "Fréchet physics distance, extrapolated to infinitely many events", power=1.0)
_SIZES, _DRAWS, _BLOCKS = 10, 20, 400
_LARGEST, _SMALLEST_SHARE = 50_000, 0.4


def frechet_physics_distance(reference: Table, candidate: Table, rng: np.random.Generator) -> tuple[Measured]:
    """FPD with the error of the fitted intercept; arXiv:2211.10295, with its extrapolation.

    Args:
        reference: observables of shape (n, d).
        candidate: observables of shape (m, d).
        rng: source of random numbers.
    """
    largest = np.abs(reference.x).max(axis=0)
    largest[largest == 0] = 1.0  # a rare particle that no event of a small sample has
    samples = [_Moments.of(Table(t.x / largest, t.weight), rng) for t in (reference, candidate)]
    top = min(_LARGEST, len(reference), len(candidate))
    sizes = 1 / np.linspace(1 / (_SMALLEST_SHARE * top), 1 / top, _SIZES)
    drawn = (s.draws(np.repeat(sizes, _DRAWS), rng) for s in samples)
    distances = [frechet_distance(a, b) for a, b in zip(*drawn, strict=True)]
    means = np.reshape(distances, (_SIZES, _DRAWS)).mean(axis=1)
    (_, intercept), covariance = np.polyfit(1 / sizes, means, 1, cov=True)
    return (Measured(float(intercept), float(np.sqrt(covariance[1, 1]))),)


def gaussian_moments(table: Table) -> tuple[Array, Array]:
    """Mean of shape (d,) and covariance of shape (d, d).

    Args:
        table: rows of shape (n, d).
    """
    mean = table.share @ table.x
    centred = table.x - mean
    return mean, (centred * table.share[:, None]).T @ centred


def frechet_distance(a: tuple[Array, Array], b: tuple[Array, Array]) -> float:
    """Squared Frechet distance of two Gaussians.

    Args:
        a: mean of shape (d,) and covariance of shape (d, d).
        b: the same of the other.

    >>> one = np.eye(2)
    >>> round(frechet_distance((np.zeros(2), one), (np.array([3.0, 4.0]), 4 * one)), 9)
    27.0
    """
    values, vectors = np.linalg.eigh(a[1])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ b[1] @ root)
    overlap = np.sqrt(np.maximum(product, 0.0)).sum()
    return float(((a[0] - b[0]) ** 2).sum() + np.trace(a[1]) + np.trace(b[1]) - 2 * overlap)


class _Moments:
    """Weighted sums of blocks of events: of 1, of x and of x x^T."""

    def __init__(self, weight: Array, first: Array, second: Array, rows: float) -> None:
        self.weight, self.first, self.second, self.rows = weight, first, second, rows

    @classmethod
    def of(cls, table: Table, rng: np.random.Generator) -> "_Moments":
        order = rng.permutation(len(table))
        share = table.share * len(table)
        blocks = np.array_split(order, min(_BLOCKS, len(table)))
        second = [(table.x[b] * share[b, None]).T @ table.x[b] for b in blocks]
        return cls(np.array([share[b].sum() for b in blocks]), np.stack([share[b] @ table.x[b] for b in blocks]),
                   np.stack(second), len(table) / len(blocks))  # fmt: skip

    def draws(self, sizes: Array, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """Mean and covariance of about so many events drawn with replacement, for each size."""
        blocks = len(self.weight)
        numbers = np.maximum(2, np.round(sizes / self.rows).astype(int))
        counts = np.stack([np.bincount(rng.integers(blocks, size=n), minlength=blocks) for n in numbers]).astype(float)
        counts /= (counts @ self.weight)[:, None]
        means = counts @ self.first
        squares = (counts @ self.second.reshape(blocks, -1)).reshape(len(sizes), *self.second.shape[1:])
        for mean, second, size in zip(means, squares, sizes, strict=True):
            yield mean, (second - np.outer(mean, mean)) * size / (size - 1)
