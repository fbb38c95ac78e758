"""The density of a proposal is that of its draws, in both directions of its maps."""

import numpy as np
import pytest
import torch

from cloudchamber.mcmc.clusters import Clustered, cluster_rows
from cloudchamber.models.mixture import TailedMixture
from cloudchamber.recipes.proposals import ClusterLearner
from cloudchamber.simulate.posteriors import Rosenbrock
from cloudchamber.tensors.rng import RowRng

N = 4000


@pytest.fixture(scope="module", params=["diffusion", "flow", "mixture"])
def trained(request: pytest.FixtureRequest) -> Clustered:
    """Proposals trained a little on a bent density, narrowed so that it fills a grid."""
    x = torch.from_numpy(Rosenbrock().sample(3000, np.random.default_rng(1))) / torch.tensor([3.0, 12.0])
    learner = ClusterLearner(request.param, steps=60)
    return learner.restore(learner.state(learner.fit(x, (1,))))


def test_a_draw_and_a_look_back_agree(trained: Clustered) -> None:
    drawn = trained.draw(RowRng((1,), N))
    looked = trained.score(drawn.x, RowRng((2,), N))
    same = drawn.mark.label == looked.label
    off = (drawn.mark.log_q - looked.log_q)[same].abs()
    assert same.double().mean() > 0.3
    assert off.median() < 1e-4
    assert off.quantile(0.99) < 5e-3


def test_the_density_is_that_of_the_draws(trained: Clustered) -> None:
    """Expectations of bounded functions over draws are sums over a grid of the density, averaged over its labels."""
    edges = torch.linspace(-6, 6, 241, dtype=torch.float64), torch.linspace(-4, 12, 321, dtype=torch.float64)
    centres = [(e[1:] + e[:-1]) / 2 for e in edges]
    grid = torch.cartesian_prod(*centres)
    labels = [trained.score(grid, RowRng((3, k), len(grid))).log_q.exp() for k in range(4)]
    weight = torch.stack(labels).mean(0) * (edges[0][1] - edges[0][0]) * (edges[1][1] - edges[1][0])
    x = torch.cat([trained.draw(RowRng((4, k), N)).x for k in range(5)])

    def functions(points: torch.Tensor) -> torch.Tensor:
        near = (points[:, 0].abs() < 6) & (points[:, 1] > -4) & (points[:, 1] < 12)
        a, b = points.T
        return near[:, None] * torch.stack([torch.ones_like(a), a.sin(), b.cos(), (a * b).tanh(), (a > 0).double()], 1)

    values = functions(x)
    expected = (weight[:, None] * functions(grid)).sum(0)
    pulls = (values.mean(0) - expected) / (values.std(0) / len(x) ** 0.5 + 2e-3)
    assert pulls.abs().max() < 4
    assert weight.sum() > 0.9


def test_coordinates_have_their_inverse(trained: Clustered) -> None:
    x = trained.draw(RowRng((1,), 500)).x
    label = trained.label(x, RowRng((2,), 500))
    back = trained.bend(trained.straighten(x, label).z, label)
    assert torch.allclose(back, x, rtol=1e-3, atol=1e-3)


def test_the_same_seed_gives_the_same_proposal() -> None:
    x = torch.randn(500, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    one, two = (ClusterLearner("diffusion", steps=5).fit(x, (1, 2)) for _ in range(2))
    assert torch.equal(one.draw(RowRng((1,), 50)).x, two.draw(RowRng((1,), 50)).x)


def test_rows_of_a_cluster_are_whitened() -> None:
    mixture = TailedMixture(torch.tensor([0.5, 0.5, 0.0]), torch.tensor([[-9.0], [9.0], [0.0]]),
                            torch.tensor([[[0.1]], [[2.0]], [[9.0]]]))  # fmt: skip
    x = mixture.sample(cluster_batch(4000), RowRng((1,), 4000))
    rows = cluster_rows(x, mixture, (1,))
    assert rows.context is not None
    for k in range(2):
        of_k = rows.x[rows.context[:, k] == 1]
        assert float(of_k.mean()) == pytest.approx(0, abs=0.1)
        assert float(of_k.std()) == pytest.approx(1, abs=0.1)


def cluster_batch(n: int):  # type: ignore[no-untyped-def]  # noqa: ANN201
    from cloudchamber.tensors.batch import Batch

    return Batch(torch.zeros(n, 1), torch.ones(n))
