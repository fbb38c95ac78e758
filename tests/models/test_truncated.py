"""Cut mixtures: densities integrate to one, nothing lies beyond an edge, draws follow the density."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest, truncnorm
from torch import Tensor

from cloudchamber.models.truncated import TruncatedMixture
from cloudchamber.tensors.support import Arcs, Circle, Interval, Line, Support


def mixture(components: int = 5, rows: int = 1) -> TruncatedMixture:
    generator = torch.Generator().manual_seed(3)
    logits, means, widths = torch.randn(3, 1, components, generator=generator, dtype=torch.float64)
    return TruncatedMixture(*(t.expand(rows, -1) for t in (logits, 2 * means, (widths - 1).clamp(max=0.5))))


def tensor(*numbers: float) -> Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


SUPPORTS: dict[str, tuple[Support, float, float]] = {
    "line": (Line(), -30, 30),
    "interval": (Interval(tensor(0.4)[0], tensor(1.7)[0]), 0.4, 1.7),
    "far interval": (Interval(tensor(21.0)[0], tensor(21.2)[0]), 21.0, 21.2),
    "circle": (Circle(), -math.pi, math.pi),
    "one arc": (Circle(Arcs(tensor(3.0), tensor(0.4))), -math.pi, math.pi),
    "overlapping arcs": (Circle(Arcs(tensor(0.3, 0.6), tensor(0.4, 0.3))), -math.pi, math.pi),
}


@pytest.mark.parametrize("name", SUPPORTS)
def test_the_density_integrates_to_one(name: str) -> None:
    support, low, high = SUPPORTS[name]
    edges = torch.linspace(low, high, 40_001, dtype=torch.float64)
    middle = (edges[1:] + edges[:-1]) / 2
    density = mixture(rows=len(middle)).log_prob(middle, support).exp()
    assert float(density.sum() * (edges[1] - edges[0])) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("name", SUPPORTS)
def test_draws_follow_the_density_and_keep_the_edges(name: str) -> None:
    support, low, high = SUPPORTS[name]
    n = 10_000
    uniform = torch.rand(n, 2, generator=torch.Generator().manual_seed(5))
    drawn = mixture(rows=n).sample(uniform, support)
    if isinstance(support, Circle):
        drawn = torch.remainder(drawn + math.pi, 2 * math.pi) - math.pi
    assert ((drawn >= low) & (drawn <= high)).all()
    if isinstance(support, Circle) and support.arcs is not None:
        apart = torch.remainder(drawn[:, None] - support.arcs.centre + math.pi, 2 * math.pi) - math.pi
        assert (apart.abs() >= support.arcs.half_width - 1e-12).all()
    edges = torch.linspace(low, high, 40_001, dtype=torch.float64)
    middle = (edges[1:] + edges[:-1]) / 2
    below = mixture(rows=len(middle)).log_prob(middle, support).exp().cumsum(0).numpy()
    assert kstest(drawn.numpy(), lambda x: np.interp(x, edges[1:], below / below[-1])).pvalue > 1e-3


def test_one_component_is_a_truncated_normal_distribution() -> None:
    one = TruncatedMixture(tensor(0.0), tensor(1.0), tensor(math.log(0.5)))
    support = Interval(tensor(1.2)[0], tensor(5.0)[0])
    expected = truncnorm(0.4, 8, loc=1, scale=0.5)
    for x in (1.21, 1.7, 3.0):
        assert float(one.log_prob(tensor(x)[0], support)) == pytest.approx(expected.logpdf(x), rel=1e-9)
    for share in (0.1, 0.5, 0.999):
        drawn = float(one.sample(tensor(0.5, share), support))
        assert drawn == pytest.approx(expected.ppf(share + 2.0**-25), rel=1e-9)


def test_beyond_an_edge_there_is_nothing() -> None:
    cases = ((SUPPORTS["interval"][0], 0.39), (SUPPORTS["interval"][0], 1.71), (SUPPORTS["one arc"][0], 2.7),
             (SUPPORTS["one arc"][0], -3.0), (SUPPORTS["overlapping arcs"][0], 0.45))  # fmt: skip
    for support, x in cases:
        assert float(mixture().log_prob(tensor(x)[0], support)) == -math.inf


def test_gradients_are_finite_however_far_the_edges_are() -> None:
    parameters = [part.clone().requires_grad_() for part in mixture()]
    for support in (Interval(tensor(200.0)[0], tensor(200.001)[0]), Interval(tensor(-3.0)[0], tensor(1e3)[0])):
        TruncatedMixture(*parameters).log_prob(support.low + 1e-4, support).sum().backward()
        assert all(part.grad is not None and part.grad.isfinite().all() for part in parameters)
