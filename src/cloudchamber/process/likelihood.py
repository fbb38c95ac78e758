r"""Densities from the probability flow.

Along dx/dt = velocity(x, t) the log-density falls by the divergence (arXiv:2011.13456, Eq. 39), so from data at the
lower end of the span to noise at its upper end,

    ln p(x_0) = ln N(x_1; 0, sigma_1^2) + int_0^1 div velocity(x_t, t) dt .

The divergence is the trace of the Jacobian: exact, with one backward pass for each of few dimensions, or estimated by
E[z . (d velocity / dx) z] with random signs z (Hutchinson; arXiv:1810.01367, Eq. 7), held fixed along the way. Padding
has no dimensions. Where a path ends with noise left over, the density is that of data with that noise.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torchdiffeq import odeint

from cloudchamber.process.objective import masked_sum
from cloudchamber.process.step import Field
from cloudchamber.tensors.rng import Rng

__all__ = ["Divergence", "ExactTrace", "Hutchinson", "log_prob"]

_LOG_2PI = 1.8378770664093453


class Flow(NamedTuple):
    """Velocity (B, ...) and its divergence (B,)."""

    velocity: Tensor
    divergence: Tensor


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
            self._signs = self.rng.uniform(self.probes, *x.shape[1:]).to(x).sub(0.5).sign().transpose(0, 1)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            velocity = field.velocity(x, t)
            total = torch.zeros_like(x.flatten(1)[:, 0])
            for z in self._signs:
                (row,) = torch.autograd.grad((velocity * field.real(z)).sum(), x, retain_graph=True)
                total = total + (field.real(row) * z).flatten(1).sum(1) / self.probes
        return Flow(velocity.detach(), total.detach())


def log_prob(
    field: Field, x: Tensor, divergence: Divergence, *, tolerance: float = 1e-5, method: str = "dopri5"
) -> Tensor:
    """Log-density of data, shape (B,).

    Args:
        field: a denoiser under conditions.
        x: shape (B, ...); padding is ignored.
        divergence: exact or estimated.
        tolerance: relative and absolute, of torchdiffeq's adaptive solver.
        method: solver of torchdiffeq.
    """
    x = field.real(x)

    def flow(t: Tensor, state: tuple[Tensor, Tensor]) -> Flow:
        return divergence(field, state[0], t)

    times = torch.tensor(field.span, dtype=x.dtype, device=x.device)
    path, gained = odeint(
        flow, (x, torch.zeros_like(x.flatten(1)[:, 0])), times, rtol=tolerance, atol=tolerance, method=method
    )
    sigma = field.schedule(times[-1]).sigma
    prior = -((path[-1] / sigma) ** 2 + _LOG_2PI) / 2 - sigma.log()
    total: Tensor = masked_sum(prior, field.given.mask) + gained[-1]
    return total
