r"""The discrete DDPM trained on its variational bound, with learnt variances (arXiv:2102.09672).

With K = 1 ... T the time t = K / T, the bound on minus the log-likelihood is a sum of terms (Eqs. 4-7 there)

    L_{K-1} = KL( q(x_{K-1} | x_K, x) || p(x_{K-1} | x_K) )     K > 1
    L_0     = -ln p(x | x_1)

where p has the mean of the posterior at the predicted data, and a variance between beta and beta~. One K is drawn for
each row, and the hybrid loss (Eq. 16) is

    L = | F - (a x + b eps) |^2 + lambda T L_{K-1}

in which the second term trains the variance alone. Drawing K in proportion to sqrt(E[L^2]) (Eq. 18) evens out the
terms; 1 / (T p(K)) then weights each row. L_0 is a density, or, where data are known to a resolution d, minus the
log-probability of the interval of that width about them: for data of which most are constants the density has no bound,
and its size would draw nearly all steps to K = 1.
"""

import math
from typing import NamedTuple, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from cloudchamber.process.denoise import Denoiser, Prediction, VarianceDenoiser, scales_at
from cloudchamber.process.objective import Noised, masked_sum, noised
from cloudchamber.process.schedule import Discrete
from cloudchamber.process.transition import gaussian_kl, transition
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Hybrid", "LossSecondMoment", "StepDraw", "Steps", "UniformSteps", "bound_term"]

_LOG_2PI = 1.8378770664093453
_LEAST_SHARE = 1e-6
"""Below this probability of an interval its logarithm is that of the tail, which keeps the gradient."""


class Steps(NamedTuple):
    """Steps K of the rows, from 1 to T, and what their losses weigh, each of shape (B,)."""

    number: Tensor
    weight: Tensor


class StepDraw(Protocol):
    """How the step of each row is drawn."""

    def draw(self, rng: Rng) -> Steps:
        """One step for each row."""
        ...

    def observe(self, steps: Tensor, losses: Tensor) -> None:
        """Learn from the losses of a batch."""
        ...


class UniformSteps:
    """All steps alike.

    Args:
        total: number T of steps.
    """

    def __init__(self, total: int) -> None:
        self.total = total

    def draw(self, rng: Rng) -> Steps:
        """One step for each row.

        Args:
            rng: random stream.
        """
        number = (rng.uniform() * self.total).long().clamp(max=self.total - 1) + 1
        return Steps(number, torch.ones_like(number, dtype=torch.get_default_dtype()))

    def observe(self, steps: Tensor, losses: Tensor) -> None:
        """Nothing to learn.

        Args:
            steps: not used.
            losses: not used.
        """


class LossSecondMoment(nn.Module):
    """Steps drawn in proportion to the root mean square of their last losses; uniformly until all have been seen.

    Args:
        total: number T of steps.
        memory: losses that are remembered for each step.
        floor: share of the draws that stays uniform.
    """

    losses: Tensor
    seen: Tensor

    def __init__(self, total: int, memory: int = 10, floor: float = 1e-3) -> None:
        super().__init__()
        self.total, self.memory, self.floor = total, memory, floor
        self.register_buffer("losses", torch.zeros(total, memory))
        self.register_buffer("seen", torch.zeros(total, dtype=torch.long))

    @property
    def probabilities(self) -> Tensor:
        """Probability of each step, shape (T,)."""
        if bool((self.seen < self.memory).any()):
            return torch.full_like(self.losses[:, 0], 1 / self.total)
        size = self.losses.square().mean(1).sqrt()
        return size / size.sum() * (1 - self.floor) + self.floor / self.total

    def draw(self, rng: Rng) -> Steps:
        """One step for each row.

        Args:
            rng: random stream.
        """
        p = self.probabilities
        cumulative = p.cumsum(0)
        index = torch.searchsorted(cumulative, rng.uniform() * cumulative[-1]).clamp(max=self.total - 1)
        return Steps(index + 1, 1 / (self.total * p[index]))

    @torch.no_grad()
    def observe(self, steps: Tensor, losses: Tensor) -> None:
        """Remember the losses of a batch; those of all processes where several train together.

        Args:
            steps: shape (B,).
            losses: shape (B,).
        """
        steps, losses = _from_all_processes(steps, losses)
        order = torch.argsort(steps, stable=True)
        index = steps[order] - 1
        count = torch.bincount(index, minlength=self.total)
        rank = torch.arange(len(index), device=index.device) - (count.cumsum(0) - count)[index]
        last = rank >= count[index] - self.memory
        place = (self.seen[index] + rank) % self.memory
        self.losses[index[last], place[last]] = losses[order][last].to(self.losses)
        self.seen += count


