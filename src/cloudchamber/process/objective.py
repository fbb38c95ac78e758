r"""What a denoiser is trained on: unreduced losses, one number per row of the batch.

Flow matching (arXiv:2210.02747, Eq. 23) regresses the velocity of the path,

    L = | F(x_t, t) - (d_alpha x + d_sigma eps) |^2 .

The time is logit-normal (arXiv:2403.03206, Eq. 19), which spends most draws between the ends.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from cloudchamber.process.denoise import Denoiser
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["flow_matching", "logit_normal", "masked_sum", "uniform"]

TimeDraw = Callable[[Rng], Tensor]


def logit_normal(rng: Rng, location: float = 0.0, scale: float = 1.0) -> Tensor:
    """Times sigmoid(location + scale z) with z ~ N(0, 1), shape (B,).

    Args:
        rng: random stream.
        location: shifts times to data (negative) or noise (positive).
        scale: spread.
    """
    return torch.sigmoid(location + scale * rng.normal())


def uniform(rng: Rng) -> Tensor:
    """Times uniform in [0, 1), shape (B,).

    Args:
        rng: random stream.
    """
    return rng.uniform()


def masked_sum(values: Tensor, mask: Tensor | None) -> Tensor:
    """Sum over all but the first dimension, padding left out, shape (B,).

    Args:
        values: shape (B, F) or (B, N, F).
        mask: real elements, shape (B, N).
    """
    if mask is not None:
        values = values.masked_fill(~mask[..., None], 0.0)
    return values.flatten(1).sum(1)


def flow_matching(denoiser: Denoiser, batch: Batch, rng: Rng, times: TimeDraw = logit_normal) -> Tensor:
    """Flow-matching loss of each row: squared velocity error, averaged over features, summed over elements, (B,).

    Args:
        denoiser: predicts the velocity.
        batch: data x and conditions.
        rng: random stream.
        times: how the time of each row is drawn.
    """
    t = times(rng)
    eps = rng.normal(*batch.x.shape[1:])
    alpha, sigma, d_alpha, d_sigma = denoiser.schedule(t.view(-1, *[1] * (batch.x.dim() - 1)))
    x_t = alpha * batch.x + sigma * eps
    if batch.mask is not None:
        x_t = x_t * batch.mask[..., None]
    error = denoiser(x_t, t, batch).float() - (d_alpha * batch.x + d_sigma * eps)
    return masked_sum(error.square(), batch.mask) / batch.x.shape[-1]
