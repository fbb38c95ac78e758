"""All targets say the same, and a denoiser keeps saying it on another path."""

import known
import pytest
import torch
from torch import Tensor

from cloudchamber.process.denoise import (
    TARGETS,
    Denoiser,
    EDMTarget,
    Rescheduled,
    Scaled,
    Target,
    VarianceDenoiser,
    scales_at,
)
from cloudchamber.process.exact import ExactDenoiser
from cloudchamber.process.schedule import EDM, Rectified
from cloudchamber.tensors.batch import Batch

ALL_TARGETS: dict[str, Target] = {**TARGETS, "edm": EDMTarget(0.7)}


def inside(name: str, rows: int) -> Tensor:
    low, high = known.SCHEDULES[name].span
    return low + (high - low) * torch.linspace(0.05, 0.95, rows, dtype=torch.float64)


@pytest.mark.parametrize("target", ALL_TARGETS)
@pytest.mark.parametrize("name", known.SCHEDULES)
@pytest.mark.parametrize("shape", [(6, 2), (6, 4, 3)])
def test_a_target_gives_back_data_and_noise(name: str, target: str, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(4)
    x, eps = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    schedule, t = known.SCHEDULES[name], inside(name, 6)
    at = scales_at(schedule, t, x)
    a, b = ALL_TARGETS[target](at)
    denoiser = Denoiser(known.Knows(lambda *_: a * x + b * eps), schedule, ALL_TARGETS[target])
    prediction = denoiser.predict(at.alpha * x + at.sigma * eps, t, Batch(x, torch.ones(6)))
    torch.testing.assert_close(prediction.x, x, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(prediction.eps, eps, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(prediction.velocity(at), at.d_alpha * x + at.d_sigma * eps, rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(prediction.score(at), -eps / at.sigma, rtol=1e-6, atol=1e-5)


def test_predictions_solve_the_equations_of_the_path() -> None:
    """Whatever the network says: alpha x + sigma eps is the noisy value."""
    x_t, answer = (torch.randn(5, 2, dtype=torch.float64) for _ in range(2))
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    prediction = Denoiser(known.Knows(lambda *_: answer), Rectified()).predict(x_t, t, Batch(x_t, torch.ones(5)))
    alpha, sigma, d_alpha, d_sigma = Rectified()(t[:, None])
    torch.testing.assert_close(alpha * prediction.x + sigma * prediction.eps, x_t)
    torch.testing.assert_close(d_alpha * prediction.x + d_sigma * prediction.eps, answer)


def test_spans_avoid_ends_where_a_target_is_blind() -> None:
    net = known.Knows(lambda x, t: x)
    assert Denoiser(net, Rectified()).span == (0, 1)
    assert Denoiser(net, Rectified(), "x").span == (1e-3, 1)
    assert Denoiser(net, Rectified(), "eps").span == (0, 0.999)
    assert Denoiser(net, known.SCHEDULES["ddpm-linear"], "eps").span == (0, 1)


def test_edm_is_its_published_preconditioning() -> None:
    """D = c_skip x + c_out F(c_in x, c_noise), arXiv:2206.00364, Table 1."""
    deviation, schedule = 0.5, EDM()
    t = torch.linspace(0.1, 0.9, 7, dtype=torch.float64)
    x_t = torch.randn(7, 2, dtype=torch.float64)

    def net(x: Tensor, label: Tensor) -> Tensor:
        return torch.sin(x) * label[:, None]

    denoiser = Denoiser(Scaled(known.Knows(net), schedule, deviation), schedule, EDMTarget(deviation))
    sigma = schedule(t).sigma[:, None]
    c_skip = deviation**2 / (sigma**2 + deviation**2)
    c_out = sigma * deviation / (sigma**2 + deviation**2).sqrt()
    c_in, c_noise = 1 / (sigma**2 + deviation**2).sqrt(), sigma[:, 0].log() / 4
    expected = c_skip * x_t + c_out * net(c_in * x_t, c_noise)
    torch.testing.assert_close(denoiser.predict(x_t, t, Batch(x_t, torch.ones(7))).x, expected)


@pytest.mark.parametrize("deviation", [0.5, 2.0])
def test_the_target_of_edm_has_unit_variance(deviation: float) -> None:
    generator = torch.Generator().manual_seed(1)
    x, eps = (torch.randn(50_000, generator=generator) for _ in range(2))
    for name in ("edm", "vp"):
        a, b = EDMTarget(deviation)(known.SCHEDULES[name](torch.tensor([[0.2], [0.5], [0.9]])))
        assert (a * deviation * x + b * eps).std(1).tolist() == pytest.approx([1, 1, 1], abs=0.02)


@pytest.mark.parametrize("old", ["rectified", "vp", "edm"])
@pytest.mark.parametrize("new", known.SCHEDULES)
def test_a_rescheduled_denoiser_is_that_of_the_new_path(old: str, new: str) -> None:
    trained = ExactDenoiser(known.MIXTURE, known.SCHEDULES[old])
    moved = Rescheduled(trained, known.SCHEDULES[new])
    low, high = moved.span
    t = low + (high - low) * torch.linspace(0.05, 0.95, 9, dtype=torch.float64)
    x_t = 2 * torch.randn(9, 2, dtype=torch.float64)
    given = Batch(x_t, torch.ones(9))
    expected = ExactDenoiser(known.MIXTURE, known.SCHEDULES[new]).predict(x_t, t, given)
    torch.testing.assert_close(moved.predict(x_t, t, given).x, expected.x, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        moved(x_t, t, given), expected.velocity(scales_at(known.SCHEDULES[new], t, x_t)), rtol=1e-4, atol=1e-4
    )


def test_a_variance_denoiser_reads_the_second_half_as_spread() -> None:
    x_t, t = torch.randn(4, 2), torch.linspace(0.1, 0.9, 4)
    output, raw = torch.randn(4, 2), torch.tensor([[-1.0, 0.0], [1.0, 0.5]]).repeat(2, 1)
    both = VarianceDenoiser(known.Knows(lambda *_: torch.cat([output, raw], -1)), Rectified(), "v")
    plain = Denoiser(known.Knows(lambda *_: output), Rectified(), "v")
    given = Batch(x_t, torch.ones(4))
    assert torch.equal(both.predict(x_t, t, given).x, plain.predict(x_t, t, given).x)
    assert torch.equal(both.predict(x_t, t, given).spread, (raw + 1) / 2)
    assert plain.predict(x_t, t, given).spread is None
