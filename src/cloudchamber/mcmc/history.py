"""What a chain left behind in one stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cloudchamber.mcmc.state import Transition

__all__ = ["History"]


@dataclass
class History:
    """Points, densities and acceptances, step after step.

    Attributes:
        x: each of shape (W, D).
        log_prob: each of shape (W,).
        accepted: each of shape (W,).
        kernels: name of the kernel of each step.
    """

    x: list[Tensor] = field(default_factory=list)
    log_prob: list[Tensor] = field(default_factory=list)
    accepted: list[Tensor] = field(default_factory=list)
    kernels: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.kernels)

    def append(self, step: Transition) -> None:
        """Take in a step.

        Args:
            step: what a kernel returned.
        """
        self.x.append(step.state.x)
        self.log_prob.append(step.state.log_prob)
        self.accepted.append(step.info.accepted)
        self.kernels.append(step.info.kernel)

    def acceptance(self) -> dict[str, float]:
        """Accepted share of the proposals of each kernel."""
        shares = {}
        for name in dict.fromkeys(self.kernels):
            those = [a for a, kernel in zip(self.accepted, self.kernels, strict=True) if kernel == name]
            shares[name] = float(torch.stack(those).double().mean())
        return shares

    def state_dict(self) -> dict[str, Any]:
        """Tensors and names."""
        stacked = {name: torch.stack(getattr(self, name)) for name in ("x", "log_prob", "accepted") if len(self)}
        return {**stacked, "kernels": list(self.kernels)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "History":
        """The history that a state came from.

        Args:
            state: what `state_dict` gave.
        """
        x, log_prob, accepted = (list(state.get(name, [])) for name in ("x", "log_prob", "accepted"))
        return cls(x, log_prob, accepted, list(state["kernels"]))
