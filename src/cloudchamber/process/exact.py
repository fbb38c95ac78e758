r"""Gaussian mixtures, for which everything that a network learns is known in closed form.

Data x ~ sum_k w_k N(m_k, C_k) have noisy values x_t ~ sum_k w_k N(alpha m_k, S_k), S_k = alpha^2 C_k + sigma^2, and

    E[x | x_t]   = sum_k p(k | x_t) ( m_k + alpha C_k S_k^-1 (x_t - alpha m_k) )
    E[eps | x_t] = sum_k p(k | x_t) sigma S_k^-1 (x_t - alpha m_k),

the best answer there is to any loss of `objective`. With it, tests and benchmarks measure samplers alone. For one
Gaussian the probability flow is known too: from t to s a point moves to

    x_s = alpha_s m + S(s)^(1/2) S(t)^(-1/2) (x_t - alpha_t m).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cloudchamber.process.denoise import Denoiser, Prediction, scales_at
from cloudchamber.process.schedule import Scales, Schedule
from cloudchamber.tensors.batch import Batch

__all__ = ["ExactDenoiser", "Mixture"]


class _Parts(NamedTuple):
    """ln w_k N(x_t), shape (B, K), and S_k^-1 (x_t - alpha m_k) along the axes, shape (B, K, D)."""

    log: Tensor
    whitened: Tensor


class Mixture:
    """A mixture of normal distributions.

    Args:
        weights: positive, shape (K,).
        means: shape (K, D).
        covariances: shape (K, D, D).
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        self.weights, self.means = weights.double() / weights.sum(), means.double()
        self.variances, self.axes = torch.linalg.eigh(covariances.double())

    @property
    def mean(self) -> Tensor:
        """Mean, shape (D,)."""
        return self.weights @ self.means

    @property
    def covariance(self) -> Tensor:
        """Covariance, shape (D, D)."""
        inner = torch.einsum("k,kde,ke,kfe->df", self.weights, self.axes, self.variances, self.axes)
        off = self.means - self.mean
        return inner + torch.einsum("k,kd,ke->de", self.weights, off, off)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Independent draws, shape (n, D), float64.

        Args:
            n: how many.
            generator: random stream.
        """
        kind = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, dtype=torch.float64)
        return self.means[kind] + torch.einsum("nde,ne->nd", self.axes[kind], self.variances[kind].sqrt() * noise)

    def log_prob(self, x: Tensor, alpha: float = 1.0, sigma: float = 0.0) -> Tensor:
        """Log-density of data, or of noisy values, shape (B,).

        Args:
            x: shape (B, D).
            alpha: scale of the data in them.
            sigma: noise in them.
        """
        one = torch.ones((), dtype=torch.float64)
        return self._parts(x.double(), alpha * one, sigma * one).log.logsumexp(1)

    def expectations(self, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Prediction:
        """E[x | x_t] and E[eps | x_t], each of shape (B, D).

        Args:
            x_t: shape (B, D).
            alpha: a single number, or shape (B, 1).
            sigma: a single number, or shape (B, 1).
        """
        parts = self._parts(x_t.double(), alpha, sigma)
        share = parts.log.softmax(1)[..., None]
        pull = torch.einsum("kde,bke->bkd", self.axes, self.variances * parts.whitened)
        push = torch.einsum("kde,bke->bkd", self.axes, parts.whitened)
        x, eps = (share * (self.means + alpha[..., None] * pull)).sum(1), (share * sigma[..., None] * push).sum(1)
        return Prediction(x, eps)

    def _parts(self, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> _Parts:
        total = (alpha**2)[..., None] * self.variances + (sigma**2)[..., None]
        off = torch.einsum("kde,bkd->bke", self.axes, x_t[:, None, :] - alpha[..., None] * self.means)
        logs = -(off**2 / total + total.log() + math.log(2 * math.pi)).sum(-1) / 2 + self.weights.log()
        return _Parts(logs, off / total)


class ExactDenoiser(Denoiser):
    """The best possible denoiser of a mixture.

    Args:
        mixture: distribution of the data.
        schedule: the path.
    """

    def __init__(self, mixture: Mixture, schedule: Schedule) -> None:
        super().__init__(nn.Identity(), schedule)
        self.mixture = mixture

    def forward(self, x_t: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The velocity.

        Args:
            x_t: shape (B, D).
            t: shape (B,).
            given: not used.
        """
        return self.predict(x_t, t, given).velocity(scales_at(self.schedule, t, x_t))

    def predict(self, x_t: Tensor, t: Tensor, given: Batch) -> Prediction:
        """Data and noise at x_t.

        Args:
            x_t: shape (B, D).
            t: shape (B,).
            given: not used.
        """
        at = scales_at(self.schedule, t.double(), x_t)
        x, eps, _ = self.mixture.expectations(x_t, at.alpha, at.sigma)
        return Prediction(x.to(x_t.dtype), eps.to(x_t.dtype))

    def flow(self, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """Where points at t are at s, for a mixture of one.

        Args:
            x_t: shape (B, D).
            t: a single number.
            s: a single number.
        """
        (later, earlier), axes = (self.schedule(time) for time in (t, s)), self.mixture.axes[0]
        growth = torch.sqrt(self._variances(earlier) / self._variances(later))
        off = (x_t - later.alpha * self.mixture.means[0]) @ axes
        moved: Tensor = earlier.alpha * self.mixture.means[0] + (growth * off) @ axes.T
        return moved

    def _variances(self, at: Scales) -> Tensor:
        variances: Tensor = at.alpha**2 * self.mixture.variances[0] + at.sigma**2
        return variances
