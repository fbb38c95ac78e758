"""Paths: their derivatives, their signal, and the constants of the papers."""

import known
import numpy as np
import pytest
import torch

from cloudchamber.process.schedule import EDM, VE, VP, Discrete, SubVP, time_of


@pytest.mark.parametrize("name", known.SCHEDULES)
def test_derivatives_match_autograd(name: str) -> None:
    schedule = known.SCHEDULES[name]
    low, high = schedule.span
    t = (low + (high - low) * torch.linspace(0.013, 0.987, 41, dtype=torch.float64)).requires_grad_()
    scales = schedule(t)
    for value, derivative in ((scales.alpha, scales.d_alpha), (scales.sigma, scales.d_sigma)):
        (expected,) = torch.autograd.grad((value + 0 * t).sum(), t, retain_graph=True)
        torch.testing.assert_close(derivative, expected)


@pytest.mark.parametrize("name", known.SCHEDULES)
def test_the_signal_falls_strictly(name: str) -> None:
    schedule = known.SCHEDULES[name]
    alpha, sigma, _, _ = schedule(torch.linspace(*schedule.span, 301, dtype=torch.float64))
    assert ((alpha / sigma).diff() < 0).all()
    assert (alpha >= 0).all()


@pytest.mark.parametrize("name", known.VARIANCE_PRESERVING)
def test_variance_is_preserved(name: str) -> None:
    alpha, sigma, _, _ = known.SCHEDULES[name](torch.linspace(0.01, 1, 50, dtype=torch.float64))
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(50, dtype=torch.float64))


def test_the_ends_are_data_and_noise() -> None:
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert torch.equal(known.SCHEDULES["rectified"](ends).alpha, 1 - ends)
    assert known.SCHEDULES["ve"](ends).sigma.tolist() == pytest.approx([0.01, 50])
    assert known.SCHEDULES["edm"](ends).sigma.tolist() == pytest.approx([0.002, 80])
    cosine = known.SCHEDULES["cosine"](ends)
    assert (2 * (cosine.alpha / cosine.sigma).log()).tolist() == pytest.approx([20, -20])
    for name in ("ddpm-linear", "ddpm-cosine"):
        assert known.SCHEDULES[name](ends).sigma[0] == 0
        assert known.SCHEDULES[name](ends).alpha[1] < 0.1


def test_edm_times_are_its_steps() -> None:
    n, rho = 18, 7.0
    i = np.arange(n)
    steps = (80 ** (1 / rho) + i / (n - 1) * (0.002 ** (1 / rho) - 80 ** (1 / rho))) ** rho
    made = EDM()(torch.linspace(1, 0, n, dtype=torch.float64)).sigma
    np.testing.assert_allclose(made.numpy(), steps, rtol=1e-9)


@pytest.mark.parametrize("make", [Discrete.linear, Discrete.cosine])
def test_discrete_steps_are_the_products_of_one_minus_beta(make: type) -> None:
    steps = 500
    if make == Discrete.linear:
        betas = np.linspace(1e-4, 0.02, steps) * 1000 / steps
    else:
        f = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - f[1:] / f[:-1], 0.999)
    schedule = make(steps)
    made = schedule(torch.arange(1, steps + 1, dtype=torch.float64) / steps).alpha ** 2
    np.testing.assert_allclose(made.numpy(), np.cumprod(1 - betas), rtol=1e-7, atol=1e-12)


def test_the_diffusions_have_their_variances() -> None:
    """Integrated numerically: d ln alpha / dt = -beta / 2, and for VP also d sigma^2 / dt = beta (1 - sigma^2)."""
    t = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    integral = torch.cumulative_trapezoid(0.1 + t * 19.9, t)
    points = torch.tensor([50_000, 120_000, 199_999])
    alpha, sigma, _, _ = VP()(t[points + 1])
    torch.testing.assert_close(alpha, torch.exp(-integral[points] / 2), rtol=1e-8, atol=0)
    torch.testing.assert_close(sigma**2, 1 - torch.exp(-integral[points]), rtol=1e-8, atol=0)
    torch.testing.assert_close(SubVP()(t[points + 1]).sigma, sigma**2)


@pytest.mark.parametrize("name", known.SCHEDULES)
def test_times_are_found_by_their_noise(name: str) -> None:
    schedule = known.SCHEDULES[name]
    t = torch.linspace(*schedule.span, 23, dtype=torch.float64)[1:-1]
    torch.testing.assert_close(time_of(schedule, schedule(t).ratio), t, rtol=0, atol=1e-9)


def test_noise_outside_the_path_ends_at_its_ends() -> None:
    assert time_of(VE(), torch.tensor([1e-9, 1e9])).tolist() == pytest.approx([0, 1])
