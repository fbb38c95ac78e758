"""The guess alone is the best linear one; the network corrects it in the units of what is left."""

import pytest
import torch
from torch import Tensor, nn

from cloudchamber.process.clip import Clipped
from cloudchamber.process.denoise import TARGETS, Denoiser, VarianceDenoiser, scales_at
from cloudchamber.process.precondition import LinearGuess
from cloudchamber.process.sampler import sample
from cloudchamber.process.schedule import CosineLogSNR, Discrete, Rectified, Schedule
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

MEAN, DEVIATION = -1.0, 0.05
SCHEDULES: dict[str, Schedule] = {"ddpm": Discrete.cosine(500), "cosine": CosineLogSNR(), "rectified": Rectified()}


class Silent(nn.Module):
    """Predicts nothing, and a second half that is a third."""

    def __init__(self, halves: int = 1) -> None:
        super().__init__()
        self.halves = halves
        self.seen = torch.zeros(0)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        self.seen = x
        return torch.cat([torch.zeros_like(x), torch.full_like(x, 1 / 3)][: self.halves], dim=-1)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("target", ["eps", "x", "v", "velocity"])
def test_without_a_correction_it_is_the_mean_of_normal_data(schedule: Schedule, target: str) -> None:
    """For x ~ N(m, s^2): E[x | x_t] = m + alpha s^2 (x_t - alpha m) / (sigma^2 + alpha^2 s^2)."""
    net = LinearGuess(Silent(), schedule, TARGETS[target], MEAN, DEVIATION)
    denoiser = Denoiser(net, schedule, target)
    t = torch.linspace(0.01, 0.98, 200, dtype=torch.float64)
    x_t = torch.randn(200, 4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    found, at = denoiser.predict(x_t, t, Batch(x_t, t)), scales_at(schedule, t, x_t)
    variance = at.sigma**2 + at.alpha**2 * DEVIATION**2
    expected = MEAN + at.alpha * DEVIATION**2 * (x_t - at.alpha * MEAN) / variance
    torch.testing.assert_close(found.x, expected, atol=1e-9, rtol=1e-7)
    torch.testing.assert_close(at.alpha * found.x + at.sigma * found.eps, x_t, atol=1e-9, rtol=1e-7)


def test_the_network_sees_unit_variance_and_owes_unit_variance() -> None:
    schedule, silent = SCHEDULES["ddpm"], Silent()
    net = LinearGuess(silent, schedule, TARGETS["eps"], MEAN, DEVIATION)
    rng = torch.Generator().manual_seed(7)
    for time in (0.004, 0.05, 0.3, 0.9):
        t = torch.full((200_000,), time, dtype=torch.float64)
        x = MEAN + DEVIATION * torch.randn(200_000, 1, generator=rng, dtype=torch.float64)
        eps = torch.randn(200_000, 1, generator=rng, dtype=torch.float64)
        at = scales_at(schedule, t, x)
        error = eps - net(at.alpha * x + at.sigma * eps, t, Batch(x, t))
        unit = at.alpha * DEVIATION / torch.hypot(at.sigma, at.alpha * DEVIATION)
        assert silent.seen.std().item() == pytest.approx(1.0, rel=0.01)
        assert silent.seen.mean().abs().item() < 0.01
        assert (error / unit).std().item() == pytest.approx(1.0, rel=0.01)


def test_a_learnt_spread_is_passed_on() -> None:
    schedule = SCHEDULES["ddpm"]
    net = LinearGuess(Silent(2), schedule, TARGETS["eps"], MEAN, DEVIATION)
    x = torch.randn(5, 3)
    found = VarianceDenoiser(net, schedule, "eps").predict(x, torch.full((5,), 0.5), Batch(x, torch.ones(5)))
    assert found.spread is not None
    torch.testing.assert_close(found.spread, torch.full((5, 3), 2 / 3))


def test_samples_of_the_guess_are_normal_and_clipped_ones_stay_in_range() -> None:
    schedule = SCHEDULES["ddpm"]
    net = LinearGuess(Silent(2), schedule, TARGETS["eps"], 0.9, 0.2)
    denoiser = VarianceDenoiser(net, schedule, "eps")
    blank = Batch(torch.zeros(20_000, 1), torch.ones(20_000))
    free = sample(denoiser, blank, RowRng((8,), 20_000), 100, "ancestral")
    assert free.mean().item() == pytest.approx(0.9, abs=0.01)
    assert free.std().item() == pytest.approx(0.2, abs=0.01)
    limited = sample(Clipped(denoiser, -1.0, 1.0), blank, RowRng((8,), 20_000), 100, "ancestral")
    assert limited.max() <= 1.0
    assert free.max() > 1.2


def test_clipped_predictions_are_consistent_and_others_untouched() -> None:
    schedule = SCHEDULES["cosine"]
    denoiser = Denoiser(LinearGuess(Silent(), schedule, TARGETS["v"], 0.0, 1.0), schedule, "v")
    clipped = Clipped(denoiser, -1.0, 1.0)
    x_t = torch.tensor([[0.3], [5.0], [-4.0]], dtype=torch.float64)
    t = torch.full((3,), 0.4, dtype=torch.float64)
    plain, found = (d.predict(x_t, t, Batch(x_t, t)) for d in (denoiser, clipped))
    at = scales_at(schedule, t, x_t)
    torch.testing.assert_close(found.x, plain.x.clamp(-1, 1))
    torch.testing.assert_close(at.alpha * found.x + at.sigma * found.eps, x_t)
    torch.testing.assert_close(found.eps[0], plain.eps[0])
