"""Shares one after the other: a normalised distribution, draws that follow it, sums of one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cloudchamber.models.quantile_bins import QuantileBins, drawn
from cloudchamber.models.shares import NUMBERS, SharesModel
from cloudchamber.nets.steps import StepNet
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.bijections import TabulatedMap
from cloudchamber.tensors.rng import RowRng
from cloudchamber.tensors.sticks import weighted, weighted_share

BINS = 3


@pytest.fixture(scope="module")
def model() -> SharesModel:
    torch.manual_seed(2)
    net = StepNet(5, NUMBERS, 1, BINS, width=8, depth=1, heads=2)
    for weights in net.parameters():
        if weights.dim() > 1:
            torch.nn.init.normal_(weights, std=0.5)
    scores = np.random.default_rng(2).normal(size=500)
    return SharesModel(net, QuantileBins(TabulatedMap.fit([scores] * 5), BINS))


@pytest.fixture(scope="module")
def given() -> Batch:
    mask = torch.tensor([[True, True, True, True], [True, True, False, False], [True, False, False, False]])
    tokens = torch.tensor([[0, 1, 3, 4], [1, 2, 0, 0], [3, 0, 0, 0]])
    weights = torch.tensor([[3.0, 1.0, 2.0, 5.0], [1.0, 1.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0]])
    context = torch.tensor([[0.1], [0.2], [0.3]])
    amount = torch.where(tokens == 0, 2.0, 0.0) * mask
    return Batch(torch.zeros(3, 4, 2), torch.ones(3), context, mask, tokens, torch.stack([weights, amount], dim=-1))


def test_draws_follow_what_the_model_says_and_sum_to_one(model: SharesModel, given: Batch) -> None:
    rows = given.select(torch.arange(3).repeat(50))
    assert rows.mask is not None
    x = model.sample(rows, RowRng((1,), 150))
    torch.testing.assert_close(x[..., 0].sum(1), torch.ones(150, dtype=torch.float64))
    assert bool((x[~rows.mask] == 0).all())
    draws = RowRng((1,), 150).uniform(4, 2)
    logits = model.logits(replace(rows, x=x))
    free = rows.mask & torch.cat([rows.mask[:, 1:], torch.zeros(150, 1, dtype=torch.bool)], dim=1)
    assert torch.equal(drawn(logits, draws[..., 0])[free], model.bins.find(x[..., 1])[free])


def test_probabilities_of_all_outcomes_sum_to_one(model: SharesModel, given: Batch) -> None:
    row = given.select(torch.tensor([0]))
    assert row.token_context is not None
    told, outcomes = row.token_context.double(), []
    for combination in torch.cartesian_prod(*[torch.arange(BINS)] * 3):
        cumulative, shares = (combination + 0.5) / BINS, torch.zeros(4, dtype=torch.float64)
        for k in range(3):
            known = weighted(shares[None], *told.unbind(-1))
            left = 1 - shares.sum()
            here = type(known)(left, *(part[0, k] for part in known[1:]))
            score = model.bins.values(cumulative[k].double(), torch.tensor([0, 1, 3])[k])
            shares[k] = weighted_share(score, here)
        shares[3] = 1 - shares.sum()
        outcomes.append(torch.stack([shares, torch.cat([cumulative, torch.zeros(1)])], dim=1).float())
    many = row.select(torch.zeros(len(outcomes), dtype=torch.long))
    log_p = model.log_prob(replace(many, x=torch.stack(outcomes))).detach()
    assert float(log_p.double().exp().sum()) == pytest.approx(1, abs=1e-5)


def test_one_layer_has_everything(model: SharesModel, given: Batch) -> None:
    row = given.select(torch.tensor([2])).trim()
    assert model.log_prob(row).tolist() == [0.0]


def test_smoothing_leaves_amounts_alone_and_spreads_the_others(model: SharesModel, given: Batch) -> None:
    """With 3 bins, the cross entropy by hand."""
    rows = replace(given.select(torch.tensor([0])), x=torch.full((1, 4, 2), 0.5))
    log_p = model.logits(rows).log_softmax(-1)[0].detach()
    side = np.exp(-0.5) / (1 + 2 * np.exp(-0.5))
    mixed = side * (log_p[:, 0] + log_p[:, 2]) + (1 - 2 * side) * log_p[:, 1]
    expected = -(log_p[0, 1] + mixed[1] + mixed[2])
    smooth = SharesModel(model.net, model.bins, smoothing=1.0)
    rng = RowRng((1,), 1)
    torch.testing.assert_close(smooth.losses(rows, rng)["nll"].detach()[0], expected)
    torch.testing.assert_close(model.losses(rows, rng)["nll"].detach(), -model.log_prob(rows).detach())
