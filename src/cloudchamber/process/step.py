r"""One step of a solver, from a time t to an earlier time s.

A sampler moves a `State` under a `Field`, which is a denoiser with its conditions filled in. Times are single numbers
here, the same for all rows, and stay on the CPU in double precision. Solvers that look back keep what they need in the
state, so that a sampler itself never changes.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from cloudchamber.process.denoise import Denoiser, Prediction
from cloudchamber.process.schedule import Scales, Schedule, Span
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Field", "Grid", "Memory", "Sampler", "State", "ddim", "time_grid"]


class Memory(NamedTuple):
    """What an earlier step saw: predicted data or a velocity, as its solver needs, the time, and what came before."""

    x: Tensor
    t: Tensor
    earlier: "Memory | None" = None


class State(NamedTuple):
    """Where a trajectory is.

    Attributes:
        x: shape (B, ...).
        memory: of the last step; None at the first.
    """

    x: Tensor
    memory: Memory | None = None


class Field:
    """A denoiser under fixed conditions.

    Args:
        denoiser: what to follow.
        given: conditions; padding stays zero.
    """

    def __init__(self, denoiser: Denoiser, given: Batch) -> None:
        self.denoiser, self.given = denoiser, given
        self._padding = None if given.mask is None else ~given.mask[..., None]

    @property
    def schedule(self) -> Schedule:
        """The path."""
        return self.denoiser.schedule

    @property
    def span(self) -> Span:
        """Times between which the denoiser can be asked."""
        return self.denoiser.span

    def predict(self, x_t: Tensor, t: Tensor) -> Prediction:
        """Data and noise at one time for all rows.

        Args:
            x_t: shape (B, ...).
            t: a single number.
        """
        return self.denoiser.predict(x_t, t.to(x_t).expand(len(x_t)), self.given)

    def draw(self, x_t: Tensor, t: Tensor, rng: Rng) -> Prediction:
        """Data drawn from what is known of each number, at one time for all rows.

        Args:
            x_t: shape (B, ...).
            t: a single number.
            rng: random stream.
        """
        return self.denoiser.draw(x_t, t.to(x_t).expand(len(x_t)), self.given, rng)

    def velocity(self, x_t: Tensor, t: Tensor) -> Tensor:
        """The right-hand side of the probability-flow equation, zero on padding.

        Args:
            x_t: shape (B, ...).
            t: a single number.
        """
        return self.real(self.predict(x_t, t).velocity(self.schedule(t)))

    def noise(self, rng: Rng, like: Tensor) -> Tensor:
        """Unit normal numbers, zero on padding.

        Args:
            rng: random stream.
            like: shape (B, ...).
        """
        return self.real(rng.normal(*like.shape[1:]).to(like))

    def real(self, values: Tensor) -> Tensor:
        """The same values, zero on padding.

        Args:
            values: shape (B, ...).
        """
        return values if self._padding is None else values.masked_fill(self._padding, 0.0)


class Sampler(Protocol):
    """A solver."""

    @property
    def calls(self) -> int:
        """Predictions that one step asks for."""
        ...

    @property
    def finishes(self) -> bool:
        """Whether the data in the memory of the last step are the result where the path ends with noise left over."""
        ...

    def times(self, field: Field, steps: int) -> Tensor:
        """The times of so many steps, decreasing, shape (steps + 1,)."""
        ...

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """The state at time s from the state at time t > s."""
        ...


def time_grid(span: Span, steps: int, power: float = 1.0) -> Tensor:
    """Times from the upper to the lower end of a span, shape (steps + 1,).

    Args:
        span: the ends.
        steps: number of steps.
        power: 1 for a uniform grid; larger puts more steps near the data.

    >>> time_grid(Span(0.0, 1.0), 2).tolist()
    [1.0, 0.5, 0.0]
    """
    unit = torch.linspace(1, 0, steps + 1, dtype=torch.float64).pow(power)
    return span.low + (span.high - span.low) * unit


class Grid:
    """Times of samplers that go from noise to data.

    Args:
        power: see `time_grid`.
    """

    finishes: bool = False

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def times(self, field: Field, steps: int) -> Tensor:
        """Times from the upper to the lower end of the field's span, shape (steps + 1,).

        Args:
            field: what is followed.
            steps: number of steps.
        """
        return time_grid(field.span, steps, self.power)


def ddim(prediction: Prediction, at: Scales) -> Tensor:
    """The point of the path with the predicted data and noise, alpha_s x + sigma_s eps.

    Args:
        prediction: at any time.
        at: scales at s.
    """
    return at.alpha * prediction.x + at.sigma * prediction.eps
