r"""Kernels: (rng, state) -> (state, info), for a batch of W walkers.

A kernel leaves the density pi of each walker invariant and uses no randomness but `rng`, row w of which belongs to
walker w. A Metropolis-Hastings step from x to x' proposed with density q(x' | x) is accepted with probability

    min(1, pi(x') q(x | x') / (pi(x) q(x' | x))) .
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from cloudchamber.tensors.rng import Rng

__all__ = ["Info", "Kernel", "Mark", "State", "Transition", "metropolis"]


class Mark(NamedTuple):
    """What a proposal says of points.

    Attributes:
        label: the component that each is ascribed to, shape (W,).
        log_q: ln q, in the sense of `proposal.Proposal`, shape (W,).
    """

    label: Tensor
    log_q: Tensor


@dataclass(frozen=True)
class State:
    """Where the walkers are.

    Attributes:
        x: shape (W, D), float64.
        log_prob: ln pi(x), shape (W,), float64.
        mark: of a global proposal at x, where it is known: it saves an evaluation of the model.
    """

    x: Tensor
    log_prob: Tensor
    mark: Mark | None = None


class Info(NamedTuple):
    """What happened in a step.

    Attributes:
        kernel: which elementary kernel acted.
        accepted: shape (W,).
        log_ratio: logarithm of the acceptance ratio, shape (W,).
    """

    kernel: str
    accepted: Tensor
    log_ratio: Tensor


class Transition(NamedTuple):
    """The next state, and what happened."""

    state: State
    info: Info


class Kernel(Protocol):
    """A Markov kernel."""

    def __call__(self, rng: Rng, state: State) -> Transition:
        """One step of all walkers."""
        ...


def metropolis(rng: Rng, name: str, old: State, new: State, log_ratio: Tensor) -> Transition:
    """Accept or reject.

    Args:
        rng: random stream.
        name: of the kernel.
        old: where the walkers are.
        new: where they may go; minus infinity in `log_prob` is never accepted.
        log_ratio: of acceptance, shape (W,).
    """
    uniform = rng.uniform().double() + 2.0**-25  # the numbers are multiples of 2^-24: none is zero now
    accepted = (uniform.log() < log_ratio) & torch.isfinite(new.log_prob)
    mark = None
    if old.mark is not None and new.mark is not None:
        mark = Mark(*(torch.where(accepted, a, b) for a, b in zip(new.mark, old.mark, strict=True)))
    x = torch.where(accepted[:, None], new.x, old.x)
    state = State(x, torch.where(accepted, new.log_prob, old.log_prob), mark)
    return Transition(state, Info(name, accepted, log_ratio))
