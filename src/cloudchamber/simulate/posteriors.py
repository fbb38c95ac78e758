r"""Densities on which samplers are judged, with the truth about them.

    Himmelblau   ln p = -((x^2 + y - 11)^2 + (x + y^2 - 7)^2)               four modes, |x|, |y| < 6
    EggBox       ln p = (2 + cos(x/2) cos(y/2))^5 - 3^5                      18 modes, 0 < x, y < 10 pi
    Rosenbrock   ln p = -(100 (y - x^2)^2 + (1 - x)^2) / 20                  a bent ridge
    NormalModes  ln p = ln sum_k w_k N(x; m_k, C_k)                          any number of modes
    Funnel       v ~ N(0, 3^2),  x_i ~ N(0, exp(v))                          a neck and a mouth

Rosenbrock's density is that of Goodman and Weare (Communications in Applied Mathematics and Computational Science 5
(2010) 65), the funnel Neal's (Annals of Statistics 31 (2003) 705), the egg box that of Feroz et al. (arXiv:0809.3437).
Truth is the expectation of statistics: all first and second moments. In two dimensions without a closed form it comes
from sums over a fine grid, whose error for these smooth functions is far below any Monte Carlo error.
"""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import special_ortho_group

__all__ = [
    "EggBox", "Funnel", "Grid", "Himmelblau", "NormalModes", "Posterior", "Rosenbrock", "known_posteriors", "moments",
]  # fmt: skip

Array = NDArray[np.float64]
_GRID = 2000


class Posterior(Protocol):
    """A density with the truth about it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the D parameters."""
        ...

    @property
    def box(self) -> Array:
        """Where walkers may start, and plots look, shape (D, 2)."""
        ...

    @property
    def bounded(self) -> bool:
        """Whether the box also bounds the parameters."""
        ...

    def log_density(self, x: Array) -> Array:
        """Natural logarithm of the density, up to a constant, of points (n, D), shape (n,)."""
        ...


class Known(Posterior, Protocol):
    """A density of which expectations and modes are known."""

    @property
    def mode_weights(self) -> Array:
        """Probability of each mode, shape (M,)."""
        ...

    @property
    def expected(self) -> Array:
        """Expectations of the statistics, shape (S,)."""
        ...

    def mode_of(self, x: Array) -> NDArray[np.int64]:
        """The mode that each point belongs to, shape (n,)."""
        ...

    def statistics(self, x: Array) -> Array:
        """Statistics of points (n, D), shape (n, S)."""
        ...


def moments(x: Array) -> Array:
    """All coordinates, then all their products.

    Args:
        x: shape (n, D).

    Returns:
        Shape (n, D + D (D + 1) / 2).

    >>> moments(np.array([[2.0, 3.0]])).tolist()
    [[2.0, 3.0, 4.0, 6.0, 9.0]]
    """
    pairs = list(combinations_with_replacement(range(x.shape[1]), 2))
    first, second = np.array(pairs).T
    return np.concatenate([x, x[:, first] * x[:, second]], axis=1)


class Grid(NamedTuple):
    """Cells of a box in the plane and their probabilities."""

    points: Array
    """Centres, shape (n, 2)."""
    probability: Array
    """Shape (n,)."""


@lru_cache(maxsize=8)
def _grid(density: "_Plane") -> Grid:
    axes = [low + (np.arange(_GRID) + 0.5) * (high - low) / _GRID for low, high in density.box]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    logs = np.concatenate([density.log_density(part) for part in np.array_split(points, 16)])
    kept = logs > logs.max() - 60
    weight = np.exp(logs[kept] - logs.max())
    return Grid(points[kept], weight / weight.sum())


class _Plane:
    """A density in a box of the plane, known by summing over a grid."""

    names = ("x", "y")
    bounded = True
    box: Array
    centres: Array

    def log_density(self, x: Array) -> Array:
        """As a subclass says."""
        raise NotImplementedError

    @property
    def grid(self) -> Grid:
        """Cells that hold all but exp(-60) of the highest density."""
        return _grid(self)

    @property
    def expected(self) -> Array:
        """Expectations of the statistics, shape (5,)."""
        found: Array = self.grid.probability @ moments(self.grid.points)
        return found

    @property
    def mode_weights(self) -> Array:
        """Probability of the points nearest to each centre, shape (M,)."""
        labels = self.mode_of(self.grid.points)
        weights = np.bincount(labels, weights=self.grid.probability, minlength=len(self.centres))
        return weights.astype(np.float64)

    def mode_of(self, x: Array) -> NDArray[np.int64]:
        """The nearest centre, shape (n,).

        Args:
            x: shape (n, 2).
        """
        square = (x**2).sum(1)[:, None] - 2 * x @ self.centres.T + (self.centres**2).sum(1)
        nearest: NDArray[np.int64] = square.argmin(1)
        return nearest

    def statistics(self, x: Array) -> Array:
        """First and second moments, shape (n, 5).

        Args:
            x: shape (n, 2).
        """
        return moments(x)


