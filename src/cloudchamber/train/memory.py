"""A small model fitted to rows in memory, without a folder: AdamW, a rate that falls as a cosine, averaged weights."""

from collections.abc import Sequence

import torch

from cloudchamber.models.base import Trainable
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng
from cloudchamber.train.config import TrainingConfig
from cloudchamber.train.ema import Ema
from cloudchamber.train.optim import make_optimizer, set_rate

__all__ = ["fit_rows"]

_LARGEST_GRADIENT, _WARM_UP_STEPS = 1.0, 20


def fit_rows(
    model: Trainable[Batch], rows: Batch, *, steps: int, seed: Sequence[int], batch_size: int = 256,
    learning_rate: float = 3e-3, ema_decay: float = 0.99,
) -> None:  # fmt: skip
    """Minimise the losses of a model on random batches of rows; its weights are then the averaged ones.

    Args:
        model: is trained in place.
        rows: all of them are used equally.
        steps: optimiser steps.
        seed: names the random streams; the fit depends on nothing else.
        batch_size: rows in a step.
        learning_rate: the first.
        ema_decay: of the averaged weights.
    """
    parameters = dict(model.named_parameters())
    config = TrainingConfig(learning_rate=learning_rate, steps=steps, warm_up_steps=_WARM_UP_STEPS)
    optimizer = make_optimizer(parameters.values(), config)
    ema = Ema(parameters, ema_decay)
    model.train()
    for step in range(steps):
        rng = RowRng((*seed, step), batch_size)
        chosen = rows.select((rng.uniform() * len(rows)).long())
        set_rate(optimizer, config.rate(step, 0.0))
        optimizer.zero_grad()
        torch.stack(list(model.losses(chosen, rng).values())).sum(0).mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters.values(), _LARGEST_GRADIENT)
        optimizer.step()
        ema.update()
    model.train(False)
    for name, average in ema.averages.items():
        parameters[name].data.copy_(average)
