"""JetGPT: a density that integrates to one, draws that follow it, and edges that nothing crosses."""

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from cloudchamber.models.jetgpt import JetGPT
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng, RowRng
from cloudchamber.tensors.support import Arcs, Circle, Interval, Line, Support


class Told(NamedTuple):
    direction: Tensor
    told: Tensor
    near: Tensor
    reach: Tensor


class ToyRules:
    """A number on the line, one between 0.5 and 2 + the first squared, and an angle that avoids the second.

    The arc around the second, of 0.7, has shells up to 0.9 and 1.2.
    """

    TOLD, NEAR, SHELLS = 1, 2, (1, 2)
    circular = (False, False, True)

    def support(self, column: int, rows: Tensor) -> Support:
        if column == 1:
            low = torch.full((len(rows),), 0.5).double()
            return Interval(low, 2 + rows[:, 0].double() ** 2)
        if column == 0:
            return Line()
        arcs = Arcs(rows[:, 1:2].double(), torch.full((len(rows), 1), 0.7).double())
        return Circle(arcs, torch.tensor([0.9, 1.2]).double().expand(len(rows), 1, 2))

    def recoil(self, column: int, rows: Tensor) -> Told:
        direction = rows[:, 0].double() if column else torch.zeros(len(rows)).double()
        near = torch.stack([direction + 1, direction - 0.5], dim=1)
        reach = torch.stack([0.5 + direction**2, torch.ones_like(direction)], dim=1)
        return Told(direction, direction[:, None].float(), near, reach)

    def mirrored(self, rows: Tensor, rng: Rng) -> Tensor:
        return rows


@pytest.fixture(scope="module")
def model() -> JetGPT:
    torch.manual_seed(2)
    model = JetGPT(ToyRules(), 2, components=3, near=1, width=16, depth=2, heads=2)
    for name, parameter in model.named_parameters():
        if "bias" not in name:
            torch.nn.init.normal_(parameter, std=0.25)
    return model.eval()


def given(n: int) -> Batch:
    context = torch.tensor([[1.0, 0.0]]).expand(n, -1)
    return Batch(torch.zeros(n, 3, 1), torch.ones(n), context, torch.ones(n, 3, dtype=torch.bool))


def rows(x: Tensor, length: int = 3) -> Batch:
    mask = (torch.arange(x.shape[1]) < length).expand(len(x), -1)
    return Batch(x[..., None], torch.ones(len(x)), given(len(x)).context, mask)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_each_factor_integrates_to_one(model: JetGPT, column: int) -> None:
    low, high = [(-25, 25), (0.4, 2.5), (-math.pi, math.pi)][column]
    edges = torch.linspace(low, high, 20_001, dtype=torch.float64)
    x = torch.tensor([0.6, 1.3, 0.0]).double().repeat(20_000, 1)
    x[:, column] = (edges[1:] + edges[:-1]) / 2
    with torch.no_grad():
        conditional = model.log_prob(rows(x, column + 1))
        if column:
            conditional = conditional - model.log_prob(rows(x[:1], column))
    assert float(conditional.exp().sum() * (edges[1] - edges[0])) == pytest.approx(1, abs=2e-3)


def test_draws_follow_the_density(model: JetGPT) -> None:
    n, bins = 20_000, (6, 6, 6)
    x = model.sample(given(n), RowRng((4,), n))[..., 0]
    x[:, 2] = torch.remainder(x[:, 2] + math.pi, 2 * math.pi) - math.pi
    inside = (x[:, 0].abs() < 1.0) & (x[:, 1] < 1.7)
    sides = [(-1.0, 1.0), (0.5, 1.7), (-math.pi, math.pi)]
    found, _ = np.histogramdd(x[inside].numpy(), bins=bins, range=sides)
    fine = [torch.linspace(*side, 5 * k + 1, dtype=torch.float64) for side, k in zip(sides, bins, strict=True)]
    grid = torch.cartesian_prod(*[(edge[1:] + edge[:-1]) / 2 for edge in fine])
    with torch.no_grad():
        density = model.log_prob(rows(grid)).exp().reshape(6, 5, 6, 5, 6, 5).sum((1, 3, 5)).numpy()
    volume = float(np.prod([edge[1] - edge[0] for edge in fine]))
    expected = n * volume * density
    assert inside.sum().item() == pytest.approx(expected.sum(), rel=0.05)
    enough = expected > 10
    scaled = expected[enough] * found[enough].sum() / expected[enough].sum()
    chi2 = chisquare(found[enough], scaled).statistic
    assert chi2 < enough.sum() * 1.25, "beyond what the edges of the grid make"


