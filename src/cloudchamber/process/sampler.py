r"""Solvers of the probability-flow equation dx/dt = velocity(x, t), from noise (t = 1) to data (t = 0).

Each solver makes one step from t to s < t and says how many network calls the step costs. A budget of calls is
turned into steps on a grid of times; what remains after second-order steps is spent on a last Euler step.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from cloudchamber.errors import InputError

__all__ = ["SAMPLERS", "Euler", "Heun", "Midpoint", "Sampler", "sample", "time_grid"]

Velocity = Callable[[Tensor, Tensor], Tensor]


class Sampler(Protocol):
    """One step of a solver."""

    calls: int
    """Network calls of a step."""

    def step(self, velocity: Velocity, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """X at the time s from x at the time t."""
        ...


class Euler:
    """First order, one call."""

    calls = 1

    def step(self, velocity: Velocity, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """x_s = x_t + (s - t) v(x_t, t).

        Args:
            velocity: (x, t) -> dx/dt.
            x_t: state at t.
            t: scalar time.
            s: scalar time of the result.
        """
        return x_t + (s - t) * velocity(x_t, t)


class Heun:
    """Second order, two calls: the trapezoid of the velocities at both ends."""

    calls = 2

    def step(self, velocity: Velocity, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """x_s = x_t + (s - t) (v(x_t, t) + v(x', s)) / 2 with x' the Euler step.

        Args:
            velocity: (x, t) -> dx/dt.
            x_t: state at t.
            t: scalar time.
            s: scalar time of the result.
        """
        first = velocity(x_t, t)
        return x_t + (s - t) * (first + velocity(x_t + (s - t) * first, s)) / 2


class Midpoint:
    """Second order, two calls: the velocity halfway."""

    calls = 2

    def step(self, velocity: Velocity, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """x_s = x_t + (s - t) v(x_t + (s - t) v(x_t, t) / 2, (t + s) / 2).

        Args:
            velocity: (x, t) -> dx/dt.
            x_t: state at t.
            t: scalar time.
            s: scalar time of the result.
        """
        middle = x_t + (s - t) / 2 * velocity(x_t, t)
        return x_t + (s - t) * velocity(middle, (t + s) / 2)


SAMPLERS: dict[str, Sampler] = {"euler": Euler(), "heun": Heun(), "midpoint": Midpoint()}


class _Step(NamedTuple):
    solver: Sampler
    t: Tensor
    s: Tensor


def time_grid(steps: int, power: float = 1.0) -> Tensor:
    """Times from 1 to 0, shape (steps + 1,).

    Args:
        steps: number of steps.
        power: 1 for a uniform grid; larger puts more steps near the data.

    >>> time_grid(2).tolist()
    [1.0, 0.5, 0.0]
    """
    return torch.linspace(1, 0, steps + 1, dtype=torch.float64).pow(power).float()


def sample(velocity: Velocity, noise: Tensor, calls: int, sampler: str = "heun", power: float = 1.0) -> Tensor:
    """Data from noise with a budget of network calls.

    Args:
        velocity: (x, t) -> dx/dt with a scalar time.
        noise: unit normal numbers, shape (B, ...).
        calls: network calls to spend, all of them.
        sampler: a name in `SAMPLERS`.
        power: see `time_grid`.

    Raises:
        InputError: if the sampler is unknown or the calls do not suffice for one step.

    >>> sample(lambda x, t: x, torch.ones(1), calls=1, sampler="euler").item()
    0.0
    """
    x = noise
    for solver, t, s in _plan(calls, sampler, power):
        x = solver.step(velocity, x, t.to(x.device), s.to(x.device))
    return x


def _plan(calls: int, sampler: str, power: float) -> Iterator[_Step]:
    if sampler not in SAMPLERS:
        raise InputError(f"the sampler '{sampler}' is unknown; choose one of {', '.join(SAMPLERS)}.")
    if calls < 1:
        raise InputError(f"--calls {calls} is too few: a sample needs at least one network call.")
    solver = SAMPLERS[sampler]
    full, rest = divmod(calls, solver.calls)
    times = time_grid(full + rest, power)
    for number, (t, s) in enumerate(pairwise(times)):
        yield _Step(solver if number < full else SAMPLERS["euler"], t, s)
