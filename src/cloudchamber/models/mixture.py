r"""A mixture of normal distributions with one broad component, fitted to a sample.

    q(x) = (1 - h) sum_k w_k N(x; m_k, C_k) + h t_nu(x; m, C),      r(k | x) = q(x, k) / q(x)

The normal components are found by expectation maximisation in each island of the sample, in units of the island, and
their number by the Bayesian information criterion. The last one, Student's t with nu = 4 about the mean and inflated
covariance of the sample, has heavy tails: where a target falls faster than t, the ratio of target and q is bounded, so
that no point can hold a chain for ever. Components also serve as coordinates: z = A_k (x - m_k) has zero mean and unit
covariance in component k.
"""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as EMMixture
from torch import Tensor

from cloudchamber.models.islands import islands
from cloudchamber.process.base import student
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["TailedMixture", "choose"]

Array = NDArray[np.float64]
_NU = 4
_SIZES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26)
_PATIENCE = 2
_FIT_ROWS = 6000
_LEAST_PER_DIMENSION = 5
"""Different points that make an island, for each dimension and one more."""
_WAY_POINTS, _DIP, _DIP_PER_DIMENSION = 17, 3.0, 0.5
"""Two components are apart where the logarithm of the density falls on the way so far below both ends."""


class TailedMixture:
    """The mixture; a `Samplable` and `Scorable` model of vectors in float64.

    Args:
        weights: of all components, the broad one last, shape (K + 1,).
        means: shape (K + 1, D).
        roots: lower triangular roots of the covariances, shape (K + 1, D, D).
    """

    def __init__(self, weights: Tensor, means: Tensor, roots: Tensor) -> None:
        self.weights, self.means, self.roots = weights.double(), means.double(), roots.double()
        self._inverse = torch.linalg.inv(self.roots)
        self._log_det = torch.diagonal(self.roots, dim1=1, dim2=2).log().sum(-1)

    @property
    def components(self) -> int:
        """Components K + 1, with the broad one."""
        return len(self.weights)

    @classmethod
    def fit(
        cls, x: Tensor, *, seed: int, most: int = 26, tail: float = 0.05, inflation: float = 1.5
    ) -> "TailedMixture":
        """The mixture of a sample.

        Args:
            x: shape (n, D).
            seed: of the first guesses.
            most: normal components at most.
            tail: weight h of the broad component.
            inflation: of its standard deviations.
        """
        x = x.double()
        weights, means, roots = _islands_fitted(x.numpy(), seed=seed, most=most)
        whole = torch.linalg.cholesky(_covariance(x)) * inflation
        return cls(
            torch.cat([torch.from_numpy(weights) * (1 - tail), torch.tensor([tail]).double()]),
            torch.cat([torch.from_numpy(means), x.mean(0, keepdim=True)]),
            torch.cat([torch.from_numpy(roots), whole[None]]),
        )

    def merged(self) -> "TailedMixture":
        """Connected components as one, with the mean and covariance of them all; the broad one loses its weight."""
        labels, n = self._connected(), self.components - 1
        weights, means, covariances = [], [], []
        for k in range(int(labels.max()) + 1):
            those = (labels == k).nonzero()[:, 0]
            share = self.weights[those] / self.weights[those].sum()
            mean = share @ self.means[those]
            off = self.means[those] - mean
            inner = torch.einsum("k,kij,klj->il", share, self.roots[those], self.roots[those])
            weights.append(self.weights[those].sum())
            means.append(mean)
            covariances.append(inner + torch.einsum("k,ki,kj->ij", share, off, off))
        roots = torch.cat([torch.linalg.cholesky(torch.stack(covariances)), self.roots[n:]])
        shares = torch.stack([*weights, torch.zeros((), dtype=torch.float64)])
        return TailedMixture(shares / shares.sum(), torch.stack([*means, self.means[n]]), roots)

    def _connected(self) -> Tensor:
        """The group of each normal component: two are joined if the density between their means does not fall off."""
        n = self.components - 1
        way = torch.linspace(0, 1, _WAY_POINTS, dtype=torch.float64)[:, None, None, None]
        means = self.means[:n]
        points = means[:, None] * (1 - way) + means[None, :] * way
        logs = self.log_joint(points.reshape(-1, means.shape[1]))[:, :n].logsumexp(1).reshape(_WAY_POINTS, n, n)
        ends = torch.minimum(logs[0], logs[-1])
        joined = (logs.amin(0) > ends - _DIP - _DIP_PER_DIMENSION * means.shape[1]).numpy()
        return torch.from_numpy(connected_components(joined, directed=False)[1])

    def log_joint(self, x: Tensor) -> Tensor:
        """Ln q(x, k), shape (B, K + 1).

        Args:
            x: shape (B, D).
        """
        size = x.shape[1]
        square = torch.einsum("kde,bke->bkd", self._inverse, x[:, None, :] - self.means).square().sum(-1)
        normal = -(square + size * math.log(2 * math.pi)) / 2
        broad = student(square, size, _NU)
        is_broad = torch.arange(self.components) == self.components - 1
        return torch.where(is_broad, broad, normal) - self._log_det + self.weights.log()

    def log_prob(self, rows: Batch) -> Tensor:
        """Ln q(x), shape (B,).

        Args:
            rows: vectors x of shape (B, D).
        """
        return self.log_joint(rows.x.double()).logsumexp(1)

    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """New vectors, shape (B, D).

        Args:
            given: its x only gives the shape.
            rng: random stream.
        """
        label = self.draw_labels(rng)
        return self.place(self.standard(label, rng), label)

    def draw_labels(self, rng: Rng) -> Tensor:
        """Components drawn by their weights, shape (B,).

        Args:
            rng: random stream.
        """
        uniform = rng.uniform().double()
        return choose(self.weights.log().expand(len(uniform), -1), uniform)

    def responsible(self, x: Tensor, rng: Rng) -> Tensor:
        """Components drawn by r(k | x), shape (B,).

        Args:
            x: shape (B, D).
            rng: random stream.
        """
        return choose(self.log_joint(x), rng.uniform().double())

    def standard(self, label: Tensor, rng: Rng) -> Tensor:
        """Scores z as the components have them: unit normal, or Student's t in the last; shape (B, D).

        Args:
            label: shape (B,).
            rng: random stream.
        """
        normal = rng.normal(self.means.shape[1] + _NU).double()
        chi2 = normal[:, -_NU:].square().mean(1, keepdim=True)
        z = normal[:, :-_NU]
        return torch.where((label == self.components - 1)[:, None], z / chi2.sqrt(), z)

    def place(self, z: Tensor, label: Tensor) -> Tensor:
        """Vectors x of scores.

        Args:
            z: shape (B, D).
            label: shape (B,).
        """
        return self.means[label] + torch.einsum("bde,be->bd", self.roots[label], z.double())

    def scores(self, x: Tensor, label: Tensor) -> Tensor:
        """Scores z of vectors: the inverse of `place`.

        Args:
            x: shape (B, D).
            label: shape (B,).
        """
        return torch.einsum("bde,be->bd", self._inverse[label], x - self.means[label])

    def log_scale(self, label: Tensor) -> Tensor:
        """Ln |det dx/dz|, shape (B,).

        Args:
            label: shape (B,).
        """
        return self._log_det[label]

    def state(self) -> dict[str, Tensor]:
        """The tensors that define it."""
        return {"weights": self.weights, "means": self.means, "roots": self.roots}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "TailedMixture":
        """The mixture that `state` came from.

        Args:
            state: tensors by name.
        """
        return cls(state["weights"], state["means"], state["roots"])


