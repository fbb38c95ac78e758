"""Flows: inverse, Jacobian, and ridges and funnels that one layer straightens."""

import pytest
import torch

from cloudchamber.models.autoregressive_flow import AutoregressiveFlow, Warped
from cloudchamber.models.diffusion import Diffusion, SolvedDiffusion
from cloudchamber.nets.mlp import TangentNet
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import CosineLogSNR
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model.double()


@pytest.fixture(params=["affine", "splines"])
def flow(request: pytest.FixtureRequest) -> AutoregressiveFlow:
    made = AutoregressiveFlow(3, 2, affine=2, splines=2 * (request.param == "splines"), width=16)
    shaken(made)
    return made


def batch(n: int, x: torch.Tensor | None = None) -> Batch:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(n, 3, generator=generator).double() if x is None else x
    return Batch(drawn, torch.ones(n), torch.randn(n, 2, generator=generator).double())


def test_inverse_and_jacobian(flow: AutoregressiveFlow) -> None:
    rows = batch(6)
    z, log_det = flow.straighten(rows)
    back = flow.bend(z, rows)
    torch.testing.assert_close(back.z, rows.x, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(back.log_det, -log_det, rtol=1e-6, atol=1e-6)
    for k in range(3):
        one = rows.select(torch.tensor([k]))
        jacobian = torch.autograd.functional.jacobian(
            lambda x, one=one: flow.straighten(Batch(x[None], one.weight, one.context)).z[0], one.x[0]
        )
        torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, log_det[k].detach())


def test_it_is_the_identity_before_training() -> None:
    rows = batch(5)
    made = AutoregressiveFlow(3, 2).double()
    torch.testing.assert_close(made.straighten(rows).z, rows.x)


def test_draws_know_their_density(flow: AutoregressiveFlow) -> None:
    given = batch(40)
    drawn = flow.sample_with_log_prob(given, RowRng((1,), 40))
    torch.testing.assert_close(drawn.log_prob, flow.log_prob(Batch(drawn.x, given.weight, given.context)), rtol=0,
                               atol=1e-5)  # fmt: skip


def test_a_warp_is_a_change_of_variables() -> None:
    """With an untrained diffusion model, whose density is unit normal, the warped model is the flow."""
    flow = AutoregressiveFlow(3, 2, affine=1, splines=0, width=16)
    shaken(flow)
    warped = Warped(flow, SolvedDiffusion(Diffusion(Denoiser(TangentNet(3, 2).double(), CosineLogSNR(), "v"))))
    given = batch(30)
    drawn = warped.sample_with_log_prob(given, RowRng((1,), 30))
    rows = Batch(drawn.x, given.weight, given.context)
    torch.testing.assert_close(drawn.log_prob, warped.log_prob(rows), rtol=0, atol=1e-4)
    torch.testing.assert_close(drawn.log_prob, flow.log_prob(rows), rtol=0, atol=2e-3)
