"""The variational bound against closed forms, and the draw of steps against its law."""

import math

import known
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from cloudchamber.process.denoise import Prediction, VarianceDenoiser
from cloudchamber.process.exact import ExactDenoiser, Mixture
from cloudchamber.process.objective import noised
from cloudchamber.process.schedule import Discrete
from cloudchamber.process.transition import gaussian_kl, transition
from cloudchamber.process.variational import Hybrid, LossSecondMoment, UniformSteps, _interval, bound_term
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

T = 50
SCHEDULE = Discrete.cosine(T)


def ddpm(k: int) -> tuple[float, float, float, float]:
    """beta, alpha-bar, alpha-bar before, beta~ of step k, from the betas alone (arXiv:2006.11239, Eqs. 4-7)."""
    angles = SCHEDULE.angles.numpy()
    bar = np.cos(angles) ** 2
    beta = 1 - bar[k] / bar[k - 1]
    return beta, bar[k], bar[k - 1], beta * (1 - bar[k - 1]) / (1 - bar[k])


@pytest.mark.parametrize("k", [1, 2, 17, T])
def test_transitions_are_those_of_the_ddpm(k: int) -> None:
    beta, bar, before, posterior = ddpm(k)
    step = transition(*(SCHEDULE(torch.tensor(j / T, dtype=torch.float64)) for j in (k, k - 1)))
    assert float(step.forward) == pytest.approx(beta, rel=1e-6)
    assert float(step.backward) == pytest.approx(posterior, rel=1e-6, abs=1e-12)
    x, x_t = torch.tensor(0.7).double(), torch.tensor(-0.3).double()
    eps = (x_t - np.sqrt(bar) * x) / np.sqrt(1 - bar)
    mean = np.sqrt(before) * beta / (1 - bar) * 0.7 + np.sqrt(1 - beta) * (1 - before) / (1 - bar) * -0.3
    assert float(step.mean(Prediction(x, eps))) == pytest.approx(mean, rel=1e-6)


def test_the_divergence_of_normals_is_that_of_torch() -> None:
    means, logs = torch.randn(2, 20), torch.randn(2, 20)
    expected = kl_divergence(*(Normal(m, (log / 2).exp()) for m, log in zip(means, logs, strict=True)))
    torch.testing.assert_close(gaussian_kl(means[0], logs[0], means[1], logs[1]), expected)


@pytest.mark.parametrize("k", [1, 2, 20, T])
def test_terms_of_the_bound_are_closed_form_divergences(k: int) -> None:
    beta, bar, before, posterior = ddpm(k)
    rng = torch.Generator().manual_seed(k)
    x, x_hat, eps, spread = (torch.randn(6, 2, generator=rng, dtype=torch.float64) for _ in range(4))
    spread = spread.sigmoid()
    batch = Batch(x, torch.ones(6))
    given = noised(SCHEDULE, batch, torch.full((6,), k / T, dtype=torch.float64), eps)
    guess = Prediction(x_hat, (given.x_t - np.sqrt(bar) * x_hat) / np.sqrt(1 - bar), spread)
    least = max(posterior, ddpm(2)[3])
    deviation = (np.log(beta) * spread + np.log(least) * (1 - spread)).div(2).exp()

    def posterior_mean(data: Tensor) -> Tensor:
        return np.sqrt(before) * beta / (1 - bar) * data + np.sqrt(1 - beta) * (1 - before) / (1 - bar) * given.x_t

    model = Normal(posterior_mean(x_hat), deviation)
    expected = -model.log_prob(x) if k == 1 else kl_divergence(Normal(posterior_mean(x), np.sqrt(posterior)), model)
    torch.testing.assert_close(bound_term(SCHEDULE, given, batch, guess), expected.sum(1), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_bound_is_tight_for_unit_normal_data_with_the_right_variance(spread: float) -> None:
    """There the step back is exactly normal with variance beta (spread 1): the bound equals the entropy."""
    n, steps = 4_000, 40
    data = torch.randn(n, 3, generator=torch.Generator().manual_seed(1_000), dtype=torch.float64)
    schedule, batch = Discrete.cosine(steps), Batch(data, torch.ones(n))
    unit = Mixture(torch.ones(1), torch.zeros(1, 3), torch.eye(3)[None])
    exact, total = ExactDenoiser(unit, schedule), torch.zeros(n, dtype=torch.float64)
    for k in range(1, steps + 1):
        noise = torch.randn(n, 3, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
        given = noised(schedule, batch, torch.full((n,), k / steps, dtype=torch.float64), noise)
        guess = exact.predict(given.x_t, given.t, batch)._replace(spread=torch.full_like(data, spread))
        total += bound_term(schedule, given, batch, guess)
    excess, error = float(total.mean()) - 1.5 * np.log(2 * np.pi * np.e), float(total.std()) / n**0.5
    assert (abs(excess) < 4 * error) == (spread == 1)
    assert excess > -4 * error


def test_the_spread_is_trained_by_the_bound_alone() -> None:
    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output, self.spread = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))

        def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
            return torch.cat([self.output.expand_as(x), self.spread.expand_as(x)], -1)

    batch = Batch(torch.randn(64, 2), torch.ones(64))
    gradients = []
    for share in (0.0, 1e-3):
        net = Both()
        losses = Hybrid(UniformSteps(T), share)(VarianceDenoiser(net, SCHEDULE, "eps"), batch, RowRng((1,), 64))
        losses.sum().backward()
        gradients.append((net.output.grad, net.spread.grad))
    torch.testing.assert_close(gradients[0][0], gradients[1][0])
    assert not gradients[0][1].any()
    assert gradients[1][1].all()


