"""A small diffusion model learns a Gaussian, leaves padding alone, and gives each event its own numbers."""

import pytest
import torch

from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.process.objective import flow_matching
from cloudchamber.process.sampler import SAMPLERS
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng, RowRng

COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 0.5]])


@pytest.fixture(scope="module")
def trained() -> Diffusion:
    """Mean (c, -c) and a correlated covariance, given the context c."""
    torch.manual_seed(1)
    model, root, n = Diffusion(VectorNet(2, context=1, width=32, depth=1), 2), torch.linalg.cholesky(COVARIANCE), 512
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
    for step in range(300):
        context = torch.randn(n, 1)
        x = torch.cat([context, -context], dim=1) + torch.randn(n, 2) @ root.T
        optimizer.zero_grad()
        model.losses(Batch(x, torch.ones(n), context=context), RowRng((step,), n))["velocity"].mean().backward()
        optimizer.step()
        decay.step()
    return model.eval()


@pytest.mark.parametrize("sampler", SAMPLERS)
@torch.no_grad()
def test_training_reaches_the_right_moments(trained: Diffusion, sampler: str) -> None:
    n = 8_000
    for c in (-1.0, 0.5):
        given = Batch(torch.zeros(n, 2), torch.ones(n), context=torch.full((n, 1), c))
        made = trained.sample(given, RowRng((1,), n), calls=24, sampler=sampler)
        torch.testing.assert_close(made.mean(0), torch.tensor([c, -c]), rtol=0, atol=0.1)
        torch.testing.assert_close(made.T.cov(), COVARIANCE, rtol=0, atol=0.1)


@torch.no_grad()
def test_an_event_is_the_same_alone_and_in_company(trained: Diffusion) -> None:
    given = Batch(torch.zeros(9, 2), torch.ones(9), context=torch.linspace(-1, 1, 9)[:, None])
    together = trained.sample(given, EventRng(3, range(9)))
    alone = trained.sample(given.select(torch.tensor([4])), EventRng(3, [4]))
    torch.testing.assert_close(together[4:5], alone)


def test_the_loss_is_the_mean_over_its_repeats(trained: Diffusion) -> None:
    batch = Batch(torch.randn(5, 2), torch.ones(5), context=torch.randn(5, 1))
    rng = RowRng((2,), 5)
    expected = torch.stack([flow_matching(trained.denoiser, batch, rng) for _ in range(2)]).mean(0)
    torch.testing.assert_close(trained.losses(batch, RowRng((2,), 5))["velocity"], expected)


@torch.no_grad()
def test_padding_is_zero_and_does_not_matter() -> None:
    net = SetTransformer(3, tokens=4, context=2, width=16, depth=1)
    torch.nn.init.normal_(net.outputs.weight)
    model = Diffusion(net).eval()
    mask = torch.arange(6) < torch.tensor([[6], [2]])
    given = Batch(torch.zeros(2, 6, 3), torch.ones(2), context=torch.zeros(2, 2), mask=mask,
                  tokens=torch.ones(2, 6, dtype=torch.long))  # fmt: skip
    made = model.sample(given, EventRng(1, [0, 1]), calls=4)
    assert not made[~mask].any()
    assert made[mask].all()
    noise = model.sample(given, EventRng(1, [0, 1]), calls=1, sampler="euler")
    assert not torch.equal(made, noise)