def test_nothing_lies_beyond_an_edge(model: JetGPT) -> None:
    x = model.sample(given(5_000), RowRng((9,), 5_000))[..., 0]
    assert ((x[:, 1] >= 0.5) & (x[:, 1] <= 2 + x[:, 0] ** 2)).all()
    apart = torch.remainder(x[:, 2] - x[:, 1] + math.pi, 2 * math.pi) - math.pi
    assert (apart.abs() >= 0.7 - 1e-12).all()
    with torch.no_grad():
        assert model.log_prob(rows(x)).isfinite().all()
        x[:, 2] = x[:, 1] + 0.69
        assert torch.isneginf(model.log_prob(rows(x))).all()
        assert model.losses(rows(x), RowRng((1,), 5_000))["nll"].isfinite().all()


def test_a_row_may_end_early(model: JetGPT) -> None:
    batch = given(300)
    batch.mask[::2, 2] = False
    x = model.sample(batch, RowRng((3,), 300))
    assert not x[::2, 2].any()
    assert torch.equal(x[:, :2], model.sample(given(300), RowRng((3,), 300))[:, :2])
    with torch.no_grad():
        whole = model.log_prob(Batch(x, torch.ones(300), batch.context, batch.mask))
        torch.testing.assert_close(whole[::2], model.log_prob(rows(x[::2, :, 0], 2)))


def test_it_learns_a_distribution_with_edges() -> None:
    torch.manual_seed(0)
    model, n = JetGPT(ToyRules(), 2, components=4, width=16, depth=1, heads=2), 256
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    first = last = 0.0
    for step in range(120):
        generator = torch.Generator().manual_seed(step)
        u = torch.rand(n, 3, generator=generator).double()
        x0 = u[:, 0] - 0.5
        x1 = 0.5 + (1.5 + x0**2) * u[:, 1] ** 2
        x2 = torch.remainder(x1 + 0.7 + (2 * math.pi - 1.4) * u[:, 2] + math.pi, 2 * math.pi) - math.pi
        loss = model.losses(rows(torch.stack([x0, x1, x2], dim=1)), RowRng((step,), n))["nll"].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first, last = (loss.item(), last) if step == 0 else (first, loss.item())
    uniform_angle = math.log(2 * math.pi - 1.4)
    entropy = uniform_angle + (math.log(1.5 + 1 / 12) + math.log(2) - 1)
    assert first > entropy + 0.5
    assert last == pytest.approx(entropy, abs=0.15)


class TurnedRules(ToyRules):
    """Mirror images have the other sign of the first number, in half of the rows."""

    def mirrored(self, rows: Tensor, rng: Rng) -> Tensor:
        sign = torch.where(rng.uniform() < 0.5, -1.0, 1.0).to(rows)
        return torch.cat([rows[:, :1] * sign[:, None], rows[:, 1:]], dim=1)


def test_the_loss_is_that_of_mirror_images(model: JetGPT) -> None:
    x = torch.tensor([[0.6, 1.3, 2.9]]).double().repeat(200, 1)
    turned = JetGPT(TurnedRules(), 2, components=3, near=1, width=16, depth=2, heads=2).eval()
    turned.load_state_dict(model.state_dict())
    with torch.no_grad():
        losses = turned.losses(rows(x), RowRng((5,), len(x)))["nll"]
        images = torch.where(RowRng((5,), len(x)).uniform()[:, None] < 0.5, x * torch.tensor([-1.0, 1.0, 1.0]), x)
        torch.testing.assert_close(losses, -turned.log_prob(rows(images)))
        assert len(losses.round(decimals=6).unique()) == 2


def test_dropout_is_for_training_only() -> None:
    torch.manual_seed(1)
    model = JetGPT(ToyRules(), 2, components=3, width=16, depth=2, heads=2, dropout=0.5)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.25)
    x = rows(torch.tensor([[0.6, 1.3, 2.9]]).double())
    with torch.no_grad():
        assert model.log_prob(x) != model.log_prob(x)
        model.eval()
        assert model.log_prob(x) == model.log_prob(x)
