"""All samplers against exact answers: moments, order of convergence, identities, and the price of a step."""

import itertools
from collections.abc import Iterator

import known
import numpy as np
import pytest
import torch
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.process.denoise import Denoiser, Prediction
from cloudchamber.process.exact import ExactDenoiser, Mixture
from cloudchamber.process.ode import DDIM, RK4, AdamsBashforth, DDIMMidpoint, DPMSolver, Euler, Heun, Midpoint
from cloudchamber.process.sampler import SAMPLERS, make_sampler, sample
from cloudchamber.process.schedule import Rectified, Span
from cloudchamber.process.sde import Ancestral, Langevin, PredictorCorrector, StochasticHeun
from cloudchamber.process.step import Field, Memory, Sampler, State, time_grid
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

ORDERS: dict[str, tuple[Sampler, int]] = {
    "euler": (Euler(), 1),
    "ddim": (DDIM(), 1),
    "heun": (Heun(), 2),
    "midpoint": (Midpoint(), 2),
    "dpm++2m": (DPMSolver(), 2),
    "ddim-midpoint": (DDIMMidpoint(), 2),
    "rk4": (RK4(), 4),
    "adams-bashforth": (AdamsBashforth(), 2),  # by its first step
}
STOCHASTIC = ("ancestral", "euler-maruyama", "stochastic-heun", "predictor-corrector")
N = 3_000
FIRST_ORDER_CALLS = 200


def draw(schedule: str, sampler: str | Sampler, calls: int, mixture: Mixture = known.MIXTURE, n: int = N) -> Tensor:
    given = known.vectors(n, mixture.means.shape[1])
    return sample(ExactDenoiser(mixture, known.SCHEDULES[schedule]), given, known.Doubles(1, n), calls, sampler)


def assert_moments(made: Tensor, mixture: Mixture, bias: float) -> None:
    """Mean and covariance within 4.5 standard errors and a bias relative to the variances."""
    n, variances = len(made), mixture.covariance.diag()
    error = 4.5 * (variances / n).sqrt()
    assert ((made.mean(0) - mixture.mean).abs() < error + bias * variances.sqrt()).all()
    width = torch.outer(variances, variances).sqrt()
    off = (made.T.cov() - mixture.covariance).abs()
    assert (off < width * (4.5 * (2 / n) ** 0.5 + bias)).all(), off / width


def walk(field: Field, sampler: Sampler, x: Tensor, span: Span, steps: int) -> Tensor:
    """Only the steps, without the budget's rules."""
    state, times = State(x), time_grid(span, steps)
    for t, s in itertools.pairwise(times):
        state = sampler.step(field, state, t, s, known.Doubles(1, len(x)))
    return state.x


@pytest.mark.parametrize("schedule", known.SCHEDULES)
@pytest.mark.parametrize("name", ORDERS)
def test_deterministic_samplers_reach_the_mixture_on_every_path(schedule: str, name: str) -> None:
    calls = FIRST_ORDER_CALLS if ORDERS[name][1] == 1 else 100
    bias = 0.06 if ORDERS[name][1] == 1 else 0.01
    if schedule in ("ve", "edm") and name == "euler":
        calls, bias = 500, 0.15  # sigma grows exponentially in t
    if (schedule, name) == ("cosine", "ddim-midpoint"):
        calls, bias = 1000, 0.12  # its first step divides by alpha(1) = 4.5e-5
    assert_moments(draw(schedule, name, calls), known.MIXTURE, bias)


@pytest.mark.parametrize("schedule", ["rectified", "vp", "edm", "ddpm-cosine"])
@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_samplers_reach_the_mixture(schedule: str, name: str) -> None:
    assert_moments(draw(schedule, name, 240), known.MIXTURE, 0.04)


@pytest.fixture(scope="module", params=["rectified", "cosine", "vp", "edm"])
def journey(request: pytest.FixtureRequest) -> tuple[Field, Span, Tensor, Tensor]:
    """Points on the way, and where the flow of the mixture takes them."""
    exact, span = ExactDenoiser(known.MIXTURE, known.SCHEDULES[request.param]), Span(0.1, 0.7)
    at = exact.schedule(torch.tensor(span.high, dtype=torch.float64))
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(32, 2, generator=generator, dtype=torch.float64)
    start = at.alpha * known.MIXTURE.sample(32, generator) + at.sigma * noise
    field = Field(exact, known.vectors(32, 2))
    return field, span, start, walk(field, RK4(), start, span, 800)


