"""Kernels made of kernels: each leaves pi invariant if its parts do."""

from collections.abc import Sequence

import torch

from cloudchamber.mcmc.state import Info, Kernel, State, Transition
from cloudchamber.tensors.rng import Rng

__all__ = ["Choice", "Cycle"]


class Choice:
    """A mixture of kernels: one of them at random, the same for all walkers.

    Args:
        kernels: the parts.
        weights: how often each is chosen, in any unit.
    """

    def __init__(self, kernels: Sequence[Kernel], weights: Sequence[float]) -> None:
        self.kernels, self._summed = list(kernels), torch.tensor(weights, dtype=torch.float64).cumsum(0)

    def __call__(self, rng: Rng, state: State) -> Transition:
        """One step.

        Args:
            rng: random stream.
            state: of W walkers.
        """
        chosen = int((rng.uniform()[0].double() * self._summed[-1] >= self._summed).sum())
        return self.kernels[chosen](rng, state)


class Cycle:
    """Kernels one after the other, as one step.

    Args:
        kernels: the parts.
    """

    def __init__(self, kernels: Sequence[Kernel]) -> None:
        self.kernels = list(kernels)

    def __call__(self, rng: Rng, state: State) -> Transition:
        """One step; the information is that of the last part, accepted where any part was.

        Args:
            rng: random stream.
            state: of W walkers.
        """
        accepted = torch.zeros(len(state.x), dtype=torch.bool)
        for kernel in self.kernels:
            state, info = kernel(rng, state)
            accepted = accepted | info.accepted
        return Transition(state, Info(info.kernel, accepted, info.log_ratio))
