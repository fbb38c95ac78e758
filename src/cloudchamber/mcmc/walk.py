r"""Local kernels.

`RandomWalk`: x' = x + s e, e ~ N(0, 1), symmetric. The length s may be drawn anew at every step, ln s ~ N(0, spread^2):
a mixture of symmetric proposals is symmetric, and one of its lengths fits wherever the walker is.

`LatentWalk`: the step is symmetric in coordinates z = f_k(x) that belong to a component k. With k drawn from r(k | x),
the pair (x, k) has the density pi(x) r(k | x), and the step at fixed k is accepted with

    pi(x') r(k | x') |dx'/dz'| / (pi(x) r(k | x) |dx/dz|) .

`Evolution` (ter Braak, Statistics and Computing 16 (2006) 239): x' = x + g (y - z) + e, where y and z are two walkers
of the other half of the ensemble. It knows scales and correlations without being told. The halves move in turn, so that
what is proposed never depends on the walker that moves.
"""

import math

import torch
from torch import Tensor

from cloudchamber.mcmc.clusters import Clustered
from cloudchamber.mcmc.state import Info, State, Transition, metropolis
from cloudchamber.mcmc.target import LogDensity
from cloudchamber.tensors.rng import Rng

__all__ = ["Evolution", "LatentWalk", "RandomWalk"]

_SPREAD = 1.0
"""Of the logarithm of g, which fits walkers that are scattered and walkers that have gathered."""
_JUMPS = 0.1
"""How often differential evolution takes g = 1, which leads from mode to mode."""


class RandomWalk:
    """Metropolis steps of normal length.

    Args:
        target: ln pi.
        step: standard deviations, broadcastable to (W, D).
        spread: of the logarithm of the length.
    """

    def __init__(self, target: LogDensity, step: Tensor, spread: float = 0.0) -> None:
        self.target, self.step, self.spread = target, step, spread

    def __call__(self, rng: Rng, state: State) -> Transition:
        """One step.

        Args:
            rng: random stream.
            state: of W walkers.
        """
        length = torch.exp(self.spread * rng.normal(1).double())
        x = state.x + self.step * length * rng.normal(state.x.shape[1]).double()
        new = State(x, self.target(x))
        return metropolis(rng, "random walk", state, new, new.log_prob - state.log_prob)


class LatentWalk:
    """Metropolis steps in coordinates that a proposal has learnt.

    Args:
        target: ln pi.
        coordinates: where the density is about unit normal.
        spread: of the logarithm of the length.
    """

    def __init__(self, target: LogDensity, coordinates: Clustered, spread: float = 0.7) -> None:
        self.target, self.coordinates, self.spread = target, coordinates, spread

    def __call__(self, rng: Rng, state: State) -> Transition:
        """One step.

        Args:
            rng: random stream.
            state: of W walkers.
        """
        size = state.x.shape[1]
        label = self.coordinates.label(state.x, rng)
        z, before = self.coordinates.straighten(state.x, label)
        length = 2.38 / math.sqrt(size) * torch.exp(self.spread * rng.normal(1).double())
        bent = self.coordinates.bend(z + length * rng.normal(size).double(), label)
        whole = torch.isfinite(bent).all(1)
        x = torch.where(whole[:, None], bent, state.x)
        new = State(x, self.target(x).masked_fill(~whole, -torch.inf))
        change = self.coordinates.straighten(x, label).log_weight - before
        return metropolis(rng, "local", state, new, new.log_prob - state.log_prob + change)


class Evolution:
    """Steps along the difference of two other walkers.

    Args:
        target: ln pi.
        jitter: standard deviations of e, shape (D,).
    """

    def __init__(self, target: LogDensity, jitter: Tensor) -> None:
        self.target, self.jitter = target, jitter

    def __call__(self, rng: Rng, state: State) -> Transition:
        """One step of both halves.

        Args:
            rng: random stream.
            state: of W walkers, at least six.
        """
        walkers, size = state.x.shape
        half = walkers // 2
        first = torch.arange(walkers) < half
        uniform, noise, threshold = rng.uniform(3).double(), rng.normal(size).double(), rng.uniform().double()
        length = 2.38 / math.sqrt(2 * size) * torch.exp(_SPREAD * rng.normal(1).double())
        factor = torch.where(uniform[:, 2:] < _JUMPS, 1.0, length)
        infos = []
        for moving in (first, ~first):
            others = (~moving).nonzero()[:, 0]
            a = (uniform[:, 0] * len(others)).long()
            b = (a + 1 + (uniform[:, 1] * (len(others) - 1)).long()) % len(others)
            shift = factor * (state.x[others[a]] - state.x[others[b]]) + self.jitter * noise
            state, info = self._half(state, state.x + shift, moving, threshold)
            infos.append(info)
        accepted, log_ratio = (torch.where(first, x, y) for x, y in zip(infos[0][1:], infos[1][1:], strict=True))
        return Transition(state, Info("evolution", accepted, log_ratio))

    def _half(self, state: State, x: Tensor, moving: Tensor, threshold: Tensor) -> Transition:
        log_prob = torch.full_like(state.log_prob, -torch.inf)
        log_prob[moving] = self.target(x[moving])
        return metropolis(_Given(threshold), "evolution", state, State(x, log_prob), log_prob - state.log_prob)


class _Given:
    """Uniform numbers that were drawn before, for walkers that move in turn."""

    def __init__(self, numbers: Tensor) -> None:
        self._numbers = numbers

    def uniform(self, *shape: int) -> Tensor:
        """The numbers.

        Args:
            *shape: empty.
        """
        return self._numbers

    def normal(self, *shape: int) -> Tensor:
        """Not used."""
        raise NotImplementedError