class Hybrid(nn.Module):
    """Simple loss plus a little of the variational bound, for a `VarianceDenoiser` on a `Discrete` schedule.

    Args:
        steps: how steps are drawn.
        share: weight lambda of the bound.
        resolution: to which the data are known; None for a density.
    """

    def __init__(self, steps: StepDraw, share: float = 1e-3, resolution: float | None = None) -> None:
        super().__init__()
        self.steps, self.share, self.resolution = steps, share, resolution

    def forward(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,).

        Args:
            denoiser: what is trained.
            batch: data x and conditions.
            rng: random stream.
        """
        assert isinstance(denoiser, VarianceDenoiser)
        assert isinstance(denoiser.schedule, Discrete)
        total = denoiser.schedule.steps
        steps, weight = self.steps.draw(rng)
        given = noised(denoiser.schedule, batch, (steps / total).to(batch.x.dtype), rng.normal(*batch.x.shape[1:]))
        output, spread = denoiser.both(given.x_t, given.t, batch)
        a, b = denoiser.target(given.at)
        simple = masked_sum((output - (a * batch.x + b * given.eps)).square(), batch.mask)
        prediction = denoiser.solve(output.detach(), given.x_t, given.at)._replace(spread=spread)
        bound = bound_term(denoiser.schedule, given, batch, prediction, self.resolution)
        losses = (simple + self.share * total * bound) / batch.x.shape[-1]
        if self.training:
            self.steps.observe(steps, losses.detach())
        return weight * losses


def bound_term(
    schedule: Discrete, given: Noised, batch: Batch, prediction: Prediction, resolution: float | None = None
) -> Tensor:
    """The term L_{K-1} of the bound for each row, in nats, shape (B,).

    Args:
        schedule: with T steps.
        given: noisy rows at times K / T.
        batch: the data.
        prediction: at the noisy rows; its spread sets the variance, beta~ if there is none.
        resolution: to which the data are known; None for a density.
    """
    step = transition(given.at, scales_at(schedule, given.t - 1 / schedule.steps, batch.x))
    spread = torch.zeros_like(batch.x) if prediction.spread is None else prediction.spread
    log_variance = step.log_variance(spread, _second_variance(schedule).to(batch.x))
    truth = Prediction(batch.x, (given.x_t - given.at.alpha * batch.x) / given.at.sigma)
    mean = step.mean(prediction)
    inner = gaussian_kl(step.mean(truth), step.log_variance(torch.zeros_like(spread)), mean, log_variance)
    if resolution is None:
        first = (_LOG_2PI + log_variance + (batch.x - mean) ** 2 * (-log_variance).exp()) / 2
    else:
        first = _interval(batch.x - mean, (log_variance / 2).exp(), resolution)
    is_first = scales_at(schedule, given.t, batch.x).sigma <= schedule(1.5 / torch.tensor(schedule.steps)).sigma
    return masked_sum(torch.where(is_first, first, inner), batch.mask)


def _interval(distance: Tensor, deviation: Tensor, width: float) -> Tensor:
    """Minus the log-probability of an interval whose middle is at a distance from the mean of a normal number."""
    far, half = distance.abs(), width / 2
    share = torch.special.ndtr((half - far) / deviation) - torch.special.ndtr((-half - far) / deviation)
    tail = ((far - half).clamp(min=0) / deviation).square() / 2 - math.log(_LEAST_SHARE)
    return torch.where(share > _LEAST_SHARE, -share.clamp(min=_LEAST_SHARE).log(), tail)


def _second_variance(schedule: Discrete) -> Tensor:
    """The variance beta~ of the second step, which stands in for that of the first, zero."""
    later, earlier = (schedule(torch.tensor(k / schedule.steps, dtype=torch.float64)) for k in (2, 1))
    return transition(later, earlier).backward


def _from_all_processes(*values: Tensor) -> list[Tensor]:
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return list(values)
    together = []
    for value in values:
        parts: list[Tensor | None] = [None] * dist.get_world_size()
        dist.all_gather_object(parts, value.cpu())
        together.append(torch.cat([part for part in parts if part is not None]).to(value.device))
    return together
