"""The mixture against scipy's densities, and its fit against what was drawn from."""

import math

import pytest
import torch
from scipy import stats

from cloudchamber.models.mixture import TailedMixture, choose
from cloudchamber.process.exact import Mixture
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

MEANS = torch.tensor([[-6.0, 0.0], [5.0, 2.0], [0.0, 0.0]])
ROOTS = torch.tensor([[[1.0, 0.0], [0.5, 0.7]], [[0.4, 0.0], [0.0, 2.0]], [[7.0, 0.0], [1.0, 5.0]]])
MIXTURE = TailedMixture(torch.tensor([0.3, 0.6, 0.1]), MEANS, ROOTS)


def rows(x: torch.Tensor) -> Batch:
    return Batch(x, torch.ones(len(x)))


def test_the_density_is_scipys() -> None:
    x = MIXTURE.sample(rows(torch.zeros(50, 2)), RowRng((1,), 50))
    covariances = (ROOTS @ ROOTS.mT).double()
    parts = [stats.multivariate_normal(MEANS[k], covariances[k]).pdf(x) for k in range(2)]
    broad = stats.multivariate_t(MEANS[2], covariances[2], df=4).pdf(x)
    expected = torch.from_numpy(0.3 * parts[0] + 0.6 * parts[1] + 0.1 * broad).log()
    torch.testing.assert_close(MIXTURE.log_prob(rows(x)), expected)


def test_draws_are_of_the_density() -> None:
    x = MIXTURE.sample(rows(torch.zeros(20_000, 2)), RowRng((1,), 20_000))
    tails = stats.multivariate_t(MEANS[2], (ROOTS[2] @ ROOTS[2].mT).double(), df=4).rvs(20_000, random_state=1)
    left = 0.3 + 0.1 * float((tails[:, 0] < -2).mean())
    assert float((x[:, 0] < -2).double().mean()) == pytest.approx(left, abs=0.012)


def test_places_and_scores_are_inverse() -> None:
    label = torch.tensor([0, 1, 2])
    z = torch.tensor([[1.0, -1.0], [0.3, 0.2], [2.0, 0.0]]).double()
    torch.testing.assert_close(MIXTURE.scores(MIXTURE.place(z, label), label), z)
    torch.testing.assert_close(MIXTURE.log_scale(label), torch.linalg.slogdet(ROOTS).logabsdet.double())


def test_the_fit_finds_modes_and_their_weights() -> None:
    truth = Mixture(torch.tensor([0.2, 0.8]), MEANS[:2], ROOTS[:2] @ ROOTS[:2].mT)
    x = truth.sample(4000, torch.Generator().manual_seed(1))
    fit = TailedMixture.fit(x, seed=1)
    order = fit.means[:-1, 0].argsort()
    assert fit.components == 3
    torch.testing.assert_close(fit.weights[:-1][order] / 0.95, torch.tensor([0.2, 0.8]).double(), rtol=0, atol=0.03)
    torch.testing.assert_close(fit.means[:-1][order], MEANS[:2].double(), rtol=0, atol=0.2)
    again = TailedMixture.from_state(fit.state())
    torch.testing.assert_close(again.log_prob(rows(x)), fit.log_prob(rows(x)))


def test_merging_joins_what_overlaps_and_keeps_moments() -> None:
    means = torch.tensor([[0.0], [1.0], [30.0], [0.0]])
    mixture = TailedMixture(torch.tensor([0.3, 0.3, 0.35, 0.05]), means, torch.ones(4, 1, 1))
    merged = mixture.merged()
    assert merged.components == 3
    torch.testing.assert_close(merged.weights, torch.tensor([0.6, 0.35, 0.0]).double() / 0.95)
    torch.testing.assert_close(merged.means[:2, 0], torch.tensor([0.5, 30.0]).double())
    assert float(merged.roots[0, 0, 0]) == pytest.approx(math.sqrt(1.25))


def test_choices_have_their_probabilities() -> None:
    uniform = (torch.arange(1000).double() + 0.5) / 1000
    counts = choose(torch.tensor([[0.2, 0.0, 0.5, 0.3]]).double().log().expand(1000, -1), uniform).bincount(minlength=4)
    assert counts.tolist() == [200, 0, 500, 300]
