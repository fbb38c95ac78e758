r"""What a denoiser is trained on: unreduced losses, one number per row of the batch.

At a time t and with noise eps drawn for each row, a `Regression` is

    L = w(t) | F(x_t, t) - (a x + b eps) |^2

in whatever target a x + b eps the denoiser predicts. With the velocity and w = 1 it is flow matching (arXiv:2210.02747,
Eq. 23), with eps and w = 1 the simple loss of the DDPM (arXiv:2006.11239, Eq. 14), with v that of arXiv:2202.00512.
Other weights are written for the error of eps, from which that of the target follows by
F - (a x + b eps) = (determinant / alpha) (eps^ - eps):

    likelihood     w_eps = -(d/dt) ln(alpha / sigma)                     arXiv:2107.00630, Sec. 4
    EDM            w_eps = (r^2 + s^2) / s^2,   r = sigma / alpha        arXiv:2206.00364, Sec. 5

The latter is w = 1 in EDM's own target. Times are drawn uniformly, logit-normally (arXiv:2403.03206, Eq. 19), or so
that ln(sigma / alpha) is normal (arXiv:2206.00364, Table 1).
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from cloudchamber.process.denoise import Denoiser, Target, scales_at
from cloudchamber.process.schedule import Scales, Schedule, time_of
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = [
    "TIMES",
    "WEIGHTS",
    "Divided",
    "LogNormal",
    "LogitNormal",
    "Noised",
    "Objective",
    "PerElement",
    "Regression",
    "Times",
    "Varied",
    "Weight",
    "edm_weight",
    "independent",
    "likelihood_weight",
    "masked_sum",
    "noised",
    "optimal_transport",
    "simple_weight",
    "uniform",
]

Times = Callable[[Rng, Schedule], Tensor]
"""Draws one time for each row, shape (B,)."""
Weight = Callable[[Scales, Target], Tensor]
"""Weight of the squared error of the target, of the shape of the scales."""
Coupling = Callable[[Batch, Tensor], Tensor]
"""Noise for the data of a batch, from independent noise."""


class Objective(Protocol):
    """Losses of a batch."""

    def __call__(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,)."""
        ...


class LogitNormal:
    """Times sigmoid(location + scale z) with z ~ N(0, 1), which spends most draws between the ends.

    Args:
        location: shifts times to data (negative) or noise (positive).
        scale: spread.
    """

    def __init__(self, location: float = 0.0, scale: float = 1.0) -> None:
        self.location, self.scale = location, scale

    def __call__(self, rng: Rng, schedule: Schedule) -> Tensor:
        """Times, shape (B,).

        Args:
            rng: random stream.
            schedule: the path.
        """
        low, high = schedule.span
        return low + (high - low) * torch.sigmoid(self.location + self.scale * rng.normal())


class LogNormal:
    """Times at which ln(sigma / alpha) is normal.

    Args:
        location: mean.
        scale: standard deviation.
    """

    def __init__(self, location: float = -1.2, scale: float = 1.2) -> None:
        self.location, self.scale = location, scale

    def __call__(self, rng: Rng, schedule: Schedule) -> Tensor:
        """Times, shape (B,).

        Args:
            rng: random stream.
            schedule: the path.
        """
        ratio = (self.location + self.scale * rng.normal()).exp()
        return time_of(schedule, ratio).clamp(schedule.span.low, schedule.span.high)


def uniform(rng: Rng, schedule: Schedule) -> Tensor:
    """Times uniform in the span of the path, shape (B,).

    Args:
        rng: random stream.
        schedule: the path.
    """
    low, high = schedule.span
    return low + (high - low) * rng.uniform()


def simple_weight(at: Scales, target: Target) -> Tensor:
    """One.

    Args:
        at: scales.
        target: what the denoiser predicts.
    """
    return torch.ones_like(at.alpha)


def likelihood_weight(at: Scales, target: Target) -> Tensor:
    """The weight with which the loss bounds minus the log-likelihood, up to a constant.

    Args:
        at: scales with alpha and sigma above zero.
        target: what the denoiser predicts.
    """
    return (at.d_sigma / at.sigma - at.d_alpha / at.alpha) * _eps_weight(at, target)


def edm_weight(at: Scales, target: Target, deviation: float = 1.0) -> Tensor:
    """The weight of EDM.

    Args:
        at: scales with alpha > 0.
        target: what the denoiser predicts.
        deviation: standard deviation s of the data.
    """
    return (at.ratio**2 / deviation**2 + 1) * _eps_weight(at, target)


TIMES: dict[str, Times] = {"uniform": uniform, "logit-normal": LogitNormal(), "log-normal": LogNormal()}
WEIGHTS: dict[str, Weight] = {"simple": simple_weight, "likelihood": likelihood_weight, "edm": edm_weight}


def independent(batch: Batch, eps: Tensor) -> Tensor:
    """The noise as it is.

    Args:
        batch: not used.
        eps: noise.
    """
    return eps