def choose(logs: Tensor, uniform: Tensor) -> Tensor:
    """One column for each row with probabilities proportional to the exponentials of logs, shape (B,).

    Args:
        logs: shape (B, K).
        uniform: numbers in [0, 1), shape (B,).

    >>> choose(torch.tensor([[0.0, 0.0]]).double(), torch.tensor([0.7]).double()).tolist()
    [1]
    """
    summed = logs.softmax(1).cumsum(1)
    return (uniform[:, None] * summed[:, -1:] >= summed).sum(1).clamp(max=logs.shape[1] - 1)


def _covariance(x: Tensor) -> Tensor:
    spread = x.std(0).clamp(min=1e-12)
    scaled = (x / spread).T.cov().reshape(x.shape[1], x.shape[1])
    covariance: Tensor = (scaled + 1e-9 * torch.eye(x.shape[1], dtype=x.dtype)) * spread * spread[:, None]
    return covariance


def _islands_fitted(x: Array, *, seed: int, most: int) -> tuple[Array, Array, Array]:
    """Weights, means and roots of the components of all islands of the points, each fitted in units of its own."""
    rows = min(len(x), _FIT_ROWS)
    x = x[np.arange(rows) * len(x) // rows]
    labels = islands(x, least=_LEAST_PER_DIMENSION * (x.shape[1] + 1))
    parts = []
    for label in range(labels.max() + 1):
        part = x[labels == label]
        centre, spread = part.mean(0), np.maximum(part.std(0), 1e-12)
        fit = _expectation_maximisation((part - centre) / spread, seed=seed, most=most)
        share = len(part) / len(x)
        root = spread[:, None] * np.linalg.cholesky(fit.covariances_)
        parts.append((share * fit.weights_, centre + spread * fit.means_, root))
    weights, means, roots = (np.concatenate(column) for column in zip(*parts, strict=True))
    return weights, means, roots


def _expectation_maximisation(x: Array, *, seed: int, most: int) -> Any:  # noqa: ANN401
    """The fit with the lowest criterion; the search ends when it has not fallen for some sizes."""
    best, lowest, waited = None, math.inf, 0
    for size in (k for k in _SIZES if k <= most and (k == 1 or k * 5 * (x.shape[1] + 1) <= len(x))):
        fit = EMMixture(size, reg_covar=1e-5, random_state=seed, max_iter=40, tol=2e-3, init_params="k-means++")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit.fit(x)
        criterion = fit.bic(x)
        waited = 0 if criterion < lowest else waited + 1
        if criterion < lowest:
            best, lowest = fit, criterion
        if waited == _PATIENCE:
            break
    return best