@pytest.mark.parametrize("name", ORDERS)
def test_errors_fall_with_the_order_of_the_solver(journey: tuple[Field, Span, Tensor, Tensor], name: str) -> None:
    field, span, start, expected = journey
    sampler, order = ORDERS[name]
    steps = np.array([40, 80, 160])
    errors = [float((walk(field, sampler, start, span, int(n)) - expected).norm()) for n in steps]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert -slope == pytest.approx(order, abs=0.25)


def test_ddim_is_the_euler_step_of_the_scaled_variables() -> None:
    """d(x / alpha) = eps d(sigma / alpha), whatever the network says."""
    x = torch.randn(5, 2, dtype=torch.float64)
    for name in ("cosine", "vp", "edm", "ddpm-linear"):
        denoiser = Denoiser(known.Knows(lambda x, t: torch.cos(3 * x) + t[:, None]), known.SCHEDULES[name], "eps")
        t, s = (torch.tensor(v, dtype=torch.float64) for v in (0.7, 0.4))
        field = Field(denoiser, known.vectors(5, 2))
        now, to = denoiser.schedule(t), denoiser.schedule(s)
        expected = to.alpha * (x / now.alpha + (to.ratio - now.ratio) * field.predict(x, t).eps)
        for sampler in (DDIM(), Ancestral(eta=0.0)):
            torch.testing.assert_close(sampler.step(field, State(x), t, s, known.Doubles(1, 5)).x, expected)


def test_the_first_step_of_dpm_solver_is_ddim_and_the_second_looks_back() -> None:
    x = torch.randn(5, 2, dtype=torch.float64)
    field = Field(ExactDenoiser(known.MIXTURE, known.SCHEDULES["vp"]), known.vectors(5, 2))
    t, s = (torch.tensor(v, dtype=torch.float64) for v in (0.7, 0.4))
    rng = known.Doubles(1, 5)
    first = DPMSolver().step(field, State(x), t, s, rng)
    torch.testing.assert_close(first.x, DDIM().step(field, State(x), t, s, rng).x)
    earlier = Memory(x, torch.tensor(0.9, dtype=torch.float64))
    assert not torch.allclose(DPMSolver().step(field, State(x, earlier), t, s, rng).x, first.x)


def test_adams_bashforth_integrates_polynomials_of_the_time_exactly() -> None:
    """With velocities 1, t and t^2 in three coordinates, once three are known, on an uneven grid."""

    class Powers(Denoiser):
        def predict(self, x_t: Tensor, t: Tensor, given: Batch) -> Prediction:
            v = torch.stack([t**0, t, t**2], dim=1)
            return Prediction(x_t - t[:, None] * v, x_t + (1 - t[:, None]) * v)

    field = Field(Powers(torch.nn.Identity(), Rectified(), "velocity"), known.vectors(4, 3))
    times = torch.tensor([0.9, 0.85, 0.7, 0.4, 0.1], dtype=torch.float64)
    state, rng = State(torch.zeros(4, 3, dtype=torch.float64)), known.Doubles(1, 4)
    for t, s in itertools.pairwise(times[:3]):
        state = AdamsBashforth().step(field, state, t, s, rng)
    begun = state.x
    for t, s in itertools.pairwise(times[2:]):
        state = AdamsBashforth().step(field, state, t, s, rng)
    powers = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(state.x - begun, ((0.1**powers - 0.7**powers) / powers).expand(4, 3))


def test_adams_bashforth_starts_as_euler_and_remembers_no_more_than_it_needs() -> None:
    x = torch.randn(5, 2, dtype=torch.float64)
    field = Field(ExactDenoiser(known.MIXTURE, known.SCHEDULES["vp"]), known.vectors(5, 2))
    times, rng = time_grid(Span(0.1, 0.9), 8), known.Doubles(1, 5)
    first = AdamsBashforth().step(field, State(x), times[0], times[1], rng)
    torch.testing.assert_close(first.x, Euler().step(field, State(x), times[0], times[1], rng).x)
    state, depth = State(x), 0
    for t, s in itertools.pairwise(times):
        state = AdamsBashforth(2).step(field, state, t, s, rng)
    while state.memory is not None:
        state, depth = State(x, state.memory.earlier), depth + 1
    assert depth == 2


