"""Densities of the probability flow against those of mixtures."""

from dataclasses import replace

import known
import pytest
import torch

from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.exact import ExactDenoiser
from cloudchamber.process.likelihood import ExactTrace, Hutchinson, log_prob
from cloudchamber.process.schedule import Rectified
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
    torch.testing.assert_close(many.divergence, exact.divergence, rtol=0, atol=0.12)
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
