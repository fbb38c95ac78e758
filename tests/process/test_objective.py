"""The loss of the exact answer is the known minimum; padding never counts."""

from dataclasses import replace
from functools import partial

import gaussian
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.objective import flow_matching, logit_normal, masked_sum, uniform
from cloudchamber.process.schedule import Rectified
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng, RowRng

N = 40_000


class Exact(nn.Module):
    """The exact velocity of the Gaussian, plus an error."""

    def __init__(self, error: float = 0.0) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        return gaussian.velocity(x, t[0]) + self.error


def fixed(time: float, rng: Rng) -> Tensor:
    return torch.full_like(rng.uniform(), time)


@pytest.fixture(scope="module")
def data() -> Batch:
    noise = torch.randn(N, 3, generator=torch.Generator().manual_seed(6)).double()
    return Batch(gaussian.flow(noise), torch.ones(N))


@pytest.mark.parametrize("time", [0.05, 0.3, 0.7, 1.0])
def test_the_exact_velocity_has_the_least_loss(data: Batch, time: float) -> None:
    losses = flow_matching(Denoiser(Exact(), Rectified()), data, RowRng((1,), N), partial(fixed, time))
    assert losses.shape == (N,)
    error = float(losses.std()) / N**0.5
    assert abs(float(losses.mean()) - gaussian.least_loss(time)) < 4 * error
    worse = flow_matching(Denoiser(Exact(0.5), Rectified()), data, RowRng((1,), N), partial(fixed, time))
    assert float(worse.mean() - losses.mean()) == pytest.approx(0.25, abs=4 * 2 * 0.5 * error)


def test_times_follow_their_distributions() -> None:
    rng = RowRng((2,), 5_000)
    logits = torch.logit(logit_normal(rng, 0.5, 2.0).double())
    assert stats.kstest(logits.numpy(), stats.norm(0.5, 2.0).cdf).pvalue > 1e-3
    assert stats.kstest(uniform(rng).numpy(), "uniform").pvalue > 1e-3


class Mixing(nn.Module):
    """Every element sees all real elements of its set."""

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        assert given.mask is not None
        return (x * given.mask[..., None]).sum(1, keepdim=True) * t[:, None, None] + x


def test_padding_never_changes_the_loss() -> None:
    mask = torch.arange(5) < torch.tensor([[5], [2], [1]])
    batch = Batch(torch.randn(3, 5, 2) * mask[..., None], torch.ones(3), mask=mask)
    spoilt = replace(batch, x=batch.x + 1e4 * torch.randn(3, 5, 2) * ~mask[..., None])
    losses = [flow_matching(Denoiser(Mixing(), Rectified()), rows, RowRng((3,), 3)) for rows in (batch, spoilt)]
    assert torch.equal(*losses)


def test_the_loss_sums_over_elements_and_averages_over_features() -> None:
    values, mask = torch.arange(12.0).view(2, 3, 2), torch.tensor([[True, True, False], [True, False, False]])
    assert masked_sum(values, mask).tolist() == [0 + 1 + 2 + 3, 6 + 7]
    assert masked_sum(values[:, 0], None).tolist() == [1, 13]

    class Zero(nn.Module):
        def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
            return torch.zeros_like(x)

    batch = Batch(torch.randn(2, 3, 2), torch.ones(2), mask=mask)
    rng = RowRng((4,), 2)
    rng.uniform(), (eps := rng.normal(3, 2))
    losses = flow_matching(Denoiser(Zero(), Rectified()), batch, RowRng((4,), 2), uniform)
    torch.testing.assert_close(losses, masked_sum((eps - batch.x) ** 2, mask) / 2)
