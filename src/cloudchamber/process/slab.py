r"""The slab of `process.spike_slab`: what a number is if it is filled, a mixture of equally wide normal distributions.

Given x_t = alpha x + sigma eps of one number, its posterior is the mixture of components m with

    shares   r_m ~ w_m N(x_t; alpha v_m, u),      u = sigma^2 + alpha^2 tau^2,
    means    k x_t + (1 - k alpha) v_m,           k = alpha tau^2 / u,
    deviation      tau sigma / sqrt(u).

What the other numbers of the row say of this one is a likelihood, a factor f(x). To the first order of its logarithm it
is exp(l x), and gives shares ~ r_m exp(l mean_m) and means that are larger by l deviation^2: the mean moves as a shift
of the mixture would move it, and no values appear where the slab has none. The log-density of x is then

    l x - ln sum_m r_m exp( l mean_m + l^2 deviation^2 / 2 )

and what does not depend on l.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cloudchamber.process.schedule import Scales

__all__ = ["Posterior", "Slab"]


class Slab(nn.Module):
    """Mixtures of normal distributions, one for each number of a row.

    Args:
        centres: v_m, shape (M,).
        width: tau, positive.
        weights: w_m, positive and up to a factor for each number, shape (..., M).
        window: where the numbers lie, if there are bounds; the normal distributions reach beyond them.
    """

    centres: Tensor
    log_weights: Tensor

    def __init__(
        self, centres: Tensor, width: float, weights: Tensor, window: tuple[float, float] = (-math.inf, math.inf)
    ) -> None:
        super().__init__()
        self.width, self.window = width, window
        self.register_buffer("centres", centres.float(), persistent=False)
        self.register_buffer("log_weights", weights.log().float(), persistent=False)

    def posterior(self, x_t: Tensor, at: Scales, place: tuple[Tensor, ...]) -> "Posterior":
        """Posteriors of some filled numbers.

        Args:
            x_t: shape (n,).
            at: scales of the same shape, sigma > 0.
            place: which numbers of a row they are, an index into the weights.
        """
        alpha, sigma = at.alpha.float(), at.sigma.float()
        u = sigma**2 + (alpha * self.width) ** 2
        k = alpha * self.width**2 / u
        distance = x_t[:, None] - alpha[:, None] * self.centres
        log_shares = self.log_weights[place] - distance.square() / (2 * u)[:, None]
        means = (k * x_t)[:, None] + (1 - k * alpha)[:, None] * self.centres
        return Posterior(means, log_shares.log_softmax(-1), self.width * sigma / u.sqrt())

    def mirrored(self, x: Tensor) -> Tensor:
        """Numbers beyond a bound of the window, mirrored at it.

        Args:
            x: any shape.
        """
        low, high = self.window
        return torch.where(x < low, 2 * low - x, torch.where(x > high, 2 * high - x, x)).clamp(low, high)


class Posterior(NamedTuple):
    """Mixtures of normal distributions, one for each of n numbers.

    Attributes:
        means: of the components, shape (n, M).
        log_shares: of the components, shape (n, M).
        deviation: of all components, shape (n,).
    """

    means: Tensor
    log_shares: Tensor
    deviation: Tensor

    def draw(self, slope: Tensor, chance: Tensor, normal: Tensor) -> Tensor:
        """Draws of the tilted mixtures, shape (n,).

        Args:
            slope: l, shape (n,).
            chance: uniform random numbers, shape (n,).
            normal: normal random numbers, shape (n,).
        """
        shares = (self.log_shares + slope[:, None] * self.means).softmax(-1)
        number = (shares.cumsum(-1) < chance[:, None]).sum(-1, keepdim=True).clamp(max=self.means.shape[1] - 1)
        return self.means.gather(1, number)[:, 0] + slope * self.deviation.square() + self.deviation * normal

    def log_ratio(self, x: Tensor, slope: Tensor) -> Tensor:
        """Logarithm of the density of the tilted mixtures over that of the mixtures, shape (n,).

        Args:
            x: shape (n,).
            slope: l, shape (n,).
        """
        middle = (self.log_shares.exp() * self.means).sum(-1)
        from_middle = self.means - middle[:, None]
        norm = (self.log_shares + slope[:, None] * from_middle).logsumexp(-1) + (slope * self.deviation).square() / 2
        return slope * (x - middle) - norm