class Himmelblau(_Plane):
    """Himmelblau's function as minus the logarithm of a density."""

    box = np.array([[-6.0, 6.0], [-6.0, 6.0]])
    centres = np.array([[3.0, 2.0], [-2.805118, 3.131312], [-3.779310, -3.283186], [3.584428, -1.848127]])

    def log_density(self, x: Array) -> Array:
        """Natural logarithm of the density, shape (n,).

        Args:
            x: shape (n, 2).
        """
        a, b = x[:, 0], x[:, 1]
        return -((a**2 + b - 11) ** 2) - (a + b**2 - 7) ** 2


class EggBox(_Plane):
    """Peaks at every other crossing of a grid of 2 pi, also on the edges, where half or a quarter of them is left."""

    box = np.array([[0.0, 10 * np.pi], [0.0, 10 * np.pi]])
    centres = 2 * np.pi * np.array([[i, k] for i in range(6) for k in range(6) if (i + k) % 2 == 0 and i % 2 == k % 2],
                                   dtype=np.float64)  # fmt: skip

    def log_density(self, x: Array) -> Array:
        """Natural logarithm of the density, shape (n,); zero at the peaks.

        Args:
            x: shape (n, 2).
        """
        return (2 + np.cos(x[:, 0] / 2) * np.cos(x[:, 1] / 2)) ** 5 - 3.0**5


class _OneMode:
    bounded = False

    @property
    def mode_weights(self) -> Array:
        """One."""
        return np.ones(1)

    def mode_of(self, x: Array) -> NDArray[np.int64]:
        """Zero for each point, shape (n,).

        Args:
            x: shape (n, D).
        """
        return np.zeros(len(x), dtype=np.int64)


class Rosenbrock(_OneMode):
    """x ~ N(1, 10) and y ~ N(x^2, 1/10)."""

    names = ("x", "y")
    box = np.array([[-10.0, 12.0], [-10.0, 60.0]])

    def log_density(self, x: Array) -> Array:
        """Natural logarithm of the density, shape (n,).

        Args:
            x: shape (n, 2).
        """
        return -(100 * (x[:, 1] - x[:, 0] ** 2) ** 2 + (1 - x[:, 0]) ** 2) / 20

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Independent draws, shape (n, 2).

        Args:
            n: how many.
            rng: random stream.
        """
        a = 1 + np.sqrt(10) * rng.standard_normal(n)
        return np.stack([a, a**2 + np.sqrt(0.1) * rng.standard_normal(n)], axis=-1)

    @property
    def expected(self) -> Array:
        """E x = 1, E y = 11, E x^2 = 11, E x y = E x^3 = 31, E y^2 = E x^4 + 1/10 = 361.1."""
        return np.array([1.0, 11.0, 11.0, 31.0, 361.1])

    def statistics(self, x: Array) -> Array:
        """First and second moments, shape (n, 5).

        Args:
            x: shape (n, 2).
        """
        return moments(x)


class NormalModes:
    """A mixture of normal distributions.

    Args:
        weights: shape (K,).
        means: shape (K, D).
        covariances: shape (K, D, D).
        half_width: of the box.
    """

    bounded = False

    def __init__(self, weights: Array, means: Array, covariances: Array, half_width: float) -> None:
        self.mode_weights, self.means, self.covariances = weights / weights.sum(), means, covariances
        self.names = tuple(f"x{k}" for k in range(means.shape[1]))
        self.box = np.tile([-half_width, half_width], (means.shape[1], 1))
        self._roots = np.linalg.cholesky(covariances)
        self._inverse = np.linalg.inv(self._roots)
        self._logs = np.log(self.mode_weights) - np.log(np.diagonal(self._roots, axis1=1, axis2=2)).sum(1)

    @classmethod
    def random(cls, ndim: int, weights: tuple[float, ...], *, radius: float, seed: int) -> "NormalModes":
        """Modes on a sphere as far apart as random directions are, with axes of 0.5 to 1.5 in random directions.

        Args:
            ndim: D.
            weights: of the modes.
            radius: of the sphere.
            seed: of directions and axes.
        """
        rng, count = np.random.default_rng(seed), len(weights)
        means = rng.standard_normal((count, ndim))
        means *= radius / np.linalg.norm(means, axis=1, keepdims=True)
        axes = special_ortho_group.rvs(ndim, size=count, random_state=rng)
        variances = np.linspace(0.5, 1.5, ndim) ** 2
        return cls(np.array(weights), means, np.einsum("kij,j,klj->kil", axes, variances, axes), 2 * radius)

    def _parts(self, x: Array) -> Array:
        whitened = np.einsum("kij,nkj->nki", self._inverse, x[:, None, :] - self.means)
        parts: Array = self._logs - (whitened**2).sum(-1) / 2
        return parts

    def log_density(self, x: Array) -> Array:
        """Natural logarithm of the density up to a constant, shape (n,).

        Args:
            x: shape (n, D).
        """
        logs: Array = np.logaddexp.reduce(self._parts(x), axis=1)
        return logs

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Independent draws, shape (n, D).

        Args:
            n: how many.
            rng: random stream.
        """
        kind = rng.choice(len(self.mode_weights), size=n, p=self.mode_weights)
        normal = rng.standard_normal((n, len(self.names)))
        drawn: Array = self.means[kind] + np.einsum("nij,nj->ni", self._roots[kind], normal)
        return drawn

    def mode_of(self, x: Array) -> NDArray[np.int64]:
        """The most likely component, shape (n,).

        Args:
            x: shape (n, D).
        """
        likeliest: NDArray[np.int64] = self._parts(x).argmax(1)
        return likeliest

    @cached_property
    def expected(self) -> Array:
        """Expectations of the statistics, shape (S,)."""
        mean = self.mode_weights @ self.means
        inner = self.covariances + self.means[:, :, None] * self.means[:, None, :]
        second = np.einsum("k,kij->ij", self.mode_weights, inner)
        return np.concatenate([mean, second[np.triu_indices(len(mean))]])

    def statistics(self, x: Array) -> Array:
        """First and second moments, shape (n, S).

        Args:
            x: shape (n, D).
        """
        return moments(x)


