"""The guess from one number is Bayes' theorem, done by numerical integration here."""

import math

import pytest
import torch
from torch import Tensor, nn

from cloudchamber.errors import InputError
from cloudchamber.process.denoise import TARGETS, Denoiser, VarianceDenoiser, scales_at
from cloudchamber.process.sampler import sample
from cloudchamber.process.schedule import Discrete, Rectified, Scales, Schedule
from cloudchamber.process.slab import Slab
from cloudchamber.process.spike_slab import Likelihood, Marginals, SpikeSlab, log_odds_of_others
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

SPIKE, WIDTH = -1.0, 0.07
CENTRES = torch.tensor([-0.6, -0.1, 0.5], dtype=torch.float64)
WEIGHTS = torch.tensor([[0.2, 0.05, 0.05], [0.001, 0.001, 0.018]], dtype=torch.float64)
"""Two numbers: one often filled, one seldom."""
SCHEDULES: dict[str, Schedule] = {"ddpm": Discrete.cosine(500), "rectified": Rectified()}


class Says(nn.Module):
    """The same corrections for every number, and a spread."""

    def __init__(self, shift: float = 0.0, odds: float = 0.0, more: int = 0) -> None:
        super().__init__()
        self.shift, self.odds, self.more, self.seen = shift, odds, more, torch.zeros(0)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        self.seen = x
        one = torch.ones(len(x), x.shape[-1] // 3)
        return torch.cat([self.shift * one, self.odds * one, *[one / 3] * self.more], dim=-1)


def guess(schedule: Schedule, target: str, net: nn.Module | None = None) -> SpikeSlab:
    marginals = Marginals(SPIKE, CENTRES, WIDTH, WEIGHTS)
    return SpikeSlab(net or Says(), schedule, TARGETS[target], marginals, 0.3)


def by_integration(x_t: float, alpha: float, sigma: float, which: int) -> tuple[float, float, float]:
    """Probability of filled, mean and deviation if filled, on a fine grid of x."""
    x = torch.linspace(-2.0, 2.0, 400_001, dtype=torch.float64)
    slab = sum(
        float(w) * torch.exp(-((x - float(v)) ** 2) / (2 * WIDTH**2)) / math.sqrt(2 * math.pi) / WIDTH
        for v, w in zip(CENTRES, WEIGHTS[which], strict=True)
    )
    assert isinstance(slab, Tensor)
    seen = slab * torch.exp(-((x_t - alpha * x) ** 2) / (2 * sigma**2))
    filled = float(torch.trapezoid(seen, x))
    empty = (1 - float(WEIGHTS[which].sum())) * math.exp(-((x_t - alpha * SPIKE) ** 2) / (2 * sigma**2))
    mean = float(torch.trapezoid(seen * x, x)) / filled
    square = float(torch.trapezoid(seen * x**2, x)) / filled
    return filled / (filled + empty), mean, math.sqrt(square - mean**2)


@pytest.mark.parametrize("time", [0.03, 0.2, 0.6])
@pytest.mark.parametrize("which", [0, 1])
def test_the_posterior_is_bayes_theorem(time: float, which: int) -> None:
    schedule = SCHEDULES["rectified"]
    at = schedule(torch.tensor([[time]], dtype=torch.float64))
    for noisy in (-0.9, -0.75, -0.4, 0.1, 0.55):
        x_t = (1 - time) * noisy
        expected = by_integration(x_t, 1 - time, time, which)
        logit, mean, deviation = guess(schedule, "eps").marginals.posterior(torch.full((1, 2), x_t), at)
        found = (logit[0, which].sigmoid().item(), mean[0, which].item(), deviation[0, which].item())
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("target", ["eps", "x", "v", "velocity"])
def test_all_targets_tell_the_same_data(schedule: Schedule, target: str) -> None:
    x_t, t = torch.randn(64, 2), torch.linspace(0.05, 0.9, 64)
    found = Denoiser(guess(schedule, target), schedule, target).predict(x_t, t, Batch(x_t, t))
    at = scales_at(schedule, t, x_t)
    logit, mean, _ = guess(schedule, "eps").marginals.posterior(x_t, at)
    torch.testing.assert_close(found.x, SPIKE + logit.sigmoid() * (mean - SPIKE), atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(at.alpha * found.x + at.sigma * found.eps, x_t, atol=2e-4, rtol=2e-4)


def test_the_network_multiplies_the_odds_and_shifts_the_mean() -> None:
    schedule = SCHEDULES["ddpm"]
    x_t, t = torch.full((1, 2), -0.4), torch.full((1,), 0.2)
    at = scales_at(schedule, t, x_t)
    logit, mean, deviation = guess(schedule, "x").marginals.posterior(x_t, at)
    found = guess(schedule, "x", Says(0.5, 2.0))(x_t, t, Batch(x_t, t))
    expected = SPIKE + torch.sigmoid(logit + 2.0) * (mean + 0.5 * deviation - SPIKE)
    torch.testing.assert_close(found, expected)


def test_without_corrections_single_numbers_are_right() -> None:
    """Samples have the probabilities and the slab of the marginals."""
    schedule, n = SCHEDULES["ddpm"], 10_000
    denoiser = VarianceDenoiser(guess(schedule, "eps", Says(more=1)), schedule, "eps")
    blank = Batch(torch.zeros(n, 2), torch.ones(n))
    drawn = sample(denoiser, blank, RowRng((8,), n), 300, "ancestral")
    filled = drawn > -0.85
    assert filled.double().mean(0).tolist() == pytest.approx([0.3, 0.02], abs=0.015)
    lower = (drawn[filled[:, 0], 0] < 0.2).double().mean().item()
    assert lower == pytest.approx(0.25 / 0.3, abs=0.02)  # two of the three components
    assert (drawn[~filled] + 1).abs().quantile(0.999) < 0.06


@pytest.mark.parametrize("calls", [1, 3, 20])
def test_drawing_each_number_is_exact_for_any_number_of_calls(calls: int) -> None:
    """Independent numbers: probabilities, means and deviations of the filled are those of the marginals."""
    schedule, n = SCHEDULES["ddpm"], 40_000
    denoiser = Denoiser(guess(schedule, "eps"), schedule, "eps")
    drawn = sample(denoiser, Batch(torch.zeros(n, 2), torch.ones(n)), RowRng((9,), n), calls, "mixture").double()
    filled = drawn != SPIKE
    assert filled.double().mean(0).tolist() == pytest.approx([0.3, 0.02], abs=0.008)
    share = WEIGHTS[0] / WEIGHTS[0].sum()
    mean = (share * CENTRES).sum()
    deviation = torch.sqrt((share * (CENTRES - mean) ** 2).sum() + WIDTH**2)
    found = drawn[filled[:, 0], 0]
    assert found.mean().item() == pytest.approx(mean.item(), abs=0.02)
    assert found.std().item() == pytest.approx(deviation.item(), rel=0.03)


def test_filled_numbers_stay_in_their_window() -> None:
    """A uniform slab in a narrow window stays one: draws beyond its ends are mirrored there and not lost."""
    low, high, n = -0.7, 0.7, 20_000
    centres = torch.linspace(low + 0.1, high - 0.1, 7)
    weights = torch.full((1, 7), 0.99 / 7)
    marginals = Marginals(SPIKE, centres, 0.1, weights, slab=Slab(centres, 0.1, weights, (low, high)))
    net = SpikeSlab(Says(), SCHEDULES["ddpm"], TARGETS["eps"], marginals, 0.3)
    denoiser = Denoiser(net, SCHEDULES["ddpm"], "eps")
    drawn = sample(denoiser, Batch(torch.zeros(n, 1), torch.ones(n)), RowRng((2,), n), 8, "mixture")[:, 0]
    filled = drawn[drawn != SPIKE]
    assert filled.min() >= low
    assert filled.max() <= high
    shares = torch.histc(filled, 7, low, high) / n
    assert shares.tolist() == pytest.approx([0.99 / 7] * 7, abs=0.015)


class Excludes(nn.Module):
    """All numbers of a column exclude each other by the same amount; remembers what it was shown."""

    def __init__(self, exclusion: float) -> None:
        super().__init__()
        self.exclusion, self.seen = exclusion, torch.zeros(0)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        self.seen = x
        one = torch.ones(*x.shape[:-1], x.shape[-1] // 4)
        return torch.cat([0 * one, 0 * one, self.exclusion * one], dim=-1)


def column(exclusion: float, shares: Tensor) -> SpikeSlab:
    """Eight numbers with one feature each, filled with small probabilities in the ratio of their shares."""
    weights = 1e-2 * shares[:, None, None] * torch.tensor([0.5, 0.2, 0.3])
    marginals = Marginals(SPIKE, CENTRES, WIDTH, weights)
    return SpikeSlab(Excludes(exclusion), SCHEDULES["ddpm"], TARGETS["eps"], marginals, 0.3, rivals=1)


SHARES = torch.tensor([0.4, 0.3, 0.1, 0.1, 0.05, 0.02, 0.02, 0.01])


def test_rivals_that_exclude_each_other_have_the_posterior_of_exactly_one() -> None:
    """P(i) is its share times the likelihood ratio of filled to empty, over the sum of those of all."""
    net, x_t, t = column(1.0, SHARES), 0.3 * torch.randn(64, 8, 1) - 0.9, torch.linspace(0.1, 0.9, 64)
    at = scales_at(net.schedule, t, x_t)
    alone, _, _ = net.marginals.posterior(x_t, at)
    prior = 1e-2 * SHARES[:, None].double()
    ratio = alone.double().exp() * (1 - prior) / prior
    exact = SHARES[:, None] * ratio / (SHARES[:, None] * ratio).sum(1, keepdim=True)
    found = net.known(x_t, t, Batch(x_t, t)).filled.double()
    torch.testing.assert_close(found, exact, atol=4e-3, rtol=4e-3)
    assert net.net.seen.shape == (64, 8, 4)


def test_without_exclusion_rivals_are_independent() -> None:
    net, x_t, t = column(0.0, SHARES), 0.3 * torch.randn(16, 8, 1) - 0.9, torch.full((16,), 0.3)
    alone, _, _ = net.marginals.posterior(x_t, scales_at(net.schedule, t, x_t))
    torch.testing.assert_close(net.known(x_t, t, Batch(x_t, t)).logit, alone)


def test_rivals_that_exclude_each_other_are_drawn_once() -> None:
    """Exactly one of eight is filled, as often as its share says."""
    n = 8_000
    denoiser = Denoiser(column(1.0, SHARES), SCHEDULES["ddpm"], "eps")
    drawn = sample(denoiser, Batch(torch.zeros(n, 8, 1), torch.ones(n)), RowRng((6,), n), 40, "mixture")[..., 0]
    filled = drawn > -0.85
    assert (filled.sum(1) == 1).double().mean().item() > 0.99
    assert filled.double().mean(0).tolist() == pytest.approx(SHARES.tolist(), abs=0.02)


def test_the_odds_of_others_leave_out_only_a_number_itself() -> None:
    logit = (6 * torch.randn(5, 8, 3, dtype=torch.float64)).clamp(max=15.0)
    others = torch.stack([logit[:, [j for j in range(8) if j != i]].logsumexp(1) for i in range(8)], dim=1)
    torch.testing.assert_close(log_odds_of_others(logit, 1), others.clamp(min=math.log(1e-6)), atol=1e-6, rtol=1e-6)
    certain = torch.tensor([[200.0, -3.0]])
    assert log_odds_of_others(certain, 1).tolist() == [[pytest.approx(-3.0, abs=1e-4), 15.0]]


def test_only_networks_that_know_distributions_draw() -> None:
    denoiser = Denoiser(nn.Identity(), Rectified())
    with pytest.raises(InputError, match="'mixture' is for models that know the distribution"):
        sample(denoiser, Batch(torch.zeros(4, 2), torch.ones(4)), RowRng((1,), 4), 2, "mixture")


def test_what_else_the_network_says_is_passed_on_and_what_it_sees_is_of_order_one() -> None:
    schedule, says = SCHEDULES["ddpm"], Says(more=1)
    net = guess(schedule, "eps", says)
    x = torch.tensor([[0.5, -1.0]])
    for time in (0.004, 0.1, 0.5, 0.99):
        t = torch.full((1,), time)
        at = scales_at(schedule, t, x)
        out = net((at.alpha * x + at.sigma * torch.randn(1, 2)).float(), t, Batch(x, t))
        torch.testing.assert_close(out[:, 2:], torch.full((1, 2), 1 / 3))
        assert says.seen.isfinite().all()
        assert says.seen.abs().max() < 10


def test_the_likelihood_is_that_of_independent_numbers() -> None:
    """Minus the log-probability of empty and filled, by the closed posterior, is least where nothing is corrected."""
    schedule, n = SCHEDULES["rectified"], 20_000
    generator = torch.Generator().manual_seed(3)
    shares = torch.cat([1 - WEIGHTS.sum(1, keepdim=True), WEIGHTS], 1)
    component = torch.multinomial(shares, n, True, generator=generator)
    slab = torch.cat([torch.tensor([SPIKE]), CENTRES.float()])[component.T]
    x = torch.where(component.T > 0, slab + WIDTH * torch.randn(n, 2, generator=generator), slab)
    batch = Batch(x, torch.ones(n))

    def cost(net: Says) -> float:
        denoiser = Denoiser(guess(schedule, "eps", net), schedule, "eps")
        return Likelihood()(denoiser, batch, RowRng((4,), n)).mean().item()

    least = cost(Says())
    for shift, odds in ((0.0, 0.5), (0.0, -0.5), (0.3, 0.0), (-0.3, 0.0)):
        assert cost(Says(shift, odds)) > least + 1e-3
    noise_alone = -(WEIGHTS.sum(1) * WEIGHTS.sum(1).log() + (1 - WEIGHTS.sum(1)) * (1 - WEIGHTS.sum(1)).log())
    assert least < float(noise_alone.mean()) + 0.1


def test_the_likelihood_of_one_number_by_hand() -> None:
    schedule = SCHEDULES["rectified"]
    net = guess(schedule, "eps", Says(0.5, 0.2))
    denoiser = Denoiser(net, schedule, "eps")
    batch = Batch(torch.tensor([[0.4, SPIKE]]), torch.ones(1))
    fixed = Likelihood(lambda rng, path: torch.full((1,), 0.3))
    rng = RowRng((5,), 1)
    x_t = 0.7 * batch.x + 0.3 * RowRng((5,), 1).normal(2)
    at = scales_at(schedule, torch.full((1,), 0.3), x_t)
    logit, _, deviation = net.marginals.posterior(x_t, at)
    alone = net.marginals.slab.posterior(x_t[0, :1], Scales(*(s[0] for s in at)), (torch.tensor([0]),))
    gain = alone.log_ratio(torch.tensor([0.4]), 0.5 / deviation[0, :1])
    one = -(logit[0, 0] + 0.2).sigmoid().log() - gain[0]
    two = -(-logit[0, 1] - 0.2).sigmoid().log()
    assert fixed(denoiser, batch, rng).item() == pytest.approx(((one + two) / 2).item(), rel=1e-5)
