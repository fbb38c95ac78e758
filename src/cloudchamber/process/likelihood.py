r"""Densities from the probability flow.

Along dx/dt = velocity(x, t) the log-density falls by the divergence (arXiv:2011.13456, Eq. 39), so from data at the
lower end of the span to noise at its upper end,

    ln p(x_0) = ln N(x_1; 0, sigma_1^2) + int_0^1 div velocity(x_t, t) dt .

The divergence is the trace of the Jacobian: exact, with one backward pass for each of few dimensions, or estimated by
E[z . (d velocity / dx) z] with random signs z (Hutchinson; arXiv:1810.01367, Eq. 7), held fixed along the way. Padding
has no dimensions. Where a path ends with noise left over, the density is that of data with that noise.

`sample_with_log_prob` integrates the same equations from noise to data, so that a sample knows its density at the price
of being drawn; with a fixed number of steps (Runge-Kutta, fourth order) both directions agree up to the error of the
solver, which falls with the fourth power of the step.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torchdiffeq import odeint

from cloudchamber.process.base import Base
from cloudchamber.process.denoise import scales_at
from cloudchamber.process.objective import masked_sum
from cloudchamber.process.step import Field, time_grid
from cloudchamber.tensors.rng import Rng

__all__ = ["Divergence", "ExactTrace", "ForwardTrace", "Hutchinson", "Scored", "log_prob", "sample_with_log_prob"]

_LOG_2PI = 1.8378770664093453


class Flow(NamedTuple):
    """Velocity (B, ...) and its divergence (B,)."""

    velocity: Tensor
    divergence: Tensor


class Scored(NamedTuple):
    """Data (B, ...) and their log-densities (B,)."""

    x: Tensor
    log_prob: Tensor


class Divergence(Protocol):
    """How the divergence is computed."""

    def __call__(self, field: Field, x: Tensor, t: Tensor) -> Flow:
        """Velocity and divergence at x."""
        ...


class ExactTrace:
    """The sum of all diagonal entries of the Jacobian."""

    def __call__(self, field: Field, x: Tensor, t: Tensor) -> Flow:
        """Velocity and divergence at x.

        Args:
            field: what is followed.
            x: shape (B, ...).
            t: a single number.
        """
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            velocity = field.velocity(x, t)
            flat, total = velocity.flatten(1), torch.zeros_like(x.flatten(1)[:, 0])
            for k in range(flat.shape[1]):
                (row,) = torch.autograd.grad(flat[:, k].sum(), x, retain_graph=True)
                total = total + field.real(row).flatten(1)[:, k]
        return Flow(velocity.detach(), total.detach())


class ForwardTrace:
    """The same in forward mode, for vectors and networks that push tangents forward: quick for small ones.

    The prediction is linear in (x_t, F), so along a tangent dx of x_t it changes by the prediction of (dx, dF).
    """

    def __call__(self, field: Field, x: Tensor, t: Tensor) -> Flow:
        """Velocity and divergence at x.

        Args:
            field: what is followed; its network has `with_tangents`.
            x: shape (B, F).
            t: a single number.
        """
        denoiser, size = field.denoiser, x.shape[1]
        axes = torch.eye(size, dtype=x.dtype, device=x.device)[:, None, :].expand(size, *x.shape)
        with torch.no_grad():
            at = scales_at(denoiser.schedule, t.to(x).expand(1), x)
            output, moved = denoiser.net.with_tangents(x, axes, t.to(x).expand(len(x)), field.given)  # type: ignore[operator]
            velocity = denoiser.solve(output, x, at).velocity(at)
            jacobian = denoiser.solve(moved, axes, at).velocity(at)
        return Flow(velocity, torch.diagonal(jacobian, 0, 0, 2).sum(-1))


class Hutchinson:
    """An estimate from random signs, the mean of several.

    Args:
        rng: random stream of the signs.
        probes: how many for each row.
    """

    def __init__(self, rng: Rng, probes: int = 1) -> None:
        self.rng, self.probes = rng, probes
        self._signs: Tensor | None = None

    def __call__(self, field: Field, x: Tensor, t: Tensor) -> Flow:
        """Velocity and divergence at x.

        Args:
            field: what is followed.
            x: shape (B, ...).
            t: a single number.
        """
        if self._signs is None:
            drawn = self.rng.uniform(x.shape[1], self.probes, *x.shape[2:])  # padding comes last, and changes nothing
            self._signs = drawn.to(x).sub(0.5).sign().movedim(2, 0)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            velocity = field.velocity(x, t)
            total = torch.zeros_like(x.flatten(1)[:, 0])
            for z in self._signs:
                (row,) = torch.autograd.grad((velocity * field.real(z)).sum(), x, retain_graph=True)
                total = total + (field.real(row) * z).flatten(1).sum(1) / self.probes
        return Flow(velocity.detach(), total.detach())


def log_prob(
    field: Field, x: Tensor, divergence: Divergence, *, tolerance: float = 1e-5, method: str = "dopri5",
    steps: int | None = None, base: Base | None = None, power: float = 1.0,
) -> Tensor:  # fmt: skip
    """Log-density of data, shape (B,).

    Args:
        field: a denoiser under conditions.
        x: shape (B, ...); padding is ignored.
        divergence: exact or estimated.
        tolerance: relative and absolute, of torchdiffeq's adaptive solver.
        method: adaptive solver of torchdiffeq.
        steps: of the fourth-order Runge-Kutta method instead of the adaptive solver.
        base: density of vectors x_1 / sigma_1; unit normal by default.
        power: of the grid of steps: 1 for a uniform one, larger for more steps near the data.
    """
    x = field.real(x)
    times = time_grid(field.span, steps or 1, power).flip(0).to(x)
    noise, gained = _integrate(field, x, divergence, times, tolerance=tolerance, method=method, fixed=bool(steps))
    return _prior(field, noise, times[-1], base) + gained


def sample_with_log_prob(
    field: Field, rng: Rng, like: Tensor, divergence: Divergence, *, steps: int, base: Base | None = None
) -> Scored:
    """Data from noise, with their log-densities.

    Args:
        field: a denoiser under conditions.
        rng: random stream.
        like: shape (B, ...).
        divergence: exact or estimated.
        steps: of the fourth-order Runge-Kutta method.
        base: density of vectors x_1 / sigma_1; unit normal by default.
    """
    times = time_grid(field.span, steps).to(like)
    unit = field.noise(rng, like) if base is None else base.sample(rng, like)
    noise = field.schedule(times[0]).sigma * unit
    x, gained = _integrate(field, noise, divergence, times, fixed=True)
    return Scored(x, _prior(field, noise, times[0], base) - gained)


def _integrate(
    field: Field, x: Tensor, divergence: Divergence, times: Tensor, *, tolerance: float = 1e-5,
    method: str = "dopri5", fixed: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The end of the flow that starts at x, and the integral of the divergence along it."""

    def flow(t: Tensor, state: tuple[Tensor, Tensor]) -> Flow:
        return divergence(field, state[0], t)

    start = x, torch.zeros_like(x.flatten(1)[:, 0])
    if fixed:  # the times are the steps
        path, gained = odeint(flow, start, times, method="rk4", options={"perturb": False})
    else:
        path, gained = odeint(flow, start, times, rtol=tolerance, atol=tolerance, method=method)
    return path[-1], gained[-1]


def _prior(field: Field, noise: Tensor, t: Tensor, base: Base | None) -> Tensor:
    """Log-density of the noise at the end t of the path."""
    sigma = field.schedule(t).sigma
    if base is not None:
        return base.log_prob(noise / sigma) - noise.shape[1] * sigma.log()
    return masked_sum(-((noise / sigma) ** 2 + _LOG_2PI) / 2 - sigma.log(), field.given.mask)
