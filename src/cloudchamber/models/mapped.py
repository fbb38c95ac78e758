r"""A model of the scores behind an invertible map, as a model of the values.

With z = f(v) the density of the values is p(v) = p(z) |det df/dv|, so that `log_prob` is a density over physical
variables whatever maps make them easy to learn.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from torch import Tensor, nn

from cloudchamber.models.base import Samplable, Scorable, Trainable
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.bijections import Bijection
from cloudchamber.tensors.rng import Rng

__all__ = ["Mapped"]


class Mapped(nn.Module):
    """A model of x = f^-1(z), where another model knows z.

    Args:
        model: of the scores z.
        bijection: f.
    """

    def __init__(self, model: nn.Module, bijection: Bijection) -> None:
        super().__init__()
        self.model, self.bijection = model, bijection

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Those of the model at the scores.

        Args:
            rows: vectors x of shape (B, F).
            rng: random stream.
        """
        return cast(Trainable[Batch], self.model).losses(self._scores(rows), rng)

    def sample(self, given: Batch, rng: Rng, **how: Any) -> Tensor:  # noqa: ANN401
        """New values, shape (B, F).

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
            **how: other arguments of the model's `sample`.
        """
        return self.bijection.inverse(cast(Samplable[Batch, Tensor], self.model).sample(given, rng, **how))

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-density of the values, shape (B,).

        Args:
            rows: vectors x of shape (B, F).
        """
        scores = cast(Scorable[Batch], self.model).log_prob(self._scores(rows))
        return scores + self.bijection.log_det(rows.x)

    def _scores(self, rows: Batch) -> Batch:
        return replace(rows, x=self.bijection.forward(rows.x))
