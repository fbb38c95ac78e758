"""Students that know the flow have nothing to learn; others have."""

import known
import pytest
import torch
from torch import Tensor, nn

from cloudchamber.process.average import AverageVelocity, MeanFlow, Shortcut
from cloudchamber.process.denoise import TARGETS, Denoiser, scales_at
from cloudchamber.process.distill import Progressive, halvings, teacher_steps
from cloudchamber.process.exact import ExactDenoiser
from cloudchamber.process.sampler import sample
from cloudchamber.process.schedule import Rectified, Schedule
from cloudchamber.process.step import time_grid
from cloudchamber.tensors.batch import Batch

N, STEPS = 200, 4


def flow(schedule: Schedule, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """Where rows are after times of their own, for the Gaussian."""
    axes, variances, mean = known.GAUSSIAN.axes[0], known.GAUSSIAN.variances[0], known.GAUSSIAN.means[0]
    now, to = (scales_at(schedule, time, x) for time in (t, s))
    growth = ((to.alpha**2 * variances + to.sigma**2) / (now.alpha**2 * variances + now.sigma**2)).sqrt()
    return to.alpha * mean + ((x - now.alpha * mean) @ axes * growth) @ axes.T


@pytest.fixture(scope="module")
def data() -> Batch:
    return Batch(known.GAUSSIAN.sample(N, torch.Generator().manual_seed(6)), torch.ones(N))


class OneStep(nn.Module):
    """The target whose DDIM step over a cell of the grid ends on the flow."""

    def __init__(self, schedule: Schedule, target: str) -> None:
        super().__init__()
        self.schedule, self.target = schedule, target

    def forward(self, x_t: Tensor, t: Tensor, given: Batch) -> Tensor:
        grid = time_grid(self.schedule.span, STEPS).flip(0).to(x_t)
        s = grid[(torch.searchsorted(grid, t - 1e-6) - 1).clamp(min=0)]
        now, to = (scales_at(self.schedule, time, x_t) for time in (t, s))
        end = flow(self.schedule, x_t, t, s)
        eps = (end / to.alpha - x_t / now.alpha) / (to.ratio - now.ratio) if now.alpha.min() > 0 else None
        if eps is None:  # at alpha = 0 the data follow from the end alone
            x = (end - to.sigma / now.sigma * x_t) / (to.alpha - to.sigma / now.sigma * now.alpha)
            eps = (x_t - now.alpha * x) / now.sigma
        else:
            x = (x_t - now.sigma * eps) / now.alpha
        a, b = TARGETS[self.target](now)
        out: Tensor = a * x + b * eps
        return out


@pytest.mark.parametrize(("name", "target"), [("rectified", "velocity"), ("cosine", "v"), ("vp", "eps")])
@pytest.mark.parametrize("second_order", [False, True])
def test_progressive_distillation_asks_for_the_flow(data: Batch, name: str, target: str, second_order: bool) -> None:
    schedule = known.SCHEDULES[name]
    teacher = ExactDenoiser(known.GAUSSIAN, schedule)
    objective = Progressive(teacher, STEPS, substeps=100 if second_order else 800, second_order=second_order)
    ideal = objective(Denoiser(OneStep(schedule, target), schedule, target), data, known.Doubles(1, N))
    assert float(ideal.mean()) < 2e-4
    plain = objective(teacher, data, known.Doubles(1, N)) if target == "velocity" else ideal + 1
    assert float(plain.mean()) > 1e-2


def test_teachers_follow_the_flow(data: Batch) -> None:
    schedule = known.SCHEDULES["cosine"]
    teacher, t, s = ExactDenoiser(known.GAUSSIAN, schedule), torch.rand(N).double(), torch.zeros(N).double() + 0.05
    ends = torch.stack([torch.maximum(t, s + 0.1), s])
    made = [teacher_steps(teacher, data.x, ends, data, substeps=n, second_order=True) for n in (10, 20)]
    errors = [float((m - flow(schedule, data.x, *ends)).abs().max()) for m in made]
    assert errors[1] < errors[0] / 3.5  # second order


def test_halvings_end_where_they_should() -> None:
    assert halvings(512, 1) == [512, 256, 128, 64, 32, 16, 8, 4, 2, 1]
    assert halvings(4, 4) == [4]


class Average(nn.Module):
    """The exact average velocity of the Gaussian's flow, plus an error for long steps."""

    def __init__(self, error: float = 0.0) -> None:
        super().__init__()
        self.error = error
        self.exact = ExactDenoiser(known.GAUSSIAN, Rectified())

    def forward(self, x_t: Tensor, times: Tensor, given: Batch) -> Tensor:
        t, length = times[:, 0], times[:, 1]
        safe = length.clamp(min=1e-9)
        mean = (x_t - flow(Rectified(), x_t, t, t - safe)) / safe[:, None]
        velocity = self.exact(x_t, t, given)
        out: Tensor = torch.where((length > 1e-6)[:, None], mean, velocity) + self.error * length[:, None]
        return out


@pytest.mark.parametrize("kind", [MeanFlow, Shortcut])
def test_average_velocities_solve_their_equations(data: Batch, kind: type[MeanFlow] | type[Shortcut]) -> None:
    """With the exact teacher the loss of the exact average is zero; without, its rows with s = t are flow matching."""
    teacher = ExactDenoiser(known.GAUSSIAN, Rectified())
    objective = kind(teacher)
    exact, wrong = (
        objective(AverageVelocity(Average(error), Rectified()), data, known.Doubles(2, N)) for error in (0.0, 0.5)
    )
    assert float(exact.abs().mean()) < 1e-6
    assert float(wrong.mean()) > 1e-3
    noisy = kind()(AverageVelocity(Average(), Rectified()), data, known.Doubles(2, N))
    assert float(noisy.mean()) > 0.1


@pytest.mark.parametrize("calls", [1, 2, 4])
def test_jumps_of_any_length_end_on_the_flow(calls: int) -> None:
    made = sample(AverageVelocity(Average(), Rectified()), known.vectors(50, 3), known.Doubles(1, 50), calls, "jump")
    noise = known.Doubles(1, 50).normal(3)
    ends = (torch.tensor(time).double() for time in (1.0, 0.0))
    torch.testing.assert_close(made, ExactDenoiser(known.GAUSSIAN, Rectified()).flow(noise, *ends))


def test_a_model_of_averages_is_a_denoiser_too() -> None:
    """At s = t it predicts the velocity, so every other sampler works on it."""
    model, exact = AverageVelocity(Average(), Rectified()), ExactDenoiser(known.GAUSSIAN, Rectified())
    given = known.vectors(20, 3)
    for name in ("heun", "ancestral"):
        made, expected = (sample(d, given, known.Doubles(3, 20), 8, name) for d in (model, exact))
        torch.testing.assert_close(made, expected)


@pytest.mark.parametrize("objective", [MeanFlow(), Shortcut()])
def test_padding_never_changes_the_losses(objective: MeanFlow | Shortcut) -> None:
    rows = known.sets()
    assert rows.mask is not None
    spoilt = Batch(torch.where(rows.mask[..., None], rows.x, torch.nan), rows.weight, mask=rows.mask)
    model = AverageVelocity(known.Mixes(), Rectified())
    losses = [objective(model, given, known.Doubles(1, 2)) for given in (rows, spoilt)]
    assert torch.equal(*losses)
    assert losses[0].isfinite().all()
