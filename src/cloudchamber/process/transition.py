r"""Gaussian transitions of the path from a time s to a later time t, and back when the data are known.

    q(x_t | x_s)    = N( (alpha_t / alpha_s) x_s,  beta ),     beta  = sigma_t^2 - (alpha_t / alpha_s)^2 sigma_s^2
    q(x_s | x_t, x) = N( alpha_s x + c eps,        beta~ ),    beta~ = beta sigma_s^2 / sigma_t^2

for any s < t (arXiv:2107.00630, App. A; arXiv:2006.11239, Eqs. 6-7 for neighbouring steps of the DDPM), with
eps = (x_t - alpha_t x) / sigma_t and c^2 = sigma_s^2 - beta~. A learnt variance lies between the two bounds
(arXiv:2102.09672, Eq. 15):

    ln variance = spread ln beta + (1 - spread) ln beta~.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cloudchamber.process.denoise import Prediction
from cloudchamber.process.schedule import Scales

__all__ = ["Transition", "gaussian_kl", "transition"]


class Transition(NamedTuple):
    """A step between two times.

    Attributes:
        later: scales at t.
        earlier: scales at s.
        forward: variance beta of q(x_t | x_s).
        backward: variance beta~ of q(x_s | x_t, x).
    """

    later: Scales
    earlier: Scales
    forward: Tensor
    backward: Tensor

    def mean(self, prediction: Prediction) -> Tensor:
        """Mean of q(x_s | x_t, x) for predicted data and noise.

        Args:
            prediction: at the later time.
        """
        direction = torch.sqrt((self.earlier.sigma**2 - self.backward).clamp(min=0))
        return self.earlier.alpha * prediction.x + direction * prediction.eps

    def log_variance(self, spread: Tensor, least: Tensor | float = 1e-20) -> Tensor:
        """Logarithm of the variance of a step back.

        Args:
            spread: 0 for beta~, 1 for beta, between them for a learnt variance.
            least: takes the place of a smaller beta~, as that of the step to the data, which is zero.
        """
        high, low = self.forward.log(), torch.as_tensor(self.backward).clamp(min=least).log()
        return spread * high + (1 - spread) * low


def transition(later: Scales, earlier: Scales) -> Transition:
    """The step between two times.

    Args:
        later: scales at t.
        earlier: scales at s < t.
    """
    ratio = later.alpha / earlier.alpha
    forward = later.sigma**2 - ratio**2 * earlier.sigma**2
    return Transition(later, earlier, forward, forward * earlier.sigma**2 / later.sigma**2)


def gaussian_kl(mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of one-dimensional normal distributions, KL(N || other), elementwise, in nats.

    Args:
        mean: of the first.
        log_variance: of the first.
        other_mean: of the second.
        other_log_variance: of the second.
    """
    ratio = (log_variance - other_log_variance).exp()
    distance = (mean - other_mean) ** 2 * (-other_log_variance).exp()
    return (ratio + distance - 1 + other_log_variance - log_variance) / 2
