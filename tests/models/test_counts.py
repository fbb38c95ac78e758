"""Whole numbers one after the other: probabilities add up, and draws follow them."""

import itertools

import pytest
import torch

from cloudchamber.models.counts import CountsModel
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng


@pytest.fixture
def model() -> CountsModel:
    torch.manual_seed(4)
    model = CountsModel(3, 2, 1, width=8, depth=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def vectors() -> torch.Tensor:
    return torch.tensor(list(itertools.product(range(3), repeat=3))).float()


def test_probabilities_of_all_vectors_add_up_to_one(model: CountsModel) -> None:
    x = vectors()
    log_p = model.log_prob(Batch(x, torch.ones(len(x)), torch.full((len(x), 1), 0.7)))
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert log_p.exp().std() > 1e-3


def test_draws_follow_the_probabilities(model: CountsModel) -> None:
    n, x = 20_000, vectors()
    drawn = model.sample(Batch(torch.zeros(n, 3), torch.ones(n), torch.full((n, 1), 0.7)), EventRng(1, range(n)))
    found = torch.bincount(drawn @ torch.tensor([9, 3, 1]), minlength=27) / n
    p = model.log_prob(Batch(x, torch.ones(27), torch.full((27, 1), 0.7))).exp().detach()
    chi2 = (n * (found - p) ** 2 / p).sum()
    assert chi2 < 60  # 26 degrees of freedom
