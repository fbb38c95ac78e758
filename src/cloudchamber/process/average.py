r"""Average velocities, which make a step of any length in one call.

The average velocity between s < t is defined along the flow by (t - s) u(x_t, t, s) = int_s^t velocity(x_r, r) dr, so
that x_s = x_t - (t - s) u and u(x_t, t, t) is the velocity itself. Two ways to learn it:

    MeanFlow   u = v - (t - s) (v . d/dx + d/dt) u                              arXiv:2505.13447, Eqs. 6 and 10
    Shortcut   u(x_t, t, s) = ( u(x_t, t, m) + u(x_m, m, s) ) / 2, m = (t + s) / 2       arXiv:2410.12557, Sec. 3

with v the velocity, d_alpha x + d_sigma eps of the data at hand or that of a teacher, and the right-hand sides without
gradient. The total derivative costs one forward-mode pass.
"""

import torch
from torch import Tensor, nn
from torch.func import jvp

from cloudchamber.errors import InputError
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.objective import Noised, Times, masked_sum, noised, uniform
from cloudchamber.process.schedule import Schedule
from cloudchamber.process.step import Field, Grid, State
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["AverageVelocity", "Jump", "MeanFlow", "Shortcut"]


class AverageVelocity(Denoiser):
    """A network of two times, t and t - s, that predicts the average velocity.

    Args:
        net: called with times of shape (B, 2).
        schedule: the path.
    """

    def __init__(self, net: nn.Module, schedule: Schedule) -> None:
        super().__init__(net, schedule, "velocity")

    def forward(self, x_t: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The velocity.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        return self.average(x_t, t, t, given)

    def average(self, x_t: Tensor, t: Tensor, s: Tensor, given: Batch) -> Tensor:
        """The average velocity between s and t.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            s: shape (B,), not above t.
            given: conditions.
        """
        output: Tensor = self.net(x_t, torch.stack([t, t - s], dim=-1), given)
        return output


class Jump(Grid):
    """x_s = x_t - (t - s) u(x_t, t, s), one call."""

    calls = 1

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """Jump.

        Args:
            field: of a model that has learnt average velocities.
            state: at t.
            t: present time.
            s: next time.
            rng: not used.

        Raises:
            InputError: if the model has not.
        """
        x, denoiser = state.x, field.denoiser
        if not isinstance(denoiser, AverageVelocity):
            raise InputError("the sampler 'jump' needs a model distilled with mean-flow or shortcut; choose another.")
        later, earlier = (time.to(x).expand(len(x)) for time in (t, s))
        return State(x - (t - s) * field.real(denoiser.average(x, later, earlier, field.given).to(x.dtype)))


class MeanFlow:
    """The loss of average velocities by their differential equation.

    Args:
        teacher: gives the velocity; None to take it from the data.
        times: how the two times of each row are drawn; uniformly by default, so that long steps are seen.
        instants: share of the rows with s = t.
        power: the squared error e of a row weighs 1 / (e + 1e-3)^power, which tames outliers.
    """

    def __init__(
        self, teacher: Denoiser | None = None, times: Times | None = None, instants: float = 0.5, power: float = 0.5
    ) -> None:
        self.teacher = None if teacher is None else teacher.requires_grad_(False).eval()
        self.times, self.instants, self.power = times or uniform, instants, power

    def __call__(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,).

        Args:
            denoiser: an `AverageVelocity`.
            batch: data x and conditions.
            rng: random stream.
        """
        assert isinstance(denoiser, AverageVelocity)
        one, two = (self.times(rng, denoiser.schedule) for _ in range(2))
        t, s = torch.maximum(one, two), torch.minimum(one, two)
        s = torch.where(rng.uniform() < self.instants, t, s)
        given = noised(denoiser.schedule, batch, t, rng.normal(*batch.x.shape[1:]))
        v = _velocity(self.teacher, given, batch)

        def average(x: Tensor, time: Tensor) -> Tensor:
            return denoiser.average(x, time, s, batch).to(v.dtype)

        u, change, *_ = jvp(average, (given.x_t, t), (v, torch.ones_like(t)))
        wanted = (v - (t - s).view(given.at.alpha.shape) * change).detach()
        return _tamed(masked_sum((u - wanted).square(), batch.mask) / batch.x.shape[-1], batch, self.power)


class Shortcut:
    """The loss of average velocities by the consistency of a step with its two halves.

    Args:
        teacher: gives the velocity; None to take it from the data.
        times: how times of rows with s = t are drawn.
        instants: share of the rows with s = t.
        finest: the shortest steps are 2^-finest of the span.
    """

    def __init__(
        self, teacher: Denoiser | None = None, times: Times | None = None, instants: float = 0.5, finest: int = 6
    ) -> None:
        self.teacher = None if teacher is None else teacher.requires_grad_(False).eval()
        self.times, self.instants, self.finest = times or uniform, instants, finest

    def __call__(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,).

        Args:
            denoiser: an `AverageVelocity`.
            batch: data x and conditions.
            rng: random stream.
        """
        assert isinstance(denoiser, AverageVelocity)
        t, s = self._steps(denoiser.schedule, rng)
        given = noised(denoiser.schedule, batch, t, rng.normal(*batch.x.shape[1:]))
        v = _velocity(self.teacher, given, batch)
        with torch.no_grad():
            middle, shape = (t + s) / 2, given.at.alpha.shape
            first = denoiser.average(given.x_t, t, middle, batch)
            second = denoiser.average(given.x_t - (t - middle).view(shape) * first, middle, s, batch)
            wanted = torch.where((t == s).view(shape), v, (first + second).to(v.dtype) / 2)
        error = denoiser.average(given.x_t, t, s, batch).to(v.dtype) - wanted
        return masked_sum(error.square(), batch.mask) / batch.x.shape[-1]

    def _steps(self, schedule: Schedule, rng: Rng) -> tuple[Tensor, Tensor]:
        """Times t and s of each row: equal, or ends of a step of the grid of its length."""
        low, high = schedule.span
        instant, t = rng.uniform() < self.instants, self.times(rng, schedule)
        count = 2 ** (rng.uniform() * self.finest).long()
        place = torch.minimum((rng.uniform() * count).long(), count - 1)
        s = low + (high - low) * place / count
        later = low + (high - low) * (place + 1) / count
        return torch.where(instant, t, later), torch.where(instant, t, s)


def _velocity(teacher: Denoiser | None, given: Noised, batch: Batch) -> Tensor:
    """Velocity of the data at hand, or of a teacher, zero on padding."""
    if teacher is None:
        v = given.at.d_alpha * batch.x + given.at.d_sigma * given.eps
    else:
        with torch.no_grad():
            v = teacher.to(batch.x.device).predict(given.x_t, given.t, batch).velocity(given.at)
    return v if batch.mask is None else v.masked_fill(~batch.mask[..., None], 0.0)


def _tamed(error: Tensor, batch: Batch, power: float) -> Tensor:
    """Errors of rows divided by a power of their mean over elements, (arXiv:2505.13447, Eq. 22), without gradient."""
    elements = 1 if batch.mask is None else batch.mask.sum(1)
    return error / ((error.detach() / elements) + 1e-3) ** power
