r"""Deterministic samplers: solvers of the probability-flow equation (arXiv:2011.13456, Eq. 13).

    dx/dt = velocity(x, t) = d_alpha x^ + d_sigma eps^ .

Euler, Heun, Midpoint and RK4 solve it in t. The change of variables u = x / alpha, r = sigma / alpha turns it into
du/dr = eps^, whose Euler step is DDIM (arXiv:2010.02502, Eq. 14); with lambda = -ln r, DPM-Solver++(2M)
(arXiv:2211.01095, Algorithm 2) extrapolates the predicted data linearly in lambda, and DDIMMidpoint takes the midpoint
rule in t for the noise of the same equation.

AdamsBashforth integrates the polynomial in t through the last velocities, which costs one call a step at any order
(arXiv:2204.13902, with t for its variable). Where the path bends little in t, as rectified paths do, it is as good
as Heun's method with half of the calls.
"""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from cloudchamber.process.step import Field, Grid, Memory, State, ddim
from cloudchamber.tensors.rng import Rng

__all__ = ["DDIM", "RK4", "AdamsBashforth", "DDIMLast", "DDIMMidpoint", "DPMSolver", "Euler", "Heun", "Midpoint"]


class Euler(Grid):
    """First order, one call."""

    calls = 1

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = x_t + (s - t) v(x_t, t).

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: not used.
        """
        return State(state.x + (s - t) * field.velocity(state.x, t))


class Heun(Grid):
    """Second order, two calls: the trapezoid of the velocities at both ends."""

    calls = 2

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = x_t + (s - t) (v(x_t, t) + v(x', s)) / 2 with x' the Euler step.

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: not used.
        """
        x, h = state.x, s - t
        first = field.velocity(x, t)
        return State(x + h * (first + field.velocity(x + h * first, s)) / 2)


class Midpoint(Grid):
    """Second order, two calls: the velocity halfway."""

    calls = 2

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = x_t + (s - t) v(x_t + (s - t) v(x_t, t) / 2, (t + s) / 2).

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: not used.
        """
        x, h = state.x, s - t
        return State(x + h * field.velocity(x + h / 2 * field.velocity(x, t), (t + s) / 2))


class RK4(Grid):
    """Fourth order, four calls: the classical Runge-Kutta method."""

    calls = 4

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = x_t + (s - t) (k1 + 2 k2 + 2 k3 + k4) / 6.

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: not used.
        """
        x, h, middle = state.x, s - t, (t + s) / 2
        k1 = field.velocity(x, t)
        k2 = field.velocity(x + h / 2 * k1, middle)
        k3 = field.velocity(x + h / 2 * k2, middle)
        k4 = field.velocity(x + h * k3, s)
        return State(x + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6)


class DDIM(Grid):
    """First order, one call: the Euler step of x / alpha in sigma / alpha."""

    calls = 1

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = alpha_s x^ + sigma_s eps^.

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: not used.
        """
        return State(ddim(field.predict(state.x, t), field.schedule(s)))


class DDIMLast(DDIM):
    """DDIM that ends with the data predicted in its last step where the path ends with noise left over.

    All calls are then steps of one grid, as in the public code of CaloScore v2 (arXiv:2308.03847), and as students of
    progressive distillation are taught.
    """

    finishes = True

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = alpha_s x^ + sigma_s eps^.

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: not used.
        """
        prediction = field.predict(state.x, t)
        return State(ddim(prediction, field.schedule(s)), Memory(prediction.x, t))


class DDIMMidpoint(Grid):
    """Second order, two calls: the DDIM step from t to s with the noise predicted halfway in t.

    The sampler of OmniLearn (arXiv:2404.16091 and its public code). Where the path ends with noise left over, the data
    of the last step are the result, without another call.

    Where alpha starts near zero it needs many steps: on the cosine path the first one moves the mean m of the data to
    2 (pi h / 4)^2 m / alpha_1, with alpha_1 = 4.5e-5 that is 0.1 m at h = 1/500 and 11 m at h = 1/50.
    """

    calls = 2
    finishes = True

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = alpha_s x' + sigma_s eps', where x' = (x_t - sigma_t eps') / alpha_t.

        eps' is predicted at m = (t + s) / 2 for the DDIM step from t to m; where alpha_t is zero, x' is predicted too.

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: not used.
        """
        now, middle = field.schedule(t), (t + s) / 2
        halfway = field.predict(ddim(field.predict(state.x, t), field.schedule(middle)), middle)
        if now.alpha > 0:
            halfway = halfway._replace(x=(state.x - now.sigma * halfway.eps) / now.alpha)
        return State(ddim(halfway, field.schedule(s)), Memory(halfway.x, t))


class DPMSolver(Grid):
    """DPM-Solver++(2M): second order, one call; first order at the ends of the path where lambda is infinite."""

    calls = 1

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = (sigma_s / sigma_t) x_t - alpha_s (exp(-h) - 1) D, with h = lambda_s - lambda_t.

        D = x^_t + (x^_t - x^_p) h / (2 h_p) where x^_p was predicted at the time p, h_p = lambda_t - lambda_p earlier.

        Args:
            field: what to follow.
            state: at t, with the prediction of the last step.
            t: present time.
            s: next time.
            rng: not used.
        """
        now, to = field.schedule(t), field.schedule(s)
        x = field.real(field.predict(state.x, t).x)
        data = x
        if state.memory is not None:
            before = field.schedule(state.memory.t)
            slope = (now.ratio / to.ratio).log() / (2 * (before.ratio / now.ratio).log())
            if torch.isfinite(slope):
                data = x + slope * (x - state.memory.x)
        fraction = to.sigma / now.sigma
        return State(fraction * state.x + (to.alpha - fraction * now.alpha) * data, Memory(x, t))


class AdamsBashforth(Grid):
    """One call: the integral of the polynomial through the last k velocities, or through those there are.

    Each step is of order k once it knows k velocities. The first one is Euler's, so the error of a whole path falls as
    the square of the step for k > 2, with a small constant where the path starts straight.

    Args:
        order: k.
        power: see `time_grid`.
    """

    calls = 1

    def __init__(self, order: int = 3, power: float = 1.0) -> None:
        super().__init__(power)
        self.order = order

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = x_t + sum_i w_i v_i, where the weights integrate all polynomials of degree below k from t to s.

        Args:
            field: what to follow.
            state: at t, with the velocities of the last steps.
            t: present time.
            s: next time.
            rng: not used.
        """
        now = Memory(field.velocity(state.x, t), t, state.memory)
        known = list(islice(_backwards(now), self.order))
        x = state.x
        for weight, past in zip(_weights(torch.stack([m.t for m in known]), t, s), known, strict=True):
            x = x + weight.item() * past.x
        return State(x, _shortened(known))


def _backwards(memory: Memory | None) -> Iterator[Memory]:
    while memory is not None:
        yield memory
        memory = memory.earlier


def _shortened(known: list[Memory]) -> Memory | None:
    """The same chain without what comes before its last."""
    chain = None
    for memory in reversed(known):
        chain = Memory(memory.x, memory.t, chain)
    return chain


def _weights(times: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """Weights of values at k times in the integral from t to s of the polynomial through them, shape (k,)."""
    degrees = torch.arange(len(times), dtype=times.dtype)
    moments = (s - t) ** (degrees + 1) / (degrees + 1)
    weights: Tensor = torch.linalg.solve((times - t) ** degrees[:, None], moments)
    return weights
