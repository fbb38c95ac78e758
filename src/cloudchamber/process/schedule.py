r"""The affine path between data and noise.

    x_t = alpha_t x + sigma_t eps,    eps ~ N(0, 1),    0 <= t <= 1

Time runs from data (t = 0) to noise (t = 1) in the whole package; samplers go from 1 to 0. The signal-to-noise ratio
alpha^2 / sigma^2 falls strictly with t. What the literature calls a process is a choice of two functions:

    Rectified      alpha = 1 - t                 sigma = t                          arXiv:2210.02747, Eq. 20
    CosineLogSNR   alpha = cos(a t + b)          sigma = sin(a t + b)               arXiv:2202.00512, Sec. 2
    VP             alpha = exp(-B(t) / 2)        sigma^2 = 1 - alpha^2              arXiv:2011.13456, Eq. 29
    SubVP          alpha = exp(-B(t) / 2)        sigma = 1 - alpha^2                arXiv:2011.13456, Eq. 29
    VE             alpha = 1                     sigma = s0 (s1 / s0)^t             arXiv:2011.13456, Eq. 29
    EDM            alpha = 1                     sigma^(1 / rho) linear in t        arXiv:2206.00364, Eq. 5
    Discrete       alpha^2 = prod (1 - beta_i)   sigma^2 = 1 - alpha^2 at t = k / T arXiv:2006.11239, Eq. 4

with B(t) = int_0^t beta and beta linear in t. A path is used on its `span`: where an end of [0, 1] is singular, the
span stops short of it, and what noise is left at its lower end is removed by one last denoising.
"""

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = ["EDM", "VE", "VP", "CosineLogSNR", "Discrete", "Rectified", "Scales", "Schedule", "Span", "SubVP", "time_of"]


class Scales(NamedTuple):
    """alpha_t and sigma_t with their time derivatives, each of the shape of t."""

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor

    @property
    def ratio(self) -> Tensor:
        """Noise over signal, sigma / alpha."""
        return self.sigma / self.alpha


class Span(NamedTuple):
    """Times between which a path is used."""

    low: float
    high: float


class Schedule(Protocol):
    """t -> Scales."""

    @property
    def span(self) -> Span:
        """Times between which it is regular."""
        ...

    def __call__(self, t: Tensor) -> Scales:
        """Scales at the times t."""
        ...


class Rectified:
    """The straight path of flow matching.

    >>> Rectified()(torch.tensor(0.25)).alpha
    tensor(0.7500)
    """

    span = Span(0.0, 1.0)

    def __call__(self, t: Tensor) -> Scales:
        """Scales at the times t.

        Args:
            t: any shape.
        """
        one = torch.ones_like(t)
        return Scales(1 - t, t, -one, one)


class CosineLogSNR:
    """Variance preserving with ln(alpha^2 / sigma^2) = -2 ln tan(a t + b) between two limits.

    Args:
        low: log signal-to-noise ratio at t = 1.
        high: log signal-to-noise ratio at t = 0.
    """

    span = Span(0.0, 1.0)

    def __init__(self, low: float = -20.0, high: float = 20.0) -> None:
        self._b = math.atan(math.exp(-high / 2))
        self._a = math.atan(math.exp(-low / 2)) - self._b

    def __call__(self, t: Tensor) -> Scales:
        """Scales at the times t.

        Args:
            t: any shape.
        """
        angle = self._a * t + self._b
        return _on_circle(angle, torch.full_like(angle, self._a))