def test_ddim_midpoint_is_the_published_step() -> None:
    """x' from the noise at t - h / 2, at t - h with the same noise; the result is the last x' (arXiv:2404.16091)."""
    schedule = known.SCHEDULES["cosine"]
    denoiser = Denoiser(known.Knows(lambda x, t: torch.cos(3 * x) + t[:, None]), schedule, "v")

    def v(x: Tensor, t: float) -> Tensor:
        return torch.cos(3 * x) + t

    n, x = 4, known.Doubles(5, 7).normal(2)
    for step in range(n):
        t, middle, s = (schedule(torch.tensor(1 - (step + i / 2) / n).double()) for i in range(3))
        eps, data = t.sigma * x + t.alpha * v(x, 1 - step / n), t.alpha * x - t.sigma * v(x, 1 - step / n)
        z = middle.alpha * data + middle.sigma * eps
        eps = middle.sigma * z + middle.alpha * v(z, 1 - (step + 0.5) / n)
        data = (x - t.sigma * eps) / t.alpha
        x = s.alpha * data + s.sigma * eps
    made = sample(denoiser, known.vectors(7, 2), known.Doubles(5, 7), 2 * n, "ddim-midpoint")
    torch.testing.assert_close(made, data, rtol=1e-6, atol=1e-6)


def test_a_learnt_variance_is_used() -> None:
    """Steps with spread 1 have the variance beta of the forward step, with spread 0 that of the posterior."""
    n, field_of = 10_000, {}
    for spread in (0.0, 1.0):

        class Point(ExactDenoiser):
            spread = torch.full((n, 1), 0.0, dtype=torch.float64)

            def predict(self, x_t: Tensor, t: Tensor, given: Batch) -> Prediction:
                return super().predict(x_t, t, given)._replace(spread=self.spread)

        Point.spread = torch.full((n, 1), spread, dtype=torch.float64)
        mixture = Mixture(torch.ones(1), torch.zeros(1, 1), 1e-12 * torch.ones(1, 1, 1))
        field_of[spread] = Field(Point(mixture, known.SCHEDULES["vp"]), known.vectors(n, 1))
    t, s = (torch.tensor(v, dtype=torch.float64) for v in (0.6, 0.5))
    now, to = known.SCHEDULES["vp"](t), known.SCHEDULES["vp"](s)
    beta = now.sigma**2 - (now.alpha / to.alpha) ** 2 * to.sigma**2
    wanted = {0.0: beta * to.sigma**2 / now.sigma**2, 1.0: beta}
    for spread, field in field_of.items():
        step = Ancestral().step(field, State(torch.zeros(n, 1).double()), t, s, known.Doubles(3, n))
        assert float(step.x.var()) == pytest.approx(float(wanted[spread]), rel=0.05)


def test_langevin_settles_where_its_step_size_says() -> None:
    """A variance S settles at S / (1 - e / 2S); the last denoising then shrinks it by alpha C / S."""
    n, level, r = 3_000, 0.5, 0.3
    mixture = Mixture(torch.ones(1), torch.tensor([[1.0, -0.5]]), torch.diag(torch.tensor([0.3, 1.0]))[None])
    made = draw("rectified", Langevin(level, r), 301, mixture, n)
    at = Rectified()(torch.tensor(level / (1 + level), dtype=torch.float64))
    C = torch.tensor([0.3, 1.0], dtype=torch.float64)
    S, e = at.alpha**2 * C + at.sigma**2, 2 * (r * at.sigma) ** 2
    expected = (at.alpha * C / S) ** 2 * S / (1 - e / (2 * S))
    assert (made.mean(0) - mixture.mean).abs().max() < 4.5 * (1 / n) ** 0.5
    assert (made.var(0) / expected - 1).abs().max() < 4.5 * (2 / n) ** 0.5
    assert expected[0] < 0.9 * C[0]  # the bias is large enough to be seen


def test_churn_forgets_the_noise_that_it_started_from() -> None:
    plain, churned = (draw("edm", StochasticHeun(gamma), 80, n=500) for gamma in (0.0, 0.3))
    again = draw("edm", Heun(), 80, n=500)
    assert (plain - again).abs().mean() < 0.02
    assert (churned - again).abs().mean() > 0.2


