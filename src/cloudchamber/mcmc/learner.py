"""What learns a proposal from a sample of the chain."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from cloudchamber.mcmc.clusters import Clustered

__all__ = ["Learner"]


class Learner(Protocol):
    """Fits proposals; a fit depends on its arguments alone."""

    def fit(self, sample: Tensor, seed: Sequence[int], *, draft: bool = False) -> Clustered:
        """A proposal for the distribution of a sample (n, D) in float64; a draft where the sample is still poor."""
        ...

    def state(self, proposal: Clustered) -> dict[str, Any]:
        """Tensors that define a proposal."""
        ...

    def restore(self, state: Mapping[str, Any]) -> Clustered:
        """The proposal that a state came from."""
        ...
