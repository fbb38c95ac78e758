"""Fits in memory."""

import torch

from cloudchamber.models.autoregressive_flow import AutoregressiveFlow
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng
from cloudchamber.train.memory import fit_rows


def ridge(n: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, generator=generator)
    return Batch(torch.stack([x, 2 * x + 0.1 * torch.randn(n, generator=generator)], 1), torch.ones(n))


def fitted(seed: int) -> AutoregressiveFlow:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        flow = AutoregressiveFlow(2, affine=1, splines=0, width=8)
    fit_rows(flow, ridge(2000), steps=500, seed=(seed,), learning_rate=2e-2)
    return flow


def test_the_fit_reaches_the_entropy_and_depends_on_its_seed_alone() -> None:
    flow, rows = fitted(1), ridge(4000)
    loss = float(flow.losses(rows, RowRng((1,), 4000))["likelihood"].mean().detach())
    entropy = 1 + float(torch.log(torch.tensor(2 * torch.pi * 0.1)))
    assert entropy - 0.05 < loss < entropy + 0.2
    assert torch.equal(fitted(1).log_prob(rows), flow.log_prob(rows))
    assert not torch.equal(fitted(2).log_prob(rows), flow.log_prob(rows))
