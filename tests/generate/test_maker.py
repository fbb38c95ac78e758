"""Makers of blocks draw stages as their solver says."""

import pytest
import torch
from torch import Tensor, nn

from cloudchamber.events import RunInfo
from cloudchamber.generate.maker import BlockMaker
from cloudchamber.generate.pipeline import Solver
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import CosineLogSNR
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng


class Shrinks(nn.Module):
    """A network whose velocity is in proportion to x."""

    def forward(self, x: Tensor, t: Tensor, batch: Batch) -> Tensor:
        return -x * t[:, None]


def maker(solver: Solver) -> BlockMaker[None]:
    stages = {name: Diffusion(Denoiser(Shrinks(), CosineLogSNR(), "v")) for name in ("first", "second")}
    return BlockMaker(None, Cascade(stages), RunInfo(process="it"), solver=solver)


def test_each_stage_has_the_calls_and_the_sampler_of_the_solver() -> None:
    made = maker(Solver(calls=4, sampler="ddim", stage_calls={"second": 6}, stage_samplers={"second": "heun"}))
    given = Batch(torch.zeros(8, 2), torch.ones(8))
    for name, calls, sampler in (("first", 4, "ddim"), ("second", 6, "heun")):
        stage = made.model[name]
        assert isinstance(stage, Diffusion)
        expected = stage.sample(given, EventRng(1, range(8)), calls, sampler)
        assert torch.equal(made._diffused(name, given, EventRng(1, range(8))), expected)
    first, second = (made._diffused(name, given, EventRng(1, range(8))) for name in ("first", "second"))
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_products_are_rounded_where_the_solver_says_so(precision: str, dtype: torch.dtype) -> None:
    layer = nn.Linear(4, 4)
    with maker(Solver(precision=precision))._rounded():  # type: ignore[arg-type]
        assert layer(torch.ones(2, 4)).dtype == dtype
    assert layer(torch.ones(2, 4)).dtype == torch.float32
