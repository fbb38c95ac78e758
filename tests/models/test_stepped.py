"""Staircases about edges: densities integrate to one, draws follow them, heights are what the counts say."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from cloudchamber.models.stepped import SteppedMixture
from cloudchamber.models.truncated import TruncatedMixture
from cloudchamber.tensors.support import Arcs, Circle, Interval, Line, Support

N = 40_000
MIDDLE = -math.pi + (torch.arange(N, dtype=torch.float64) + 0.5) * 2 * math.pi / N


def arcs(*of: tuple[float, float]) -> Arcs:
    return Arcs(*(torch.tensor([side], dtype=torch.float64) for side in zip(*of, strict=True)))


def shells(*of: tuple[float, float]) -> Tensor:
    return torch.tensor([of], dtype=torch.float64)


SUPPORTS: dict[str, Circle] = {
    "one": Circle(arcs((3.0, 0.4)), shells((0.5, 0.9))),
    "two that overlap": Circle(arcs((0.3, 0.4), (0.9, 0.3)), shells((0.6, 0.8), (0.5, 0.5))),
    "no arc in a shell": Circle(arcs((0.3, 0.0), (-2.0, 0.0)), shells((0.0, 0.3), (0.0, 0.0))),
}


def mixture(rows: int) -> TruncatedMixture:
    generator = torch.Generator().manual_seed(3)
    logits, means, widths = torch.randn(3, 1, 5, generator=generator, dtype=torch.float64)
    return TruncatedMixture(*(t.expand(rows, -1) for t in (logits, 2 * means, (widths - 1).clamp(max=0.5))))


def stepped(rows: int, arcs: int) -> SteppedMixture:
    heights = torch.tensor([[-2.0, 1.0], [0.7, -0.4]], dtype=torch.float64)[:arcs]
    return SteppedMixture(mixture(rows), heights.expand(rows, -1, -1))


def of_all(support: Circle, rows: int) -> Circle:
    return support.select(torch.zeros(rows, dtype=torch.long))


def density(name: str) -> Tensor:
    support = SUPPORTS[name]
    assert support.arcs is not None
    return stepped(N, support.arcs.centre.shape[1]).log_prob(MIDDLE, of_all(support, N)).exp()


@pytest.mark.parametrize("name", SUPPORTS)
def test_the_density_integrates_to_one(name: str) -> None:
    assert float(density(name).sum() * 2 * math.pi / N) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", SUPPORTS)
def test_draws_follow_the_density_and_keep_the_edges(name: str) -> None:
    support, n = SUPPORTS[name], 10_000
    assert support.arcs is not None
    uniform = torch.rand(n, 2, generator=torch.Generator().manual_seed(5))
    drawn = stepped(n, support.arcs.centre.shape[1]).sample(uniform, of_all(support, n))
    drawn = torch.remainder(drawn + math.pi, 2 * math.pi) - math.pi
    apart = torch.remainder(drawn[:, None] - support.arcs.centre + math.pi, 2 * math.pi) - math.pi
    assert (apart.abs() >= support.arcs.half_width - 1e-12).all()
    below = density(name).cumsum(0).numpy()
    assert kstest(drawn.numpy(), lambda x: np.interp(x, MIDDLE.numpy(), below / below[-1])).pvalue > 1e-3


def test_heights_are_relative_to_the_cut_mixture() -> None:
    support = SUPPORTS["one"]
    x = torch.tensor([2.5, 2.3, 0.0], dtype=torch.float64)
    there = of_all(support, 3)
    ratio = stepped(3, 1).log_prob(x, there) - mixture(3).log_prob(x, there)
    assert (ratio - ratio[2]).tolist() == pytest.approx([-2.0 if abs(2.5 - 3.0) < 0.5 else 1.0, 1.0, 0.0])


def test_without_heights_or_shells_it_is_the_cut_mixture() -> None:
    support = SUPPORTS["two that overlap"]
    level = SteppedMixture(mixture(N), torch.zeros(N, 2, 2, dtype=torch.float64))
    there = of_all(support, N)
    torch.testing.assert_close(level.log_prob(MIDDLE, there), mixture(N).log_prob(MIDDLE, there))
    others: tuple[Support, ...] = (Circle(), Circle(there.arcs), Line(), Interval(MIDDLE - 1, MIDDLE + 1))
    uniform = torch.rand(N, 2, generator=torch.Generator().manual_seed(5))
    for other in others:
        assert torch.equal(stepped(N, 2).log_prob(MIDDLE, other), mixture(N).log_prob(MIDDLE, other))
        assert torch.equal(stepped(N, 2).sample(uniform, other), mixture(N).sample(uniform, other))


def test_beyond_an_edge_there_is_nothing_but_the_loss_is_finite() -> None:
    support = SUPPORTS["one"]
    assert float(stepped(1, 1).log_prob(torch.tensor([2.7]).double(), support)) == -math.inf
    assert stepped(1, 1).log_prob_inside(torch.tensor([2.7]).double(), support).isfinite().all()


def test_the_most_likely_heights_give_the_counts_of_each_shell() -> None:
    """The gradient of the likelihood by the height of a shell is its count less what the density expects in it."""
    support, n = SUPPORTS["one"], 500
    heights = stepped(n, 1).log_heights.clone().requires_grad_()
    x = mixture(n).sample(torch.rand(n, 2, generator=torch.Generator().manual_seed(6)), of_all(support, n))
    SteppedMixture(mixture(n), heights).log_prob(x, of_all(support, n)).sum().backward()
    assert heights.grad is not None
    shell = support.shell(x[None])[0, :, 0]
    counts = torch.stack([(shell == 1).sum(), (shell == 2).sum()])
    where = support.shell(MIDDLE[None])[0, :, 0]
    shares = torch.stack([density("one")[where == s].sum() * 2 * math.pi / N for s in (1, 2)])
    torch.testing.assert_close(heights.grad.sum((0, 1)), counts - n * shares, atol=0.05, rtol=1e-3)
