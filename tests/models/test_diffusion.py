"""A small diffusion model learns a Gaussian, gives its density, and gives each event its own numbers."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.sampler import SAMPLERS
from cloudchamber.process.schedule import Rectified
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng, RowRng

COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 0.5]])


@pytest.fixture(scope="module")
def trained() -> Diffusion:
    """Mean (c, -c) and a correlated covariance, given the context c."""
    torch.manual_seed(1)
    net, root, n = VectorNet(2, context=1, width=32, depth=1), torch.linalg.cholesky(COVARIANCE), 512
    model = Diffusion(Denoiser(net, Rectified()), repeats=2)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
    for step in range(300):
        context = torch.randn(n, 1)
        x = torch.cat([context, -context], dim=1) + torch.randn(n, 2) @ root.T
        optimizer.zero_grad()
        model.losses(Batch(x, torch.ones(n), context=context), RowRng((step,), n))["denoising"].mean().backward()
        optimizer.step()
        decay.step()
    return model.eval()


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in ("langevin", "jump", "mixture")])
@torch.no_grad()
def test_training_reaches_the_right_moments(trained: Diffusion, sampler: str) -> None:
    n = 4_000
    for c in (-1.0, 0.5):
        given = Batch(torch.zeros(n, 2), torch.ones(n), context=torch.full((n, 1), c))
        made = trained.sample(given, RowRng((1,), n), calls=60, sampler=sampler)
        torch.testing.assert_close(made.mean(0), torch.tensor([c, -c]), rtol=0, atol=0.1)
        torch.testing.assert_close(made.T.cov(), COVARIANCE, rtol=0, atol=0.13)


def test_its_density_is_that_of_the_data(trained: Diffusion) -> None:
    c = torch.linspace(-1, 1, 100)[:, None]
    law = MultivariateNormal(torch.cat([c, -c], 1), COVARIANCE)
    x = law.sample()
    made = trained.log_prob(Batch(x, torch.ones(100), context=c), tolerance=1e-4)
    assert float((made - law.log_prob(x)).mean()) == pytest.approx(0, abs=0.1)
    assert float((made - law.log_prob(x)).abs().median()) < 0.25


@torch.no_grad()
def test_an_event_is_the_same_alone_and_in_company(trained: Diffusion) -> None:
    given = Batch(torch.zeros(9, 2), torch.ones(9), context=torch.linspace(-1, 1, 9)[:, None])
    together = trained.sample(given, EventRng(3, range(9)))
    alone = trained.sample(given.select(torch.tensor([4])), EventRng(3, [4]))
    torch.testing.assert_close(together[4:5], alone)


def test_the_loss_is_the_mean_over_its_repeats(trained: Diffusion) -> None:
    batch = Batch(torch.randn(5, 2), torch.ones(5), context=torch.randn(5, 1))
    rng = RowRng((2,), 5)
    expected = torch.stack([trained.objective(trained.denoiser, batch, rng) for _ in range(2)]).mean(0)
    torch.testing.assert_close(trained.losses(batch, RowRng((2,), 5))["denoising"], expected)
