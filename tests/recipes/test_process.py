"""Every choice of parts in a preset becomes a model that trains and can be sampled by name."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.process.sampler import SAMPLERS
from cloudchamber.recipes.config import Process
from cloudchamber.recipes.process import SCHEDULES, make_denoiser, make_objective, net_outputs, net_times
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

PUBLISHED = {
    "flow matching": Process(),
    "image DDPM": Process(kind="variance", schedule="ddpm-cosine", target="eps", steps=50),
    "point cloud": Process(schedule="cosine", target="v", times="uniform"),
    "CaloScore VP": Process(schedule="vp", target="eps", times="uniform"),
    "CaloScore sub-VP": Process(schedule="sub-vp", target="eps", times="uniform"),
    "CaloScore VE": Process(schedule="ve", target="eps", times="uniform"),
    "EDM": Process(schedule="edm", target="edm", times="log-normal"),
    "likelihood": Process(schedule="vp", target="eps", times="uniform", weight="likelihood"),
    "averages": Process(kind="average"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_becomes_a_model(name: str) -> None:
    torch.manual_seed(1)
    process, batch = PUBLISHED[name], Batch(torch.randn(20, 2), torch.ones(20))
    net = VectorNet(2, width=16, depth=1, outputs=net_outputs(process, 2), times=net_times(process))
    model = Diffusion(make_denoiser(process, net), make_objective(process))
    losses = model.losses(batch, RowRng((1,), 20))["denoising"]
    assert losses.isfinite().all()
    losses.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    for sampler in SAMPLERS:
        if sampler != "mixture" and (sampler != "jump" or process.kind == "average"):
            made = model.eval().sample(replace(batch), RowRng((2,), 20), calls=8, sampler=sampler)
            assert made.isfinite().all(), sampler


def test_every_schedule_that_a_preset_may_name_exists() -> None:
    named = Process.model_fields["schedule"].annotation
    assert set(SCHEDULES) == set(named.__args__)


def test_a_learnt_variance_needs_steps() -> None:
    with pytest.raises(ValidationError, match="needs a schedule ddpm"):
        Process(kind="variance")
