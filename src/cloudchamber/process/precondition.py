r"""Networks that correct the best linear guess, for data that are nearly constant.

For data of mean m and variance s^2 the best guess that is linear in x_t = alpha x + sigma eps is

    x0   = m + alpha s^2 (x_t - alpha m) / q^2,       q^2 = sigma^2 + alpha^2 s^2
    eps0 = sigma (x_t - alpha m) / q^2.

The network F sees (x_t - alpha m) / q, of unit variance, and says what is missing in units of what is left to know,

    x^   = x0   + (sigma s / q) F
    eps^ = eps0 - (alpha s / q) F,

from which any target a x + b eps follows. This is EDM's preconditioning (arXiv:2206.00364, Eqs. 7-8) on any path and
for any mean. In images of which one pixel in five hundred is filled, s is a few per cent: a network that predicts eps
without help must first learn to hand on the noise of every pixel to that accuracy.
"""

import torch
from torch import Tensor, nn

from cloudchamber.process.denoise import Target, scales_at
from cloudchamber.process.schedule import Schedule
from cloudchamber.tensors.batch import Batch

__all__ = ["LinearGuess"]


class LinearGuess(nn.Module):
    """A network around the best linear guess; what else it predicts, such as a variance, is passed on.

    Args:
        net: says what is missing, in the first entries of the last dimension.
        schedule: the path.
        target: what is predicted.
        mean: m of the data.
        deviation: s of the data, positive.
    """

    def __init__(self, net: nn.Module, schedule: Schedule, target: Target, mean: float, deviation: float) -> None:
        super().__init__()
        self.net, self.schedule, self.target, self.mean, self.deviation = net, schedule, target, mean, deviation

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The predicted target, and what else the network predicts.

        Args:
            x: x_t, shape (B, ..., F).
            t: shape (B,).
            given: conditions.
        """
        at = scales_at(self.schedule, t, x)
        alpha, sigma, s = at.alpha.to(x.dtype), at.sigma.to(x.dtype), self.deviation
        q = torch.sqrt(sigma**2 + alpha**2 * s**2)
        seen = (x - alpha * self.mean) / q
        missing, rest = self.net(seen, t, given).to(x.dtype).tensor_split([x.shape[-1]], dim=-1)
        data = self.mean + s / q * (alpha * s * seen + sigma * missing)
        noise = (sigma * seen - alpha * s * missing) / q
        a, b = self.target(at)
        return torch.cat([a.to(x.dtype) * data + b.to(x.dtype) * noise, rest], dim=-1)
