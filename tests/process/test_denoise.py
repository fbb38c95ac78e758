import pytest
import torch
from torch import Tensor, nn

from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import Rectified
from cloudchamber.tensors.batch import Batch


class Recalled(nn.Module):
    """A network that knows the velocity."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        return self.answer


@pytest.mark.parametrize("shape", [(5, 2), (5, 4, 3)])
def test_velocity_gives_back_data_and_noise(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(4)
    x, eps = (torch.randn(shape, generator=generator).double() for _ in range(2))
    t = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0]).double()
    alpha, sigma, d_alpha, d_sigma = Rectified()(t.view(-1, *[1] * (len(shape) - 1)))
    velocity = d_alpha * x + d_sigma * eps
    prediction = Denoiser(Recalled(velocity), Rectified()).predict(alpha * x + sigma * eps, t, Batch(x, torch.ones(5)))
    torch.testing.assert_close(prediction.x, x)
    torch.testing.assert_close(prediction.eps, eps)
    torch.testing.assert_close(prediction.velocity, velocity)


def test_predictions_solve_the_equations_of_the_path() -> None:
    """Whatever the network says: alpha x + sigma eps is the noisy value."""
    x_t, answer = torch.randn(6, 2).double(), torch.randn(6, 2).double()
    t = torch.linspace(0, 1, 6).double()
    prediction = Denoiser(Recalled(answer), Rectified()).predict(x_t, t, Batch(x_t, torch.ones(6)))
    alpha, sigma, d_alpha, d_sigma = Rectified()(t[:, None])
    torch.testing.assert_close(alpha * prediction.x + sigma * prediction.eps, x_t)
    torch.testing.assert_close(d_alpha * prediction.x + d_sigma * prediction.eps, answer)
