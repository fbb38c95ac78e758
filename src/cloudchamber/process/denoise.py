r"""What a network says about the data behind a noisy value.

A network F predicts a target that is linear in data and noise, a x + b eps. Together with the path,

    ( alpha  sigma ) ( x   )   ( x_t )              alpha b - sigma a = determinant
    (   a      b   ) ( eps ) = (  F  ),

it fixes both; all conversions of the package are this one solution. The targets in use are

    eps          a = 0,              b = 1                 arXiv:2006.11239, Eq. 14
    x            a = 1,              b = 0
    v            a = -sigma,         b = alpha             arXiv:2202.00512, Sec. 4
    velocity     a = d_alpha,        b = d_sigma           arXiv:2210.02747, Eq. 23
    EDM          a = r / (s q),      b = -s / q            arXiv:2206.00364, Eqs. 7-8, r = sigma / alpha

with s the standard deviation of the data and q = sqrt(r^2 + s^2): c_skip and c_out of EDM are this choice of a and b,
and c_in and c_noise are the network's inputs (`Scaled`).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from cloudchamber.errors import InputError
from cloudchamber.process.schedule import Scales, Schedule, Span, time_of
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = [
    "TARGETS",
    "Coefficients",
    "Denoiser",
    "EDMTarget",
    "Network",
    "Prediction",
    "Rescheduled",
    "Scaled",
    "Target",
    "VarianceDenoiser",
    "scales_at",
]

_INSET = 1e-3
"""How far from an end of the path a target is used that knows nothing there."""


class Network(Protocol):
    """(x_t, t, given) -> a tensor of the shape of x_t."""

    def __call__(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output for noisy values x at times t (B,) under the conditions in `given`."""
        ...


@runtime_checkable
class Distributed(Protocol):
    """A network that knows the distribution of each number, not its mean alone."""

    def draw(self, x: Tensor, t: Tensor, given: Batch, rng: Rng) -> Tensor:
        """Data drawn number by number, of the shape of the noisy values x at times t (B,)."""
        ...


class Coefficients(NamedTuple):
    """A target a x + b eps."""

    a: Tensor
    b: Tensor


Target = Callable[[Scales], Coefficients]


class Prediction(NamedTuple):
    """Expectations given x_t.

    Attributes:
        x: the data, of the shape of x_t.
        eps: the noise, of the shape of x_t.
        spread: where between its bounds the variance of a step lies, from 0 to 1; None where it is not learnt.
    """

    x: Tensor
    eps: Tensor
    spread: Tensor | None = None

    def velocity(self, at: Scales) -> Tensor:
        """The velocity of the path, d_alpha x + d_sigma eps.

        Args:
            at: scales at the time of the prediction.
        """
        return at.d_alpha * self.x + at.d_sigma * self.eps

    def score(self, at: Scales) -> Tensor:
        """The gradient of the log-density of x_t, -eps / sigma (arXiv:2011.13456, Sec. 2).

        Args:
            at: scales at the time of the prediction.
        """
        return -self.eps / at.sigma


def _eps(at: Scales) -> Coefficients:
    return Coefficients(torch.zeros_like(at.alpha), torch.ones_like(at.alpha))


def _x(at: Scales) -> Coefficients:
    return Coefficients(torch.ones_like(at.alpha), torch.zeros_like(at.alpha))


def _v(at: Scales) -> Coefficients:
    return Coefficients(-at.sigma, at.alpha)


def _velocity(at: Scales) -> Coefficients:
    return Coefficients(at.d_alpha, at.d_sigma)


TARGETS: Mapping[str, Target] = {"eps": _eps, "x": _x, "v": _v, "velocity": _velocity}


class EDMTarget:
    """The target of EDM's preconditioning, of unit variance at all times.

    Args:
        deviation: standard deviation s of the data.
    """

    def __init__(self, deviation: float = 1.0) -> None:
        self.deviation = deviation

    def __call__(self, at: Scales) -> Coefficients:
        """Coefficients at a time.

        Args:
            at: scales with alpha > 0.
        """
        q = torch.sqrt(at.ratio**2 + self.deviation**2)
        return Coefficients(at.ratio / (self.deviation * q), -self.deviation / q)


def scales_at(schedule: Schedule, t: Tensor, like: Tensor) -> Scales:
    """Scales at the times of rows, ready to multiply the rows.

    Args:
        schedule: the path.
        t: shape (B,).
        like: shape (B, ...).
    """
    return schedule(t.view(-1, *[1] * (like.dim() - 1)))


