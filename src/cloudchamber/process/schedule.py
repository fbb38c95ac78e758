r"""The affine path between data and noise.

    x_t = alpha_t x + sigma_t eps,    eps ~ N(0, 1),    0 <= t <= 1

Time runs from data (t = 0) to noise (t = 1) in the whole package; samplers go from 1 to 0.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = ["Rectified", "Scales", "Schedule"]


class Scales(NamedTuple):
    """alpha_t and sigma_t with their time derivatives, each of the shape of t."""

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor


class Schedule(Protocol):
    """t -> Scales."""

    def __call__(self, t: Tensor) -> Scales:
        """Scales at the times t."""
        ...


class Rectified:
    """The straight path of flow matching: alpha = 1 - t, sigma = t (arXiv:2210.02747, Eq. 20 with sigma_min = 0).

    >>> Rectified()(torch.tensor(0.25)).alpha
    tensor(0.7500)
    """

    def __call__(self, t: Tensor) -> Scales:
        """Scales at the times t.

        Args:
            t: any shape.
        """
        one = torch.ones_like(t)
        return Scales(1 - t, t, -one, one)