def optimal_transport(batch: Batch, eps: Tensor) -> Tensor:
    """The same noise, dealt to the rows so that the summed squared distance to the data is least.

    Straighter paths need fewer calls (arXiv:2302.00482, Prop. 3.4). The rows of one process are coupled.

    Args:
        batch: vectors without conditions, x of shape (B, F).
        eps: noise, shape (B, F).

    Raises:
        ValueError: if there are conditions, which the coupling would make depend on the noise.
    """
    if batch.context is not None or batch.mask is not None:
        raise ValueError("optimal-transport coupling is for vectors without conditions")
    _, column = linear_sum_assignment(torch.cdist(batch.x.float(), eps.float()).square().cpu().numpy())
    return eps[torch.from_numpy(column).to(eps.device)]


class Noised(NamedTuple):
    """Noisy rows.

    Attributes:
        x_t: shape (B, ...), zero on padding.
        eps: the noise, shape (B, ...).
        t: times, shape (B,).
        at: scales that multiply rows.
    """

    x_t: Tensor
    eps: Tensor
    t: Tensor
    at: Scales


def noised(schedule: Schedule, batch: Batch, t: Tensor, eps: Tensor) -> Noised:
    """The data of a batch on the path.

    Args:
        schedule: the path.
        batch: data x.
        t: times, shape (B,).
        eps: noise, of the shape of x.
    """
    at = scales_at(schedule, t, batch.x)
    x_t = at.alpha * batch.x + at.sigma * eps
    return Noised(x_t if batch.mask is None else x_t.masked_fill(~batch.mask[..., None], 0.0), eps, t, at)


def masked_sum(values: Tensor, mask: Tensor | None) -> Tensor:
    """Sum over all but the first dimension, padding left out, shape (B,).

    Args:
        values: shape (B, F) or (B, N, F).
        mask: real elements, shape (B, N).
    """
    if mask is not None:
        values = values.masked_fill(~mask[..., None], 0.0)
    return values.flatten(1).sum(1)


class Regression:
    """Squared error of the denoiser's target, averaged over features and summed over elements.

    Args:
        times: how the time of each row is drawn.
        weight: w(t) for the target.
        coupling: how noise meets data.
    """

    def __init__(
        self, times: Times | None = None, weight: Weight = simple_weight, coupling: Coupling = independent
    ) -> None:
        self.times, self.weight, self.coupling = times or LogitNormal(), weight, coupling

    def __call__(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,).

        Args:
            denoiser: what is trained.
            batch: data x and conditions.
            rng: random stream.
        """
        t = self.times(rng, denoiser.schedule)
        eps = self.coupling(batch, rng.normal(*batch.x.shape[1:]))
        x_t, eps, t, at = noised(denoiser.schedule, batch, t, eps)
        a, b = denoiser.target(at)
        error = denoiser(x_t, t, batch).float() - (a * batch.x + b * eps)
        weight = self.weight(at, denoiser.target).flatten()
        return weight * masked_sum(error.square(), batch.mask) / batch.x.shape[-1]


class PerElement:
    """Another objective summed over features and divided by the mean number of elements in the rows.

    The mean over rows is then the sum of all errors over the number of all elements, as in OmniLearn's public code
    (arXiv:2404.16091): every element counts alike, whatever the size of its set.

    Args:
        objective: averages over features and sums over elements.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def __call__(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,).

        Args:
            denoiser: what is trained.
            batch: sets x of shape (B, N, F) with a mask.
            rng: random stream.
        """
        losses = self.objective(denoiser, batch, rng)
        return losses * batch.x.shape[-1] / batch.lengths.to(losses).mean().clamp(min=1)


class Divided:
    """Another objective divided by a number.

    Args:
        objective: of the rows.
        number: the divisor.
    """

    def __init__(self, objective: Objective, number: float) -> None:
        self.objective, self.number = objective, number

    def __call__(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,).

        Args:
            denoiser: what is trained.
            batch: data x and conditions.
            rng: random stream.
        """
        return self.objective(denoiser, batch, rng) / self.number


class Varied:
    """Another objective for data that are varied anew whenever they are seen, such as by symmetries that they have.

    Args:
        objective: of the varied data.
        vary: makes other rows, as likely as those it is given.
    """

    def __init__(self, objective: Objective, vary: Callable[[Batch, Rng], Batch]) -> None:
        self.objective, self.vary = objective, vary

    def __call__(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,).

        Args:
            denoiser: what is trained.
            batch: data x and conditions.
            rng: random stream.
        """
        return self.objective(denoiser, self.vary(batch, rng), rng)


def _eps_weight(at: Scales, target: Target) -> Tensor:
    """Squared error of eps over that of the target."""
    a, b = target(at)
    return (at.alpha / (at.alpha * b - at.sigma * a)) ** 2
