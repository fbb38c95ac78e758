"""A chain of models over parts of the same events, each conditioned on the parts before it."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from cloudchamber.models.base import Trainable
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.rng import Rng

__all__ = ["Cascade"]


class Cascade(nn.Module):
    """Models by name; the part of that name in a bundle is what a model learns.

    Every part holds its conditions already, so the stages are trained side by side: the loss of an event is the sum
    of its stages' losses.

    Args:
        stages: models by name, in the order in which they are sampled.
    """

    def __init__(self, stages: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleDict(stages)
        self._trained = tuple(stages)

    def __getitem__(self, name: str) -> nn.Module:
        return self.stages[name]

    def train_only(self, name: str) -> None:
        """Train one stage and leave the others as they are.

        Args:
            name: of the stage.
        """
        self._trained = (name,)
        for other, stage in self.stages.items():
            stage.requires_grad_(other == name)

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

    def parts(self) -> Mapping[str, nn.Module]:
        """The stages, whose gradients are clipped one by one."""
        return dict(self.stages.items())
