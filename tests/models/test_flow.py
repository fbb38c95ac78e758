"""The spline flow: a density that integrates to one, and draws that follow it."""

import torch

from cloudchamber.models.flow import SplineFlow
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng


def bent() -> SplineFlow:
    flow = SplineFlow(2, 1, couplings=4, width=16, depth=1, bins=5)
    with torch.no_grad():
        for p in flow.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return flow


@torch.no_grad()
def test_the_density_integrates_to_one_and_draws_follow_it() -> None:
    flow, axis = bent(), torch.linspace(-8, 8, 641)
    grid = torch.cartesian_prod(axis, axis)
    density = flow.log_prob(Batch(grid, torch.ones(len(grid)), torch.full((len(grid), 1), 0.7))).exp() * 0.025**2
    assert abs(float(density.sum()) - 1) < 5e-3
    n = 20_000
    drawn = flow.sample(Batch(torch.zeros(n, 2), torch.ones(n), torch.full((n, 1), 0.7)), RowRng((1,), n))
    mean, second = (density[:, None] * grid).sum(0), (density[:, None] * grid**2).sum(0)
    error = 5 * (second - mean**2).sqrt() / n**0.5
    assert ((drawn.mean(0) - mean).abs() < error).all()
    assert float((drawn.std(0) / (second - mean**2).sqrt() - 1).abs().max()) < 0.05
