"""Least squares against densities whose maps to unit normal numbers are known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cloudchamber.models.autoregressive_flow import AutoregressiveFlow
from cloudchamber.models.ridges import Ridge, fit_ridge
from cloudchamber.simulate.posteriors import Funnel, Rosenbrock
from cloudchamber.tensors.batch import Batch

BOUND = 27.6


def drawn(target: Rosenbrock | Funnel, seed: int) -> Tensor:
    return torch.from_numpy(target.sample(3000, np.random.default_rng(seed)))


def mapped(ridge: Ridge, x: Tensor, feature: int) -> Tensor:
    """The map of a feature."""
    ones, before = torch.ones(len(x), 1, dtype=torch.float64), x[:, :feature]
    p = torch.cat([ones, before], 1) @ ridge.log_scale
    scale = (p / (1 + p.abs() / BOUND)).exp()
    return x[:, feature] * scale + torch.cat([ones, before, before**2], 1) @ ridge.shift


@pytest.mark.parametrize("target", [Rosenbrock(), Funnel()])
def test_what_is_mapped_is_unit_normal_also_far_out(target: Rosenbrock | Funnel) -> None:
    seen, fresh = drawn(target, 1), drawn(target, 2)
    scale = seen.std(0)
    z = mapped(fit_ridge(seen / scale, 1, BOUND), fresh / scale, 1)
    far = ((fresh - fresh.mean(0)) / fresh.std(0))[:, 0].abs() > 2
    for part in (z, z[far]):
        assert abs(float(part.mean())) < 0.6
        assert float(part.std()) == pytest.approx(1, abs=0.45)
    assert float(z.std()) == pytest.approx(1, abs=0.1)


def test_the_coefficients_of_a_parabola() -> None:
    x = drawn(Rosenbrock(), 1)
    ridge = fit_ridge(x, 1)
    scale = float(ridge.log_scale[0].exp())
    assert scale == pytest.approx(np.sqrt(10), rel=0.05)
    torch.testing.assert_close(ridge.shift / scale, torch.tensor([0.0, 0.0, -1.0]).double(), rtol=0, atol=0.03)


def test_independent_features_get_no_slopes() -> None:
    x = torch.randn(2000, 6, generator=torch.Generator().manual_seed(1))
    for feature in range(6):
        ridge = fit_ridge(x, feature)
        assert ridge.log_scale[1:].count_nonzero() == 0
        assert ridge.shift[1:].count_nonzero() == 0
        assert ridge.shift.shape == (1 + 2 * feature,)


def test_a_flow_starts_from_the_ridges_of_each_cluster() -> None:
    ridge, funnel = (drawn(t, 1) for t in (Rosenbrock(), Funnel()))
    x = torch.cat([ridge / ridge.std(0), funnel / funnel.std(0)]).float()
    context = torch.eye(2).repeat_interleave(3000, dim=0)
    flow = AutoregressiveFlow(2, 2, affine=1, splines=0)
    rows = Batch(x, torch.ones(len(x)), context)
    flow.requires_grad_(False).start_from(rows)
    z, log_det = flow.straighten(rows)
    for part in (z[:3000], z[3000:]):
        assert float(part.std(0).sub(1).abs().max()) < 0.05
    back = flow.bend(z, rows)
    torch.testing.assert_close(back.z, x, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(back.log_det, -log_det, rtol=1e-3, atol=1e-3)
