r"""The flow of a Gaussian in closed form.

With data x ~ N(m, C) and the path x_t = (1 - t) x + t eps, the noisy values are N((1 - t) m, S_t) with
S_t = (1 - t)^2 C + t^2 1, and the velocity is the conditional expectation

    E[eps - x | x_t] = -m + (t 1 - (1 - t) C) S_t^-1 (x_t - (1 - t) m).

All matrices commute, so noise eps flows to m + C^(1/2) eps.
"""

import torch
from torch import Tensor

MEAN = torch.tensor([1.0, -2.0, 0.5]).double()
_ROTATION = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(3)).double())[0]
_VARIANCES = torch.tensor([0.1, 1.5, 3.0]).double()
COVARIANCE = _ROTATION @ torch.diag(_VARIANCES) @ _ROTATION.T
ROOT = _ROTATION @ torch.diag(_VARIANCES.sqrt()) @ _ROTATION.T


def velocity(x: Tensor, t: Tensor) -> Tensor:
    """The exact velocity at one time."""
    t = t.double()
    one = torch.eye(3).double()
    gain = (t * one - (1 - t) * COVARIANCE) @ torch.linalg.inv((1 - t) ** 2 * COVARIANCE + t**2 * one)
    return -MEAN + (x - (1 - t) * MEAN) @ gain


def flow(noise: Tensor) -> Tensor:
    """Where noise flows."""
    return MEAN + noise @ ROOT


def least_loss(t: float) -> float:
    """Mean variance of the velocity given x_t: trace of C S_t^-1 over the dimension."""
    return float((_VARIANCES / ((1 - t) ** 2 * _VARIANCES + t**2)).mean())
