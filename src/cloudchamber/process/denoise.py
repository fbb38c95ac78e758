r"""What a network says about the data behind a noisy value.

A network F predicts one of four equivalent targets. With the path x_t = alpha x + sigma eps they are

    x,    eps = (x_t - alpha x) / sigma,    velocity = d_alpha x + d_sigma eps,

and any two of (x_t, target) give the others. All conversions of the package stand here.
"""

from typing import NamedTuple, Protocol

from torch import Tensor, nn

from cloudchamber.process.schedule import Schedule
from cloudchamber.tensors.batch import Batch

__all__ = ["Denoiser", "Network", "Prediction"]


class Network(Protocol):
    """(x_t, t, given) -> a tensor of the shape of x_t."""

    def __call__(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output for noisy values x at times t (B,) under the conditions in `given`."""
        ...


class Prediction(NamedTuple):
    """Expectations given x_t, each of the shape of x_t."""

    x: Tensor
    eps: Tensor
    velocity: Tensor


class Denoiser(nn.Module):
    """A network with velocity target on a schedule.

    Args:
        net: predicts the velocity.
        schedule: the path it was trained on.
    """

    def __init__(self, net: nn.Module, schedule: Schedule) -> None:
        super().__init__()
        self.net, self.schedule = net, schedule

    def forward(self, x_t: Tensor, t: Tensor, given: Batch) -> Tensor:
        """Velocity at x_t.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        velocity: Tensor = self.net(x_t, t, given)
        return velocity

    def predict(self, x_t: Tensor, t: Tensor, given: Batch) -> Prediction:
        """All targets at x_t: x and eps solve the two equations of the path.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        velocity = self(x_t, t, given)
        alpha, sigma, d_alpha, d_sigma = self.schedule(t.view(-1, *[1] * (x_t.dim() - 1)))
        determinant = alpha * d_sigma - sigma * d_alpha
        x = (d_sigma * x_t - sigma * velocity) / determinant
        eps = (alpha * velocity - d_alpha * x_t) / determinant
        return Prediction(x, eps, velocity)
