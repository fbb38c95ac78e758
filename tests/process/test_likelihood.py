"""Densities of the probability flow against those of mixtures."""

from dataclasses import replace
from itertools import pairwise

import known
import pytest
import torch

from cloudchamber.nets.mlp import TangentNet
from cloudchamber.process.base import Tailed
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.exact import ExactDenoiser
from cloudchamber.process.likelihood import ExactTrace, ForwardTrace, Hutchinson, log_prob, sample_with_log_prob
from cloudchamber.process.schedule import CosineLogSNR, Rectified
from cloudchamber.process.step import Field
from cloudchamber.tensors.rng import RowRng


@pytest.mark.parametrize("schedule", ["rectified", "cosine", "vp", "edm", "ddpm-linear"])
def test_the_exact_trace_gives_the_density_of_a_mixture(schedule: str) -> None:
    field = Field(ExactDenoiser(known.MIXTURE, known.SCHEDULES[schedule]), known.vectors(40, 2))
    at = field.schedule(torch.tensor(field.span.low, dtype=torch.float64))
    generator = torch.Generator().manual_seed(2)
    x = at.alpha * known.MIXTURE.sample(40, generator) + at.sigma * torch.randn(40, 2, generator=generator)
    expected = known.MIXTURE.log_prob(x, float(at.alpha), float(at.sigma))
    prior = 1e-3 if schedule in ("rectified", "cosine") else 0.03  # the others still hold some data at their noise end
    made = log_prob(field, x, ExactTrace(), tolerance=1e-6)
    torch.testing.assert_close(made, expected, rtol=0, atol=prior)


def test_hutchinson_is_unbiased_and_exact_for_axis_aligned_flows() -> None:
    field = Field(ExactDenoiser(known.MIXTURE, Rectified()), known.vectors(20, 2))
    x, t = known.MIXTURE.sample(20, torch.Generator().manual_seed(3)), torch.tensor(0.4, dtype=torch.float64)
    exact = ExactTrace()(field, x, t)
    many = Hutchinson(RowRng((1,), 20), probes=1_500)(field, x, t)
    torch.testing.assert_close(many.velocity, exact.velocity)
    jacobian = torch.autograd.functional.jacobian(lambda y: field.velocity(y, t).sum(0), x).permute(1, 0, 2)
    error = (jacobian[:, 0, 1] + jacobian[:, 1, 0]).abs() / 1_500**0.5
    assert ((many.divergence - exact.divergence).abs() < 4 * error).all()
    diagonal = Field(Denoiser(known.Knows(lambda x, t: torch.sin(x) * t[:, None]), Rectified()), known.vectors(20, 2))
    torch.testing.assert_close(
        Hutchinson(RowRng((1,), 20))(diagonal, x, t).divergence, ExactTrace()(diagonal, x, t).divergence
    )


@pytest.mark.parametrize("kind", ["exact", "hutchinson"])
def test_padding_never_changes_a_density(kind: str) -> None:
    rows = known.sets()
    assert rows.mask is not None
    spoilt = replace(rows, x=torch.where(rows.mask[..., None], rows.x, torch.nan))
    densities = []
    for given in (rows, spoilt):
        divergence = ExactTrace() if kind == "exact" else Hutchinson(RowRng((1,), 2))
        densities.append(log_prob(Field(Denoiser(known.Mixes(), Rectified()), given), given.x, divergence))
    assert torch.equal(*densities)


def test_a_set_has_the_same_density_alone_without_padding() -> None:
    rows = known.sets()
    alone = rows.select(torch.tensor([1])).trim()
    made = [log_prob(Field(Denoiser(known.Mixes(), Rectified()), r), r.x, ExactTrace()) for r in (rows, alone)]
    torch.testing.assert_close(made[0][1:], made[1], rtol=0, atol=1e-3)


def test_densities_of_sets_do_not_depend_on_the_order_of_their_elements() -> None:
    rows, order = known.sets(), torch.tensor([4, 2, 0, 1, 3])
    one = rows.select(torch.tensor([0]))
    turned = replace(one, x=one.x[:, order])
    made = [log_prob(Field(Denoiser(known.Mixes(), Rectified()), r), r.x, ExactTrace()) for r in (one, turned)]
    torch.testing.assert_close(*made, rtol=1e-4, atol=1e-4)


def random_field(rows: int, amplitude: float = 0.15) -> Field:
    """A network that bends space, in double precision."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        net = TangentNet(2, width=16).double()
        for parameter in net.parameters():
            parameter.data += amplitude * torch.randn_like(parameter)
    return Field(Denoiser(net, CosineLogSNR(), "v"), known.vectors(rows, 2))


def test_forward_and_backward_mode_give_the_same_trace() -> None:
    field = random_field(30)
    x, t = torch.randn(30, 2, generator=torch.Generator().manual_seed(1)).double(), torch.tensor(0.4).double()
    for forward, backward in zip(ForwardTrace()(field, x, t), ExactTrace()(field, x, t), strict=True):
        torch.testing.assert_close(forward, backward)


def test_samples_know_the_density_of_the_map_that_made_them() -> None:
    """Against the determinant of the whole solver, by automatic differentiation, and against the way back."""
    like = torch.zeros(12, 2).double()
    field = random_field(12, 0.2)
    drawn = sample_with_log_prob(field, RowRng((1,), 12), like, ForwardTrace(), steps=24)
    back = log_prob(field, drawn.x, ForwardTrace(), steps=24)
    torch.testing.assert_close(drawn.log_prob, back, rtol=0, atol=2e-4)
    start = field.noise(RowRng((1,), 12), like)

    def whole_map(noise: torch.Tensor) -> torch.Tensor:
        x, times = noise, torch.linspace(1, 0, 49, dtype=torch.float64)
        for t, s in pairwise(times):
            h, v = s - t, field.velocity
            k1 = v(x, t)
            k2 = v(x + h / 2 * k1, t + h / 2)
            k3 = v(x + h / 2 * k2, t + h / 2)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + v(x + h * k3, s))
        return x

    jacobian = torch.autograd.functional.jacobian(whole_map, start).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
    normal = -(start**2 + torch.log(torch.tensor(2 * torch.pi))).sum(1) / 2
    torch.testing.assert_close(drawn.log_prob, normal - torch.linalg.slogdet(jacobian).logabsdet, rtol=0, atol=2e-4)


def test_both_directions_agree_to_fourth_order() -> None:
    field, like = random_field(40, 0.3), torch.zeros(40, 2).double()
    errors = []
    for steps in (4, 8):
        drawn = sample_with_log_prob(field, RowRng((1,), 40), like, ForwardTrace(), steps=steps, base=Tailed())
        back = log_prob(field, drawn.x, ForwardTrace(), steps=steps, base=Tailed())
        errors.append(float((drawn.log_prob - back).abs().mean()))
    assert errors[1] < errors[0] / 8


def test_the_base_with_tails_is_a_density() -> None:
    base, z = Tailed(share=0.3), torch.linspace(-400, 400, 400001, dtype=torch.float64)[:, None]
    assert float(base.log_prob(z).exp().sum() * (z[1] - z[0])) == pytest.approx(1, abs=1e-4)
    drawn = base.sample(RowRng((1,), 40_000), torch.zeros(40_000, 1).double())
    inside = float(base.log_prob(z).exp()[z[:, 0].abs() < 1].sum() * (z[1] - z[0]))
    assert float((drawn.abs() < 1).double().mean()) == pytest.approx(inside, abs=0.01)
