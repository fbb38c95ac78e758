"""Hits one after the other: a normalised distribution, draws that follow it, no cell twice, nothing from behind."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from cloudchamber.models.cell_hits import AMOUNTS, NUMBERS
from cloudchamber.models.cell_maps import CHANNELS
from cloudchamber.models.cells import CellsModel
from cloudchamber.models.quantile_bins import QuantileBins, drawn
from cloudchamber.nets.cells import CellNet
from cloudchamber.tensors import sticks
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.bijections import TabulatedMap
from cloudchamber.tensors.rng import RowRng

LAYERS, BINS = 3, 4


@pytest.fixture(scope="module")
def model() -> CellsModel:
    """Three layers of 2 x 3 cells, of which the last one has only its first column; random weights of some size."""
    torch.manual_seed(1)
    net = CellNet(
        layers=LAYERS, shape=(2, 3), context=1 + LAYERS, profile=1, numbers=NUMBERS, amounts=AMOUNTS, channels=CHANNELS,
        bins=BINS, width=8, depth=1, heads=2, hidden=16,
    )  # fmt: skip
    for weights in net.parameters():
        if weights.dim() > 1:
            torch.nn.init.normal_(weights, std=0.5)
    prior = torch.zeros(LAYERS, 2, 3)
    prior[2, 1] = -torch.inf
    scores = np.random.default_rng(2).normal(size=500)
    bins = QuantileBins(TabulatedMap.fit([scores] * sticks.ROWS), BINS)
    return CellsModel(net, bins, prior, 1, lambda rows, rng: rows)


def conditions(counts: list[list[int]]) -> Batch:
    """Showers with these numbers of hits in their layers."""
    number = torch.tensor(counts)
    total = number.sum(1)
    mask = torch.arange(int(total.max())) < total[:, None]
    layer = torch.zeros(mask.shape, dtype=torch.long)
    layer[mask] = torch.arange(LAYERS).expand_as(number).flatten().repeat_interleave(number.flatten())
    context = torch.cat([torch.linspace(-1, 1, len(number))[:, None], number.float()], dim=1)
    amount = torch.full((*mask.shape, 1), 5.0)
    return Batch(torch.zeros(*mask.shape, 4), torch.ones(len(number)), context, mask, layer, amount)


def test_draws_follow_what_the_model_says(model: CellsModel) -> None:
    """The logits of the finished showers give the same draws with the same random numbers, hit by hit."""
    given = conditions([[3, 0, 2], [6, 6, 3], [1, 1, 0], [0, 4, 1]] * 10)
    assert given.mask is not None
    x = model.sample(given, RowRng((4,), len(given)))
    draws = RowRng((4,), len(given)).uniform(given.mask.shape[1], 4)[given.mask]
    logits, x = model.logits(replace(given, x=x)), x[given.mask]
    assert torch.equal(drawn(logits.share, draws[:, 0])[logits.free], model.bins.find(x[:, 3])[logits.free])
    assert torch.equal(drawn(logits.first, draws[:, 2]), x[:, 0].long())
    assert torch.equal(drawn(logits.second, draws[:, 3]), x[:, 1].long())


def test_hits_share_no_cell_and_their_shares_fall_and_sum_to_one(model: CellsModel) -> None:
    given = conditions([[6, 6, 3], [5, 2, 3], [2, 1, 0], [0, 0, 3]] * 8)
    assert given.mask is not None
    assert given.tokens is not None
    x = model.sample(given, RowRng((5,), len(given)))
    for row, mask, layer in zip(x, given.mask, given.tokens, strict=True):
        cells = list(zip(layer[mask].tolist(), *row[mask, :2].long().T.tolist(), strict=True))
        assert len(set(cells)) == len(cells)
        assert all(not (k == 2 and i == 1) for k, i, _ in cells)
        for k in layer[mask].unique():
            share = row[mask, 2][layer[mask] == k]
            assert float(share.sum()) == pytest.approx(1, abs=1e-12)
            assert bool((share.diff() <= 1e-12).all())


def test_probabilities_of_all_outcomes_sum_to_one(model: CellsModel) -> None:
    """One hit in the first layer and two in the last: all bins of the free share times all choices of cells."""
    given = conditions([[1, 0, 2]])
    outcomes = []
    for b in range(BINS):
        cumulative = torch.tensor((b + 0.5) / BINS, dtype=torch.float64)
        kind = sticks.share_row(torch.tensor(0), torch.tensor(2))
        score = model.bins.values(cumulative, kind)
        known = sticks.falling(torch.ones(()).double(), torch.tensor(2.0).double(), torch.tensor(2))
        large = float(sticks.share(score, known))
        for first in range(6):
            for pair in permutations(range(3), 2):
                cells = [divmod(first, 3), (0, pair[0]), (0, pair[1])]
                shares = [1.0, large, 1 - large]
                outcomes.append([[*cell, s, float(cumulative)] for cell, s in zip(cells, shares, strict=True)])
    many = given.select(torch.zeros(len(outcomes), dtype=torch.long))
    log_p = model.log_prob(replace(many, x=torch.tensor(outcomes))).detach()
    assert float(log_p.double().exp().sum()) == pytest.approx(1, abs=1e-5)


def test_what_comes_behind_changes_nothing(model: CellsModel) -> None:
    given = conditions([[3, 2, 3]])
    assert given.mask is not None
    x = model.sample(given, RowRng((6,), 1))
    other = x.clone()
    other[:, 5:, 1] = 2 - other[:, 5:, 1]  # the last layer upside down
    one, two = (model.logits(replace(given, x=values)) for values in (x, other))
    assert torch.equal(one.first[:6], two.first[:6])
    assert torch.equal(one.second[:5], two.second[:5])
    assert not torch.equal(one.first[6:], two.first[6:])


def test_neighbours_in_a_batch_and_padding_change_nothing(model: CellsModel) -> None:
    given = conditions([[3, 0, 2], [6, 6, 3]])
    rows = replace(given, x=model.sample(given, RowRng((7,), 2)))
    alone = rows.select(torch.tensor([0])).trim()
    torch.testing.assert_close(model.log_prob(alone), model.log_prob(rows)[:1])