class Funnel(_OneMode):
    """Neal's funnel.

    Args:
        ndim: v and the x_i together.
    """

    def __init__(self, ndim: int = 2) -> None:
        self.names = ("v", *(f"x{k}" for k in range(1, ndim)))
        self.box = np.concatenate([[[-9.0, 9.0]], np.tile([-20.0, 20.0], (ndim - 1, 1))])

    def log_density(self, x: Array) -> Array:
        """Natural logarithm of the density up to a constant, shape (n,).

        Args:
            x: shape (n, D).
        """
        v, rest = x[:, 0], x[:, 1:]
        with np.errstate(over="ignore"):
            square = (rest**2).sum(1) * np.exp(-v)
        logs: Array = -(v**2) / 18 - (rest.shape[1] * v + square) / 2
        return logs

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Independent draws, shape (n, D).

        Args:
            n: how many.
            rng: random stream.
        """
        v = 3 * rng.standard_normal((n, 1))
        return np.concatenate([v, np.exp(v / 2) * rng.standard_normal((n, len(self.names) - 1))], axis=1)

    @property
    def expected(self) -> Array:
        """Of independent v ~ N(0, 9) and t_i ~ N(0, 1), shape (S,)."""
        size = len(self.names)
        second = np.diag(np.concatenate([[9.0], np.ones(size - 1)]))
        return np.concatenate([np.zeros(size), second[np.triu_indices(size)]])

    def statistics(self, x: Array) -> Array:
        """First and second moments of v and t_i = x_i exp(-v / 2), shape (n, S).

        Args:
            x: shape (n, D).
        """
        return moments(np.concatenate([x[:, :1], x[:, 1:] * np.exp(-x[:, :1] / 2)], axis=1))


def known_posteriors() -> Mapping[str, Known]:
    """All by the name that the command line knows them by."""
    correlated = 0.5 ** np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    return {
        "himmelblau": Himmelblau(),
        "eggbox": EggBox(),
        "rosenbrock": Rosenbrock(),
        "mixture-2d": NormalModes.random(2, (0.1, 0.2, 0.3, 0.4), radius=8.0, seed=1),
        "mixture-10d": NormalModes.random(10, (0.1, 0.2, 0.3, 0.4), radius=10.0, seed=10),
        "gaussian-10d": NormalModes(np.ones(1), np.zeros((1, 10)), correlated[None], 4.0),
        "funnel": Funnel(),
    }