class VP:
    """The variance-preserving diffusion with linear beta.

    Args:
        beta_min: beta at t = 0.
        beta_max: beta at t = 1.
    """

    span = Span(1e-3, 1.0)

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0) -> None:
        self.beta_min, self.beta_max = beta_min, beta_max

    def _alpha(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Ln alpha, alpha and its derivative."""
        log_alpha = -t * (self.beta_min + t * (self.beta_max - self.beta_min) / 2) / 2
        alpha = log_alpha.exp()
        return log_alpha, alpha, -(self.beta_min + t * (self.beta_max - self.beta_min)) * alpha / 2

    def __call__(self, t: Tensor) -> Scales:
        """Scales at the times t > 0.

        Args:
            t: any shape.
        """
        log_alpha, alpha, d_alpha = self._alpha(t)
        sigma = torch.sqrt(-torch.expm1(2 * log_alpha))
        return Scales(alpha, sigma, d_alpha, -alpha * d_alpha / sigma)


class SubVP(VP):
    """As `VP` with less noise on the way: sigma = 1 - alpha^2."""

    def __call__(self, t: Tensor) -> Scales:
        """Scales at the times t > 0.

        Args:
            t: any shape.
        """
        log_alpha, alpha, d_alpha = self._alpha(t)
        return Scales(alpha, -torch.expm1(2 * log_alpha), d_alpha, -2 * alpha * d_alpha)


class VE:
    """The variance-exploding diffusion.

    Args:
        sigma_min: noise at t = 0.
        sigma_max: noise at t = 1, larger than the data.
    """

    span = Span(0.0, 1.0)

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0) -> None:
        self.sigma_min, self._growth = sigma_min, math.log(sigma_max / sigma_min)

    def __call__(self, t: Tensor) -> Scales:
        """Scales at the times t.

        Args:
            t: any shape.
        """
        sigma = self.sigma_min * torch.exp(self._growth * t)
        return Scales(torch.ones_like(t), sigma, torch.zeros_like(t), self._growth * sigma)


class EDM:
    """Variance exploding, with more of the time spent near the data: equal steps of t are the steps of Eq. 5.

    Args:
        sigma_min: noise at t = 0.
        sigma_max: noise at t = 1.
        rho: curvature.
    """

    span = Span(0.0, 1.0)

    def __init__(self, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> None:
        self.rho, self._low = rho, sigma_min ** (1 / rho)
        self._slope = sigma_max ** (1 / rho) - self._low

    def __call__(self, t: Tensor) -> Scales:
        """Scales at the times t.

        Args:
            t: any shape.
        """
        root = self._low + self._slope * t
        d_sigma = self.rho * self._slope * root ** (self.rho - 1)
        return Scales(torch.ones_like(t), root**self.rho, torch.zeros_like(t), d_sigma)


class Discrete:
    """The DDPM with T steps. Between t = k / T the angle arccos(alpha) is interpolated linearly.

    Args:
        betas: variance added in each step, shape (T,).
    """

    span = Span(0.0, 1.0)

    def __init__(self, betas: Tensor) -> None:
        signal = torch.cat([torch.ones(1).double(), (1 - betas.double()).cumprod(0)])
        self.angles, self.steps = torch.arccos(signal.sqrt()), len(betas)

    @classmethod
    def linear(cls, steps: int = 1000) -> "Discrete":
        """Betas from 1e-4 to 0.02 at T = 1000 (arXiv:2006.11239, Sec. 4), scaled by 1000 / T for other T.

        Args:
            steps: number T of steps; at least 21, so that no beta exceeds one.
        """
        scale = 1000 / steps
        return cls(torch.linspace(1e-4 * scale, 0.02 * scale, steps, dtype=torch.float64))

    @classmethod
    def cosine(cls, steps: int = 1000, offset: float = 0.008) -> "Discrete":
        """Cosine schedule (arXiv:2102.09672, Eq. 17), betas clipped at 0.999.

        Args:
            steps: number T of steps.
            offset: keeps the first betas from vanishing.
        """
        t = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        signal = torch.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2
        return cls((1 - signal[1:] / signal[:-1]).clamp(max=0.999))

    def __call__(self, t: Tensor) -> Scales:
        """Scales at the times t.

        Args:
            t: any shape, between 0 and 1.
        """
        table = self.angles.to(t)
        position = t * self.steps
        step = position.detach().floor().long().clamp(0, self.steps - 1)
        slope = table[step + 1] - table[step]
        return _on_circle(table[step] + (position - step) * slope, slope * self.steps)


def time_of(schedule: Schedule, ratio: Tensor) -> Tensor:
    """Times at which sigma / alpha has given values, by bisection; values outside [0, 1] end at its ends.

    Args:
        schedule: which path.
        ratio: any shape.

    >>> round(time_of(Rectified(), torch.tensor(3.0)).item(), 6)
    0.75
    """
    low, high = torch.zeros_like(ratio, dtype=torch.float64), torch.ones_like(ratio, dtype=torch.float64)
    for _ in range(60):
        middle = (low + high) / 2
        below = schedule(middle).ratio < ratio
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return ((low + high) / 2).to(ratio.dtype)


def _on_circle(angle: Tensor, slope: Tensor) -> Scales:
    """Variance-preserving scales alpha = cos(angle), sigma = sin(angle)."""
    alpha, sigma = angle.cos(), angle.sin()
    return Scales(alpha, sigma, -sigma * slope, alpha * slope)
