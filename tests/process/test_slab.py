"""Tilted posteriors are products of three known functions, integrated here on a fine grid."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from cloudchamber.process.schedule import Scales
from cloudchamber.process.slab import Posterior, Slab

CENTRES, WIDTH = torch.tensor([-0.6, -0.1, 0.5]), 0.07
WEIGHTS = torch.tensor([[3.0, 1.0, 0.2], [0.01, 0.5, 2.0]])
GRID = torch.linspace(-2.5, 2.5, 400_001, dtype=torch.float64)
CASES = [(0.9, 0.3, 0.2, 0.0), (0.9, 0.3, 0.2, 4.0), (0.5, 0.8, -0.3, -6.0), (0.98, 0.05, 0.1, 30.0)]
"""Alpha, sigma, x_t and slope."""


def posterior(alpha: float, sigma: float, x_t: float, n: int = 1, number: int = 0) -> Posterior:
    at = Scales(*(torch.full((n,), value) for value in (alpha, sigma, 0.0, 0.0)))
    place = (torch.full((n,), number),)
    return Slab(CENTRES, WIDTH, WEIGHTS).posterior(torch.full((n,), x_t), at, place)


def density(alpha: float, sigma: float, x_t: float, slope: float, number: int = 0) -> Tensor:
    """Of the slab, times the likelihood of x_t, times exp(l x), normalised on the grid."""
    slab = sum(
        w * torch.exp(-((GRID - v) ** 2) / (2 * WIDTH**2))
        for v, w in zip(CENTRES.tolist(), WEIGHTS[number].tolist(), strict=True)
    )
    assert isinstance(slab, Tensor)
    log = slab.clamp(min=1e-300).log() - (x_t - alpha * GRID) ** 2 / (2 * sigma**2) + slope * GRID
    found = (log - log.max()).exp()
    return found / torch.trapezoid(found, GRID)


@pytest.mark.parametrize(("alpha", "sigma", "x_t", "slope"), CASES)
@pytest.mark.parametrize("number", [0, 1])
def test_draws_follow_the_tilted_posterior(alpha: float, sigma: float, x_t: float, slope: float, number: int) -> None:
    n, generator = 20_000, torch.Generator().manual_seed(3)
    chance, normal = torch.rand(n, generator=generator), torch.randn(n, generator=generator)
    drawn = posterior(alpha, sigma, x_t, n, number).draw(torch.full((n,), slope), chance, normal)
    cumulative = torch.cumulative_trapezoid(density(alpha, sigma, x_t, slope, number), GRID)

    def cdf(x: object) -> object:
        return cumulative[torch.searchsorted(GRID, torch.as_tensor(x).double()).clamp(max=len(cumulative) - 1)].numpy()

    assert stats.kstest(drawn.numpy(), cdf).pvalue > 1e-3


@pytest.mark.parametrize(("alpha", "sigma", "x_t", "slope"), CASES)
def test_the_ratio_is_that_of_the_densities(alpha: float, sigma: float, x_t: float, slope: float) -> None:
    ratio = density(alpha, sigma, x_t, slope).log() - density(alpha, sigma, x_t, 0.0).log()
    for place in (180_000, 195_000, 210_000):
        x = GRID[place : place + 1].float()
        found = posterior(alpha, sigma, x_t).log_ratio(x, torch.tensor([slope]))
        assert found.item() == pytest.approx(ratio[place].item(), abs=2e-4)


def test_the_ratio_is_largest_at_the_slope_that_draws_were_made_with() -> None:
    """It is a log-likelihood of the slope, so its gradient vanishes at the truth."""
    n, generator = 40_000, torch.Generator().manual_seed(4)
    given = posterior(0.9, 0.3, 0.2, n)
    drawn = given.draw(torch.full((n,), 2.0), torch.rand(n, generator=generator), torch.randn(n, generator=generator))
    slope = torch.tensor(2.0, requires_grad=True)
    given.log_ratio(drawn, slope.expand(n)).mean().backward()
    assert slope.grad is not None
    assert abs(slope.grad.item()) < 4 * drawn.std().item() / math.sqrt(n)


def test_numbers_are_mirrored_at_the_ends_of_the_window() -> None:
    slab = Slab(CENTRES, WIDTH, WEIGHTS, window=(-0.7, 0.6))
    assert slab.mirrored(torch.tensor([-0.8, 0.0, 0.7])).tolist() == pytest.approx([-0.6, 0.0, 0.5])
    assert Slab(CENTRES, WIDTH, WEIGHTS).mirrored(torch.tensor([-9.0, 9.0])).tolist() == [-9.0, 9.0]