def test_steps_are_drawn_by_the_size_of_their_losses_and_weighted_back() -> None:
    draw, n = LossSecondMoment(4, memory=3), 40_000
    first = draw.draw(RowRng((1,), n))
    assert torch.bincount(first.number, minlength=5)[1:].tolist() == pytest.approx([n / 4] * 4, rel=0.05)
    assert torch.equal(first.weight, torch.ones(n))
    sizes = torch.tensor([1.0, 2.0, 4.0, 8.0])
    for _ in range(3):
        draw.observe(torch.tensor([1, 2, 3, 4]), sizes)
    steps = draw.draw(RowRng((2,), n))
    share = torch.bincount(steps.number, minlength=5)[1:] / n
    assert share.tolist() == pytest.approx((sizes / 15).tolist(), rel=0.05, abs=2e-3)
    unbiased = (steps.weight * sizes[steps.number - 1]).mean()
    assert float(unbiased) == pytest.approx(float(sizes.mean()), rel=0.01)


def test_the_last_losses_of_each_step_are_remembered() -> None:
    """As a list for each step that forgets its first entries would."""
    draw, generator = LossSecondMoment(5, memory=3), torch.Generator().manual_seed(1)
    kept: dict[int, list[float]] = {step: [] for step in range(1, 6)}
    for _ in range(6):
        steps, losses = torch.randint(1, 6, (17,), generator=generator), torch.rand(17, generator=generator)
        draw.observe(steps, losses)
        for step, loss in zip(steps.tolist(), losses.tolist(), strict=True):
            kept[step] = [*kept[step], loss][-3:]
    for step, losses in kept.items():
        assert sorted(draw.losses[step - 1].tolist()) == pytest.approx(sorted(losses))
    assert int(draw.seen.sum()) == 6 * 17


def test_only_training_teaches_the_draw() -> None:
    draw = LossSecondMoment(T)
    objective = Hybrid(draw)
    net = known.Knows(lambda x, t: torch.cat([x, x], -1))
    batch = Batch(torch.randn(32, 2), torch.ones(32))
    objective.eval()(VarianceDenoiser(net, SCHEDULE, "eps"), batch, RowRng((1,), 32))
    assert int(draw.seen.sum()) == 0
    objective.train()(VarianceDenoiser(net, SCHEDULE, "eps"), batch, RowRng((1,), 32))
    assert int(draw.seen.sum()) == 32


def test_data_known_to_a_resolution_have_the_probability_of_an_interval() -> None:
    """Against torch's normal distribution; for a fine resolution it is the density times the width."""
    denoiser = VarianceDenoiser(nn.Identity(), SCHEDULE, "eps")
    x = torch.tensor([[0.3], [0.1], [-0.4]], dtype=torch.float64)
    eps = torch.tensor([[0.7], [-2.0], [0.0]], dtype=torch.float64)
    batch = Batch(x, torch.ones(3))
    given = noised(denoiser.schedule, batch, torch.full((3,), 1 / T, dtype=torch.float64), eps)
    prediction = Prediction(x + 0.01, eps, torch.full_like(x, 0.5))
    density = bound_term(SCHEDULE, given, batch, prediction)
    for width in (1e-5, 1e-2, 0.1):
        found = bound_term(SCHEDULE, given, batch, prediction, width)
        assert (found > 0).all()
        if width == 1e-5:
            torch.testing.assert_close(found, density - math.log(width), atol=1e-4, rtol=1e-4)
    spread = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
    deviation = torch.exp(spread * math.log(0.05) + (1 - spread) * math.log(0.2))
    law = torch.distributions.Normal(torch.zeros(()).double(), deviation)
    distance = torch.tensor([0.0, 0.03, -0.1, 0.15], dtype=torch.float64)
    expected = -(law.cdf(distance + 0.01) - law.cdf(distance - 0.01)).log()
    torch.testing.assert_close(_interval(distance, deviation, 0.02), expected)


def test_an_interval_far_from_the_mean_still_pulls() -> None:
    distance = torch.tensor([3.0, 50.0], dtype=torch.float64, requires_grad=True)
    loss = _interval(distance, torch.full((2,), 0.1, dtype=torch.float64), 0.02)
    (pull,) = torch.autograd.grad(loss.sum(), distance)
    assert loss.isfinite().all()
    assert (pull > 100).all()
