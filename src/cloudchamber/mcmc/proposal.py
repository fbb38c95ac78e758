r"""What may be proposed from: draws and densities that belong together.

A proposal is a density q(x), or a density q(x, k) over points and labels k together with a distribution r(k | x) of the
labels of a given point. In the larger space of pairs the chain's density is pi(x) r(k | x), whose marginal is pi, so

    pi(x') r(k' | x') q(x, k) / (pi(x) r(k | x) q(x', k'))

accepts exactly, and only the component that was drawn needs to be evaluated. Here ln q stands for
ln q(x, k) - ln r(k | x); with one label it is ln q(x).
"""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from cloudchamber.mcmc.state import Mark
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Drawn", "Model", "ModelProposal", "Prepared", "Proposal", "scored_draws"]


class Drawn(NamedTuple):
    """Points (B, D) in float64, and what the proposal says of them."""

    x: Tensor
    mark: Mark


class Proposal(Protocol):
    """Draws and densities."""

    def draw(self, rng: Rng) -> Drawn:
        """One point for each row of the random numbers."""
        ...

    def score(self, x: Tensor, rng: Rng) -> Mark:
        """Labels of points (B, D), drawn by r(k | x), and ln q."""
        ...


@runtime_checkable
class Model(Protocol):
    """Both `Samplable` and `Scorable`."""

    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """One row for each of the conditions."""
        ...

    def log_prob(self, rows: Batch) -> Tensor:
        """The log-density of each row."""
        ...


@runtime_checkable
class _JointModel(Protocol):
    def sample_with_log_prob(self, given: Batch, rng: Rng) -> tuple[Tensor, Tensor]:
        """Rows and their log-densities at once."""
        ...


class Prepared:
    """A proposal whose draws have been made, once and for one step.

    Args:
        proposal: that made them.
        drawn: one for each walker.
    """

    def __init__(self, proposal: Proposal, drawn: Drawn) -> None:
        self.proposal, self.drawn = proposal, drawn

    def draw(self, rng: Rng) -> Drawn:
        """What was drawn.

        Args:
            rng: not used.
        """
        return self.drawn

    def score(self, x: Tensor, rng: Rng) -> Mark:
        """As the proposal.

        Args:
            x: shape (B, D).
            rng: random stream.
        """
        return self.proposal.score(x, rng)


class ModelProposal:
    """Any model that can be sampled and asked for densities.

    Args:
        model: of vectors without context.
        ndim: their size D.
        dtype: the model's.
    """

    def __init__(self, model: Model, ndim: int, dtype: torch.dtype = torch.float32) -> None:
        self.model, self.ndim, self.dtype = model, ndim, dtype

    def draw(self, rng: Rng) -> Drawn:
        """One point for each row of the random numbers.

        Args:
            rng: random stream.
        """
        rows = len(rng.uniform())
        x, log_q = scored_draws(self.model, _rows(torch.zeros(rows, self.ndim, dtype=self.dtype)), rng)
        return Drawn(x.double(), Mark(torch.zeros(rows, dtype=torch.long), log_q.double()))

    def score(self, x: Tensor, rng: Rng) -> Mark:
        """The densities of points.

        Args:
            x: shape (B, D).
            rng: not used.
        """
        log_q = self.model.log_prob(_rows(x.to(self.dtype)))
        return Mark(torch.zeros(len(x), dtype=torch.long), log_q.detach().double())


def scored_draws(model: Model, given: Batch, rng: Rng) -> tuple[Tensor, Tensor]:
    """Draws and their log-densities, at once where the model can.

    Args:
        model: of vectors.
        given: conditions.
        rng: random stream.
    """
    if isinstance(model, _JointModel):
        x, log_prob = model.sample_with_log_prob(given, rng)
    else:
        x = model.sample(given, rng)
        log_prob = model.log_prob(Batch(x, given.weight, given.context))
    return x.detach(), log_prob.detach()


def _rows(x: Tensor) -> Batch:
    return Batch(x, torch.ones(len(x)))
