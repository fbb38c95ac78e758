"""Averaged weights: after update n (from 0), a <- d a + (1 - d) w with d = min(decay, (1 + n) / (10 + n)).

The average forgets the first weights quickly, and the samples of a diffusion model are better with it
(Karras et al., arXiv:2312.02696, and many before).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Ema"]


class Ema:
    """Averages of parameters.

    Args:
        parameters: by name; they are averaged in place of use, and their averages start at their values.
        decay: how much of the average an update keeps, in the long run.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self._parameters, self._decay, self._updates = dict(parameters), decay, 0
        self._averages = [p.detach().clone() for p in self._parameters.values()]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the present weights."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        torch._foreach_lerp_(self._averages, list(self._parameters.values()), 1 - decay)
        self._updates += 1

    @property
    def averages(self) -> dict[str, Tensor]:
        """Averaged weights by name."""
        return dict(zip(self._parameters, self._averages, strict=True))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The parameters hold their averages inside the block."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for average, parameter in zip(self._averages, self._parameters.values(), strict=True):
            kept = parameter.clone()
            parameter.copy_(average)
            average.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        """Averages and the number of updates."""
        return {"updates": self._updates, "averages": self.averages}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state.

        Args:
            state: what `state_dict` gave.
        """
        self._updates = state["updates"]
        for name, average in self.averages.items():
            average.copy_(state["averages"][name])
