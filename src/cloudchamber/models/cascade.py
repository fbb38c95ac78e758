"""A chain of models over parts of the same events, each conditioned on the parts before it."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from cloudchamber.models.base import Samplable, Scorable, Trainable
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.rng import Rng

__all__ = ["Cascade", "Link"]

Link = Callable[[Bundle, Mapping[str, Any]], Batch]
"""The conditions of a stage, from those of the chain and what the stages before it have drawn."""


class Cascade(nn.Module):
    """Models by name; the part of that name in a bundle is what a model learns.

    Every part holds its conditions already, so the stages are trained side by side: the loss of an event is the sum
    of its stages' losses, and its log-density the sum of theirs.

    Args:
        stages: models by name, in the order in which they are sampled.
        links: conditions of stages that depend on earlier draws; other stages are given the part of their name.
    """

    def __init__(self, stages: Mapping[str, nn.Module], links: Mapping[str, Link] | None = None) -> None:
        super().__init__()
        self.stages = nn.ModuleDict(stages)
        self._links, self._trained = dict(links or {}), tuple(stages)

    def __getitem__(self, name: str) -> nn.Module:
        return self.stages[name]

    def train_only(self, *names: str) -> None:
        """Train some stages and leave the others as they are.

        Args:
            *names: of the stages.
        """
        self._trained = names
        for other, stage in self.stages.items():
            stage.requires_grad_(other in names)

    def losses(self, rows: Bundle, rng: Rng) -> Mapping[str, Tensor]:
        """The losses of all stages that are trained, named `stage.loss`.

        Args:
            rows: a bundle with a part for every stage.
            rng: random stream.
        """
        named: dict[str, Tensor] = {}
        for name in self._trained:
            losses = cast(Trainable[Batch], self.stages[name]).losses(rows[name], rng)
            named |= {f"{name}.{loss}": value for loss, value in losses.items()}
        return named

    def sample(self, given: Bundle, rng: Rng) -> dict[str, Any]:
        """What every stage draws, by its name.

        Args:
            given: conditions; the x of a part only gives the shape.
            rng: random stream.
        """
        drawn: dict[str, Any] = {}
        for name, stage in self.stages.items():
            conditions = self._links[name](given, drawn) if name in self._links else given[name]
            drawn[name] = cast(Samplable[Batch, Any], stage).sample(conditions, rng)
        return drawn

    def log_prob(self, rows: Bundle) -> Tensor:
        """Log-density of all parts together, shape (B,).

        Args:
            rows: a bundle with a part for every stage.
        """
        parts = [cast(Scorable[Batch], stage).log_prob(rows[name]) for name, stage in self.stages.items()]
        return torch.stack(parts).sum(0)

    def parts(self) -> Mapping[str, nn.Module]:
        """The stages, whose gradients are clipped one by one."""
        return dict(self.stages.items())
