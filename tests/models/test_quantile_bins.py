"""Bins of equal probability, and draws of classes."""

import numpy as np
import torch
from scipy import stats

from cloudchamber.models.quantile_bins import QuantileBins, drawn
from cloudchamber.tensors.bijections import TabulatedMap


def test_uniform_bins_give_the_fitted_distribution() -> None:
    sample = np.random.default_rng(1).normal(3.0, 2.0, 20_000)
    fitted = TabulatedMap.fit([sample, sample / 10])
    bins = QuantileBins(fitted, 16)
    n = 20_000
    generator = torch.Generator().manual_seed(3)
    chosen = torch.randint(16, (n,), generator=generator)
    cumulative = bins.cumulative(chosen, torch.rand(n, generator=generator))
    values = bins.values(cumulative, torch.zeros(n, dtype=torch.long))
    assert stats.ks_2samp(values.numpy(), sample).pvalue > 0.01
    assert torch.equal(bins.find(cumulative), chosen)
    torch.testing.assert_close(bins.values(cumulative, torch.ones(n, dtype=torch.long)), values / 10)


def test_values_are_the_inverse_of_the_map() -> None:
    sample = np.random.default_rng(2).exponential(size=5000)
    fitted = TabulatedMap.fit([sample])
    value, row = torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64), torch.zeros(3, dtype=torch.long)
    cumulative = torch.special.ndtr(fitted.forward(value, row))
    torch.testing.assert_close(QuantileBins(fitted, 8).values(cumulative, row), value)


def test_classes_are_drawn_with_their_probabilities() -> None:
    logits = torch.tensor([0.0, 1.0, -torch.inf, 0.5, -torch.inf])
    n = 40_000
    chosen = drawn(logits.expand(n, -1), torch.rand(n, generator=torch.Generator().manual_seed(4)))
    expected = logits.double().softmax(0) * n
    possible = torch.tensor([0, 1, 3])
    number = torch.bincount(chosen, minlength=5)
    assert int(number[possible].sum()) == n
    assert stats.chisquare(number[possible].numpy(), expected[possible].numpy()).pvalue > 0.001


def test_impossible_classes_are_never_drawn() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf], [0.0, -torch.inf, -torch.inf]])
    largest = 1 - 2.0**-24
    for uniform in (0.0, 0.5, largest):
        assert drawn(logits, torch.tensor([uniform, uniform])).tolist() == [1, 0]
