r"""Classifier-free guidance (arXiv:2207.12598).

A network that learns with and without its conditions c gives both predictions; sampling follows

    eps_w = eps(x_t) + w (eps(x_t, c) - eps(x_t))                         (Eq. 6 there with w = 1 + their weight)

so w = 0 forgets the conditions, w = 1 obeys them, w > 1 exaggerates them, at two calls each. The conditions are
forgotten by a function of the batch; in training it is applied to a share of the rows.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from cloudchamber.process.denoise import Denoiser, Prediction, scales_at
from cloudchamber.process.objective import Objective
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Forget", "Guided", "SometimesForgetful", "zero_context"]

Forget = Callable[[Batch, Tensor], Batch]
"""A batch without the conditions of some rows, chosen by a mask of shape (B,)."""


def zero_context(batch: Batch, rows: Tensor) -> Batch:
    """The context of some rows set to zero.

    Args:
        batch: with a context, which should have a column that is never zero, so that it is missed.
        rows: mask, shape (B,).

    Raises:
        ValueError: if there is no context.
    """
    if batch.context is None:
        raise ValueError("a batch without context has no conditions to forget")
    return replace(batch, context=batch.context.masked_fill(rows[:, None], 0.0))


class SometimesForgetful:
    """An objective in which a share of the rows lack their conditions.

    Args:
        objective: the objective.
        share: of the rows, 0.1 in the paper.
        forget: how conditions are forgotten.
    """

    def __init__(self, objective: Objective, share: float = 0.1, forget: Forget = zero_context) -> None:
        self.objective, self.share, self.forget = objective, share, forget

    def __call__(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,).

        Args:
            denoiser: what is trained.
            batch: data x and conditions.
            rng: random stream.
        """
        return self.objective(denoiser, self.forget(batch, rng.uniform() < self.share), rng)


class Guided(Denoiser):
    """A denoiser with guidance.

    Args:
        denoiser: trained with and without conditions.
        weight: w.
        forget: how conditions are forgotten.
    """

    def __init__(self, denoiser: Denoiser, weight: float, forget: Forget = zero_context) -> None:
        super().__init__(denoiser.net, denoiser.schedule, denoiser.target)
        self.denoiser, self.weight, self.forget = denoiser, weight, forget
        self.calls = 2 * denoiser.calls

    def forward(self, x_t: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The guided target.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        prediction, (a, b) = self.predict(x_t, t, given), self.target(scales_at(self.schedule, t, x_t))
        return a * prediction.x + b * prediction.eps

    def predict(self, x_t: Tensor, t: Tensor, given: Batch) -> Prediction:
        """Data and noise at x_t.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        with_conditions = self.denoiser.predict(x_t, t, given)
        everyone = torch.ones(len(x_t), dtype=torch.bool, device=x_t.device)
        without = self.denoiser.predict(x_t, t, self.forget(given, everyone))
        x, eps = (torch.lerp(free, bound, self.weight)
                  for free, bound in ((without.x, with_conditions.x), (without.eps, with_conditions.eps)))  # fmt: skip
        return Prediction(x, eps, with_conditions.spread)
