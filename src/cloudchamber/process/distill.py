r"""Progressive distillation: a student takes one step where its teacher takes several.

With N student steps over the span of the path, a student step goes from t to s. The teacher goes from x_t to x_s in
smaller steps; the student's single DDIM step ends there if its predicted data are

    x~ = ( x_s - (sigma_s / sigma_t) x_t ) / ( alpha_s - (sigma_s / sigma_t) alpha_t )        (arXiv:2202.00512, Alg. 2)

and its loss is the squared error of its target for x~ and the noise that goes with it. Students become teachers, with
half as many steps each time. The teacher's solver is free: two DDIM steps as in the paper, or one step of Heun's
method, which is nearer to the truth at the same price.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from cloudchamber.process.denoise import Denoiser, scales_at
from cloudchamber.process.objective import masked_sum, noised
from cloudchamber.process.step import time_grid
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Progressive", "halvings", "teacher_steps"]


class Progressive:
    """The distillation loss of a student with a number of steps.

    Args:
        teacher: what the student imitates; never trained.
        steps: number N of steps of the student.
        substeps: steps of the teacher for one of the student.
        second_order: whether the teacher's steps are Heun's instead of DDIM's.
    """

    def __init__(self, teacher: Denoiser, steps: int, substeps: int = 2, second_order: bool = False) -> None:
        self.teacher = teacher.requires_grad_(False).eval()
        self.steps, self.substeps, self.second_order = steps, substeps, second_order

    def __call__(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,).

        Args:
            denoiser: the student.
            batch: data x and conditions.
            rng: random stream.
        """
        grid = time_grid(denoiser.span, self.steps).flip(0).to(batch.x)
        index = (rng.uniform() * self.steps).long().clamp(max=self.steps - 1)
        given = noised(denoiser.schedule, batch, grid[index + 1], rng.normal(*batch.x.shape[1:]))
        now, to = given.at, scales_at(denoiser.schedule, grid[index], batch.x)
        end = teacher_steps(
            self.teacher.to(batch.x.device), given.x_t, torch.stack([grid[index + 1], grid[index]]), batch,
            substeps=self.substeps, second_order=self.second_order,
        )  # fmt: skip
        fraction = to.sigma / now.sigma
        x = (end - fraction * given.x_t) / (to.alpha - fraction * now.alpha)
        a, b = denoiser.target(now)
        wanted = a * x + b * (given.x_t - now.alpha * x) / now.sigma
        error = denoiser(given.x_t, given.t, batch).float() - wanted
        return masked_sum(error.square(), batch.mask) / batch.x.shape[-1]


def halvings(start: int, stop: int) -> list[int]:
    """Numbers of steps from `start` to `stop`, halved each time.

    Args:
        start: the first.
        stop: the last, not above the first.

    >>> halvings(16, 1), halvings(8, 3)
    ([16, 8, 4, 2, 1], [8, 4, 3])
    """
    numbers = [start]
    while numbers[-1] > stop:
        numbers.append(max(numbers[-1] // 2, stop))
    return numbers


@torch.no_grad()
def teacher_steps(
    teacher: Denoiser, x_t: Tensor, ends: Tensor, given: Batch, *, substeps: int, second_order: bool
) -> Tensor:
    """Where a denoiser's flow takes rows, each between times of its own.

    Args:
        teacher: what to follow.
        x_t: shape (B, ...).
        ends: times t and s of each row, shape (2, B).
        given: conditions.
        substeps: equal steps in t.
        second_order: Heun's method instead of DDIM.
    """
    t, s = ends
    times: Sequence[Tensor] = [t + (s - t) * k / substeps for k in range(substeps + 1)]
    for before, after in pairwise(times):
        now, to = (scales_at(teacher.schedule, time, x_t) for time in (before, after))
        first = teacher.predict(x_t, before, given)
        euler = to.alpha * first.x + to.sigma * first.eps
        if second_order:
            second = teacher.predict(euler, after, given)
            h = (after - before).view(now.alpha.shape)
            x_t = x_t + h * (first.velocity(now) + second.velocity(to)) / 2
        else:
            x_t = euler
    return x_t
