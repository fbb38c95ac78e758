"""Guidance between what is known with and without conditions."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.guidance import Guided, SometimesForgetful, zero_context
from cloudchamber.process.sampler import sample
from cloudchamber.process.schedule import Rectified
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng


class Conditional(nn.Module):
    """The velocity of N(c, 1) where the first context column is 1, of N(0, 2) where it is 0."""

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        assert given.context is not None
        knows, mean = given.context[:, :1], given.context[:, 1:]
        variance, t = 2.0 - knows, t[:, None]
        gain = (t - (1 - t) * variance) / ((1 - t) ** 2 * variance + t**2)
        return -mean * knows + gain * (x - (1 - t) * mean * knows)


def batch(n: int) -> Batch:
    return Batch(torch.zeros(n, 1), torch.ones(n), context=torch.tensor([[1.0, 3.0]]).repeat(n, 1))


@pytest.mark.parametrize(("weight", "mean", "variance"), [(0.0, 0.0, 2.0), (1.0, 3.0, 1.0)])
def test_the_ends_forget_and_obey(weight: float, mean: float, variance: float) -> None:
    guided = Guided(Denoiser(Conditional(), Rectified()), weight)
    made = sample(guided, batch(4_000), RowRng((1,), 4_000), calls=128)
    assert float(made.mean()) == pytest.approx(mean, abs=0.1)
    assert float(made.var()) == pytest.approx(variance, rel=0.1)


def test_predictions_are_extrapolated() -> None:
    plain, given, t = Denoiser(Conditional(), Rectified()), batch(4), torch.full((4,), 0.6)
    x_t = torch.randn(4, 1)
    bound = plain.predict(x_t, t, given)
    free = plain.predict(x_t, t, zero_context(given, torch.ones(4, dtype=torch.bool)))
    strong = Guided(plain, 2.5).predict(x_t, t, given)
    torch.testing.assert_close(strong.eps, free.eps + 2.5 * (bound.eps - free.eps))
    torch.testing.assert_close(strong.x, free.x + 2.5 * (bound.x - free.x))
    velocity = Guided(plain, 2.5)(x_t, t, given)
    torch.testing.assert_close(velocity, plain(x_t, t, given) * 2.5 - 1.5 * (free.eps - free.x))


def test_guidance_costs_two_calls() -> None:
    asked: list[float] = []

    class Counting(Conditional):
        def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
            asked.append(float(t[0]))
            return super().forward(x, t, given)

    sample(Guided(Denoiser(Counting(), Rectified()), 2.0), batch(2), RowRng((1,), 2), calls=16)
    assert len(asked) == 16


def test_a_share_of_the_rows_forget_in_training() -> None:
    seen: list[Tensor] = []

    def objective(denoiser: Denoiser, rows: Batch, rng: RowRng) -> Tensor:
        assert rows.context is not None
        seen.append(rows.context[:, 0])
        return rows.weight

    SometimesForgetful(objective, 0.2)(Denoiser(Conditional(), Rectified()), batch(5_000), RowRng((1,), 5_000))
    assert float((seen[0] == 0).float().mean()) == pytest.approx(0.2, abs=0.03)
    with pytest.raises(ValueError, match="no conditions to forget"):
        zero_context(replace(batch(2), context=None), torch.ones(2, dtype=torch.bool))
