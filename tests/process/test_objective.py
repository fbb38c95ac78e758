"""The loss of the exact answer is the known minimum under every weight; padding never counts."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import known
import pytest
import torch
from scipy import stats
from torch import Tensor

from cloudchamber.process.denoise import TARGETS, Denoiser, EDMTarget, scales_at
from cloudchamber.process.exact import ExactDenoiser
from cloudchamber.process.objective import (
    LogitNormal,
    LogNormal,
    PerElement,
    Regression,
    edm_weight,
    likelihood_weight,
    masked_sum,
    optimal_transport,
    simple_weight,
    uniform,
)
from cloudchamber.process.schedule import EDM, VP, Rectified, Schedule
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng, RowRng

N = 40_000


def fixed(time: float, rng: Rng, schedule: Schedule) -> Tensor:
    return torch.full_like(rng.uniform(), time).double()


def gaussian_error(schedule: Schedule, target: str, t: float) -> float:
    """Mean variance of the target given x_t, for the Gaussian: det^2 C / S over the dimension."""
    at = schedule(torch.tensor(t, dtype=torch.float64))
    a, b = TARGETS[target](at)
    C = known.GAUSSIAN.variances[0]
    determinant = at.alpha * b - at.sigma * a
    return float((determinant**2 * C / (at.alpha**2 * C + at.sigma**2)).mean())


@pytest.fixture(scope="module")
def data() -> Batch:
    return Batch(known.GAUSSIAN.sample(N, torch.Generator().manual_seed(6)), torch.ones(N))


@pytest.mark.parametrize("time", [0.05, 0.3, 0.7, 0.95])
@pytest.mark.parametrize(("name", "target"), [("rectified", "velocity"), ("vp", "eps"), ("cosine", "v"), ("vp", "x")])
def test_the_exact_answer_has_the_least_loss(data: Batch, name: str, target: str, time: float) -> None:
    schedule = known.SCHEDULES[name]
    exact = ExactDenoiser(known.GAUSSIAN, schedule)

    def answer(error: float, x: Tensor, t: Tensor) -> Tensor:
        prediction, (a, b) = exact.predict(x, t, data), TARGETS[target](scales_at(schedule, t, x))
        return a * prediction.x + b * prediction.eps + error

    denoisers = [Denoiser(known.Knows(partial(answer, error)), schedule, target) for error in (0.0, 0.5)]
    losses, worse = (Regression(partial(fixed, time))(denoiser, data, RowRng((1,), N)) for denoiser in denoisers)
    assert losses.shape == (N,)
    error = float(losses.std()) / N**0.5
    assert abs(float(losses.mean()) - gaussian_error(schedule, target, time)) < 4.5 * error
    assert float(worse.mean() - losses.mean()) == pytest.approx(0.25, abs=4.5 * float(losses.mean() / N) ** 0.5)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", known.SCHEDULES)
def test_weights_do_not_depend_on_the_target(name: str, target: str) -> None:
    """The weighted error of eps: -(d/dt) ln(alpha / sigma) for the likelihood, (sigma/alpha)^2 / s^2 + 1 for EDM."""
    schedule = known.SCHEDULES[name]
    t = (torch.arange(5, 90, 11, dtype=torch.float64) + 0.37)[:, None] / 100  # away from kinks
    at = schedule(t)
    a, b = TARGETS[target](at)
    error_of_eps = torch.tensor(0.1, dtype=torch.float64)
    error = (b - a * at.sigma / at.alpha) * error_of_eps
    h = 1e-6
    log_ratio = [schedule(t + step).ratio.log() for step in (-h, h)]
    slope = (log_ratio[1] - log_ratio[0]) / (2 * h)
    likelihood = likelihood_weight(at, TARGETS[target]) * error**2
    torch.testing.assert_close(likelihood, slope * error_of_eps**2, rtol=1e-4, atol=1e-8)
    edm = edm_weight(at, TARGETS[target], 0.5) * error**2
    torch.testing.assert_close(edm, (at.ratio**2 / 0.25 + 1) * error_of_eps**2)
    assert torch.equal(simple_weight(at, TARGETS[target]), torch.ones_like(t))


def test_the_edm_weight_is_one_in_edms_own_target() -> None:
    at = EDM()(torch.linspace(0, 1, 9, dtype=torch.float64))
    torch.testing.assert_close(edm_weight(at, EDMTarget(0.5), 0.5), torch.ones(9, dtype=torch.float64))


@pytest.mark.parametrize(
    ("times", "transform", "law"),
    [
        (uniform, lambda t: (t - 1e-3) / (1 - 1e-3), stats.uniform()),
        (LogitNormal(0.5, 2.0), lambda t: torch.logit(((t - 1e-3) / (1 - 1e-3)).double()), stats.norm(0.5, 2.0)),
        (LogNormal(-1.0, 0.5), lambda t: VP()(t.double()).ratio.log(), stats.norm(-1.0, 0.5)),
    ],
)
def test_times_follow_their_distributions(
    times: Callable[[Rng, Schedule], Tensor], transform: Callable[[Tensor], Tensor], law: stats.rv_continuous
) -> None:
    drawn = times(RowRng((2,), 5_000), VP())
    assert stats.kstest(transform(drawn).numpy(), law.cdf).pvalue > 1e-3


def test_padding_never_changes_the_loss() -> None:
    batch = known.sets()
    assert batch.mask is not None
    spoilt = replace(batch, x=torch.where(batch.mask[..., None], batch.x, torch.nan))
    losses = [Regression()(Denoiser(known.Mixes(), Rectified()), rows, RowRng((3,), 2)) for rows in (batch, spoilt)]
    assert torch.equal(*losses)


def test_the_loss_sums_over_elements_and_averages_over_features() -> None:
    values, mask = torch.arange(12.0).view(2, 3, 2), torch.tensor([[True, True, False], [True, False, False]])
    assert masked_sum(values, mask).tolist() == [0 + 1 + 2 + 3, 6 + 7]
    assert masked_sum(values[:, 0], None).tolist() == [1, 13]
    batch = Batch(torch.randn(2, 3, 2), torch.ones(2), mask=mask)
    rng = RowRng((4,), 2)
    rng.uniform(), (eps := rng.normal(3, 2))
    zero = Denoiser(known.Knows(lambda x, t: torch.zeros_like(x)), Rectified())
    losses = Regression(uniform)(zero, batch, RowRng((4,), 2))
    torch.testing.assert_close(losses, masked_sum((eps - batch.x) ** 2, mask) / 2)


def test_optimal_transport_deals_the_noise_out_at_least_cost() -> None:
    """In one dimension the best plan joins equal ranks."""
    x, eps = torch.randn(64, 1), torch.randn(64, 1)
    dealt = optimal_transport(Batch(x, torch.ones(64)), eps)
    assert torch.equal(dealt[x[:, 0].argsort()], eps.sort(0).values)
    with pytest.raises(ValueError, match="without conditions"):
        optimal_transport(Batch(x, torch.ones(64), context=x), eps)


def test_coupled_noise_makes_straighter_paths(data: Batch) -> None:
    """The least flow-matching loss falls, because the velocity is better known from x_t."""
    few = data.select(torch.arange(500))
    zero = Denoiser(known.Knows(lambda x, t: torch.zeros_like(x)), Rectified())
    plain, coupled = (
        Regression(uniform, coupling=coupling)(zero, few, RowRng((5,), 500)).mean()
        for coupling in (lambda _, eps: eps, optimal_transport)
    )
    assert coupled < 0.8 * plain


def test_per_element_the_mean_loss_is_the_error_of_all_elements_over_their_number() -> None:
    given, objective = known.sets(), Regression()
    assert given.mask is not None
    denoiser = Denoiser(known.Mixes(), Rectified())
    plain, losses = (each(denoiser, given, RowRng((4,), 2)) for each in (objective, PerElement(objective)))
    errors, elements = plain * given.x.shape[-1], given.mask.sum()
    assert float(losses.mean()) == pytest.approx(float(errors.sum() / elements))
    assert elements == 7