class Denoiser(nn.Module):
    """A network with a target on a schedule.

    Args:
        net: predicts the target.
        schedule: the path it is trained on.
        target: a name in `TARGETS`, or any function of the scales.
    """

    calls: int = 1
    """Network calls behind a prediction."""

    def __init__(self, net: nn.Module, schedule: Schedule, target: str | Target = "velocity") -> None:
        super().__init__()
        self.net, self.schedule = net, schedule
        self.target = TARGETS[target] if isinstance(target, str) else target

    @property
    def span(self) -> Span:
        """Times between which its predictions exist: those of the schedule at which the target's equations do."""
        low, high = self.schedule.span
        ends = self.schedule(torch.tensor([low, high], dtype=torch.float64))
        blind = _determinant(ends, self.target(ends)) == 0
        return Span(low + _INSET if blind[0] else low, high - _INSET if blind[1] else high)

    def forward(self, x_t: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The predicted target.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        output: Tensor = self.net(x_t, t, given)
        return output

    def predict(self, x_t: Tensor, t: Tensor, given: Batch) -> Prediction:
        """Data and noise at x_t.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        return self.solve(self(x_t, t, given).to(x_t.dtype), x_t, scales_at(self.schedule, t, x_t))

    def draw(self, x_t: Tensor, t: Tensor, given: Batch, rng: Rng) -> Prediction:
        """Data drawn from what is known of each number at x_t, and the noise that goes with them.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
            rng: random stream.

        Raises:
            InputError: if the network knows no distributions.
        """
        if not isinstance(self.net, Distributed):
            raise InputError("the sampler 'mixture' is for models that know the distribution of each number.")
        x, at = self.net.draw(x_t, t, given, rng), scales_at(self.schedule, t, x_t)
        return Prediction(x, (x_t - at.alpha * x) / at.sigma)

    def solve(self, output: Tensor, x_t: Tensor, at: Scales) -> Prediction:
        """Data and noise from a predicted target.

        Args:
            output: a x + b eps, shape (B, ...).
            x_t: shape (B, ...).
            at: scales that multiply rows.
        """
        a, b = self.target(at)
        determinant = _determinant(at, Coefficients(a, b))
        return Prediction((b * x_t - at.sigma * output) / determinant, (at.alpha * output - a * x_t) / determinant)


class VarianceDenoiser(Denoiser):
    """A denoiser whose network also says the variance of a step back (arXiv:2102.09672, Eq. 15).

    Args:
        net: predicts the target and, in the second half of the last dimension, the spread as a number around zero.
        schedule: the path it is trained on.
        target: as of `Denoiser`.
    """

    def forward(self, x_t: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The predicted target.

        Args:
            x_t: shape (B, ..., F).
            t: shape (B,).
            given: conditions.
        """
        return self.both(x_t, t, given)[0]

    def both(self, x_t: Tensor, t: Tensor, given: Batch) -> tuple[Tensor, Tensor]:
        """The predicted target and the spread, each of the shape of x_t.

        Args:
            x_t: shape (B, ..., F).
            t: shape (B,).
            given: conditions.
        """
        output, spread = self.net(x_t, t, given).to(x_t.dtype).chunk(2, dim=-1)
        return output, (spread + 1) / 2

    def predict(self, x_t: Tensor, t: Tensor, given: Batch) -> Prediction:
        """Data, noise and spread at x_t.

        Args:
            x_t: shape (B, ..., F).
            t: shape (B,).
            given: conditions.
        """
        output, spread = self.both(x_t, t, given)
        return self.solve(output, x_t, scales_at(self.schedule, t, x_t))._replace(spread=spread)


class Scaled(nn.Module):
    """A network that sees inputs of unit variance, and the logarithm of the noise as its time (c_in, c_noise of EDM).

    Args:
        net: the network.
        schedule: the path.
        deviation: standard deviation of the data.
    """

    def __init__(self, net: nn.Module, schedule: Schedule, deviation: float = 1.0) -> None:
        super().__init__()
        self.net, self.schedule, self.deviation = net, schedule, deviation

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output.

        Args:
            x: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        at = scales_at(self.schedule, t, x)
        size = torch.sqrt(at.alpha**2 * self.deviation**2 + at.sigma**2)
        output: Tensor = self.net(x / size, at.ratio.log().view(-1) / 4, given)
        return output


class Rescheduled(Denoiser):
    """A trained denoiser on another path: asked at the time of its own path at which the noise is the same.

    Args:
        denoiser: trained on its own schedule.
        schedule: the path to use it on.
    """

    def __init__(self, denoiser: Denoiser, schedule: Schedule) -> None:
        super().__init__(denoiser, schedule)
        self.calls = denoiser.calls

    @property
    def original(self) -> Denoiser:
        """The denoiser on its own path."""
        return cast(Denoiser, self.net)

    @property
    def span(self) -> Span:
        """Times of the new path at which the denoiser has a time of its own, or nearly."""
        own = self.original.schedule(torch.tensor(self.original.span, dtype=torch.float64)).ratio
        low, high = time_of(self.schedule, own).tolist()
        return Span(max(low, self.schedule.span.low), min(high, self.schedule.span.high))

    def forward(self, x_t: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The velocity on the new path.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        return self.predict(x_t, t, given).velocity(scales_at(self.schedule, t, x_t))

    def predict(self, x_t: Tensor, t: Tensor, given: Batch) -> Prediction:
        """Data and noise at x_t.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        path, span = self.original.schedule, self.original.span
        own_t = time_of(path, self.schedule(t).ratio).clamp(span.low, span.high)
        at, own = scales_at(self.schedule, t, x_t), scales_at(path, own_t, x_t)
        size = torch.hypot(own.alpha, own.sigma) / torch.hypot(at.alpha, at.sigma)
        return self.original.predict(x_t * size, own_t, given)


def _determinant(at: Scales, target: Coefficients) -> Tensor:
    return at.alpha * target.b - at.sigma * target.a
