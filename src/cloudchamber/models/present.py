"""A stage that only some rows of a batch have, such as a third jet: the others cost nothing and draw nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from cloudchamber.models.base import Samplable, Scorable, Trainable
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Present"]


class Present(nn.Module):
    """A model of vectors for the rows whose mask holds anything; the losses and log-densities of others are zero.

    Args:
        model: of vectors.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Those of the model.

        Args:
            rows: a batch with a mask.
            rng: random stream.
        """
        there = _rows_of(rows)
        chosen = there if len(there) else torch.zeros(1, dtype=torch.long, device=there.device)
        losses = cast(Trainable[Batch], self.model).losses(_chosen(rows, chosen), _Some(rng, chosen))
        share = float(len(there) > 0)
        return {name: _spread(loss * share, chosen, len(rows)) for name, loss in losses.items()}

    def sample(self, given: Batch, rng: Rng, **how: Any) -> Tensor:  # noqa: ANN401
        """New vectors; zero where there is nothing to draw.

        Args:
            given: conditions and a mask.
            rng: random stream.
            **how: other arguments of the model's `sample`.
        """
        there, drawn = _rows_of(given), torch.zeros_like(given.x)
        if len(there):
            model = cast(Samplable[Batch, Tensor], self.model)
            drawn[there] = model.sample(_chosen(given, there), _Some(rng, there), **how).to(drawn.dtype)
        return drawn

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-density of the vectors that are there, shape (B,).

        Args:
            rows: a batch with a mask.
        """
        there = _rows_of(rows)
        if not len(there):
            return torch.zeros(len(rows))
        return _spread(cast(Scorable[Batch], self.model).log_prob(_chosen(rows, there)), there, len(rows))


class _Some:
    """Random numbers of some rows; they are drawn for all."""

    def __init__(self, rng: Rng, rows: Tensor) -> None:
        self._rng, self._rows = rng, rows

    def normal(self, *shape: int) -> Tensor:
        """Unit normal numbers."""
        return self._rng.normal(*shape)[self._rows]

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1)."""
        return self._rng.uniform(*shape)[self._rows]


def _rows_of(rows: Batch) -> Tensor:
    assert rows.mask is not None
    return rows.mask.any(1).nonzero()[:, 0]


def _chosen(rows: Batch, index: Tensor) -> Batch:
    return replace(rows.select(index), mask=None)


def _spread(values: Tensor, index: Tensor, size: int) -> Tensor:
    return torch.zeros(size, dtype=values.dtype, device=values.device).index_add(0, index, values)
