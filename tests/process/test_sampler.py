"""Solvers against the closed-form flow of a Gaussian: moments, order of convergence, and the price of a step."""

import gaussian
import numpy as np
import pytest
import torch
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.process.sampler import SAMPLERS, sample, time_grid

ORDERS = {"euler": 1, "heun": 2, "midpoint": 2}
NOISE = torch.randn(4_000, 3, generator=torch.Generator().manual_seed(8)).double()


def test_every_sampler_has_a_known_order() -> None:
    assert ORDERS.keys() == SAMPLERS.keys()


@pytest.mark.parametrize("name", SAMPLERS)
def test_noise_flows_to_the_right_gaussian(name: str) -> None:
    made = sample(gaussian.velocity, NOISE, 64 if ORDERS[name] == 2 else 512, name)
    expected = gaussian.flow(NOISE)
    torch.testing.assert_close(made.mean(0), expected.mean(0), rtol=0, atol=0.02)
    torch.testing.assert_close(made.T.cov(), expected.T.cov(), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", SAMPLERS)
def test_errors_fall_with_the_order_of_the_solver(name: str) -> None:
    """On dx/dt = x^2 from t = 1 to 0, which x = 1 / (1/x_1 + 1 - t) solves."""

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        return x**2

    start = torch.linspace(0.5, 1.0, 11).double()
    exact = 1 / (1 / start + 1)
    steps = np.array([16, 32, 64, 128])
    calls = steps * SAMPLERS[name].calls
    errors = [float((sample(velocity, start, int(n), name) - exact).abs().max()) for n in calls]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert -slope == pytest.approx(ORDERS[name], abs=0.15)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("calls", [1, 2, 3, 8, 15, 16])
def test_a_budget_of_calls_is_spent_exactly(name: str, calls: int) -> None:
    times: list[float] = []

    def counted(x: Tensor, t: Tensor) -> Tensor:
        times.append(float(t))
        return torch.ones_like(x)

    made = sample(counted, torch.zeros(1), calls, name)
    assert len(times) == calls
    assert max(times) == 1
    assert made.item() == pytest.approx(-1, abs=1e-6)  # the steps add up to the whole path


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_grids_go_from_noise_to_data(power: float) -> None:
    grid = time_grid(7, power)
    assert (grid[0], grid[-1]) == (1, 0)
    assert (grid.diff() < 0).all()
    made = sample(gaussian.velocity, NOISE[:50], 400, "heun", power)
    torch.testing.assert_close(made, gaussian.flow(NOISE[:50]), rtol=0, atol=5e-3)


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(InputError, match="'rk45' is unknown; choose one of euler, heun, midpoint"):
        sample(gaussian.velocity, NOISE, 4, "rk45")
    with pytest.raises(InputError, match="at least one network call"):
        sample(gaussian.velocity, NOISE, 0)
