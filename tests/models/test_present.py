"""Rows without a stage have no loss, no density and no draw; those with it have the model's."""

import torch

from cloudchamber.models.diffusion import Diffusion
from cloudchamber.models.present import Present
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import Rectified
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng


def model() -> Present:
    return Present(Diffusion(Denoiser(VectorNet(2, 1, width=8, depth=1), Rectified())))


def rows(*there: bool) -> Batch:
    n = len(there)
    return Batch(torch.randn(n, 2), torch.ones(n), torch.ones(n, 1), torch.tensor(there)[:, None])


def test_only_rows_that_have_the_stage_count() -> None:
    one, batch = model(), rows(True, False, True)
    losses = one.losses(batch, RowRng((1,), 3))["denoising"]
    assert (losses > 0).tolist() == [True, False, True]
    plain = Batch(batch.x, batch.weight, batch.context)
    torch.testing.assert_close(losses[[0, 2]], one.model.losses(plain, RowRng((1,), 3))["denoising"][[0, 2]])
    density = one.log_prob(batch)
    assert density[1] == 0
    torch.testing.assert_close(density[[0, 2]], one.model.log_prob(plain)[[0, 2]], rtol=1e-3, atol=1e-3)
    drawn = one.sample(batch, RowRng((2,), 3), calls=2)
    assert drawn.any(1).tolist() == [True, False, True]


def test_a_batch_without_the_stage_still_has_gradients() -> None:
    one = model()
    loss = one.losses(rows(False, False), RowRng((1,), 2))["denoising"]
    assert not loss.any()
    loss.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in one.parameters())
    assert not one.sample(rows(False, False), RowRng((1,), 2), calls=2).any()
    assert not one.log_prob(rows(False)).any()