class Counted(ExactDenoiser):
    """Remembers when it was asked."""

    def __init__(self, schedule: str) -> None:
        super().__init__(known.MIXTURE, known.SCHEDULES[schedule])
        self.asked: list[float] = []

    def predict(self, x_t: Tensor, t: Tensor, given: Batch) -> Prediction:
        self.asked.append(float(t[0]))
        return super().predict(x_t, t, given)


@pytest.mark.parametrize("schedule", ["rectified", "vp"])
@pytest.mark.parametrize("calls", [1, 2, 3, 8, 15, 16])
@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in ("jump", "mixture")])
def test_a_budget_of_calls_is_spent_exactly(name: str, calls: int, schedule: str) -> None:
    denoiser = Counted(schedule)
    made = sample(denoiser, known.vectors(3, 2), known.Doubles(1, 3), calls, name)
    assert len(denoiser.asked) == calls
    assert made.isfinite().all()
    if name != "langevin":
        assert denoiser.asked[0] == 1
        finishes = name == "ddim-last" or (name == "ddim-midpoint" and calls % 2 == 0)
        last_call = calls > 1 and not finishes
        assert (denoiser.asked[-1] == 1e-3) == (schedule == "vp" and last_call)  # what noise is left is removed


@pytest.mark.parametrize("schedule", ["rectified", "cosine", "vp"])
def test_steps_end_with_the_data_of_the_last_where_noise_is_left(schedule: str) -> None:
    """As students of progressive distillation are taught: N calls are N DDIM steps, and no call more."""
    denoiser, given = Counted(schedule), known.vectors(3, 2)
    made = sample(denoiser, given, known.Doubles(1, 3), 4, "ddim-last")
    field, rng = Field(ExactDenoiser(known.MIXTURE, known.SCHEDULES[schedule]), given), known.Doubles(1, 3)
    times = time_grid(field.span, 4)
    assert denoiser.asked == pytest.approx(times[:-1].tolist())
    state = State(field.schedule(times[0]).sigma * field.noise(rng, given.x))
    for t, s in itertools.pairwise(times[:-1]):
        state = DDIM().step(field, state, t, s, rng)
    torch.testing.assert_close(made, field.predict(state.x, times[-2]).x)


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_grids_go_from_noise_to_data(power: float) -> None:
    grid = time_grid(Span(0.0, 1.0), 7, power)
    assert (grid[0], grid[-1]) == (1, 0)
    assert (grid.diff() < 0).all()
    made = draw("rectified", Heun(power), 200, known.GAUSSIAN)
    assert_moments(made, known.GAUSSIAN, 0.01)


def samplers() -> Iterator[tuple[str, Sampler]]:
    for name in SAMPLERS:
        if name not in ("jump", "mixture"):
            yield name, make_sampler(name)
    yield "two corrections", PredictorCorrector(2)


@pytest.mark.parametrize(("name", "sampler"), list(samplers()))
def test_padding_is_zero_and_never_matters(name: str, sampler: Sampler) -> None:
    given = known.sets()
    assert given.mask is not None
    denoiser = Denoiser(known.Mixes(), Rectified())

    class Spoilt(RowRng):
        def normal(self, *shape: int) -> Tensor:
            drawn = super().normal(*shape)
            return torch.where(given.mask[..., None], drawn, torch.nan)

    clean, spoilt = (sample(denoiser, given, rng((1,), 2), 6, sampler) for rng in (RowRng, Spoilt))
    assert torch.equal(clean, spoilt), name
    assert not clean[~given.mask].any()


def test_impossible_requests_are_refused() -> None:
    denoiser, given, rng = ExactDenoiser(known.MIXTURE, Rectified()), known.vectors(3, 2), known.Doubles(1, 3)
    with pytest.raises(InputError, match="'rk45' is unknown; choose one of euler, heun, midpoint"):
        sample(denoiser, given, rng, 4, "rk45")
    with pytest.raises(InputError, match="--calls 0 is too few"):
        sample(denoiser, given, rng, 0)
    with pytest.raises(InputError, match="'jump' needs a model distilled"):
        sample(denoiser, given, rng, 1, "jump")
