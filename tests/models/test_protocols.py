"""Every model obeys the protocols, leaves padding alone, and does not care about the order of a set's elements."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cloudchamber.models.autoregressive import MultisetModel
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.models.mapped import Mapped
from cloudchamber.models.raster import Rasterised
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.nets.unet import UNet
from cloudchamber.process.average import AverageVelocity, MeanFlow, Shortcut
from cloudchamber.process.denoise import Denoiser, EDMTarget, Scaled, VarianceDenoiser
from cloudchamber.process.guidance import SometimesForgetful
from cloudchamber.process.objective import Objective, Regression
from cloudchamber.process.schedule import EDM, CosineLogSNR, Discrete, Rectified
from cloudchamber.process.variational import Hybrid, LossSecondMoment
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.bijections import Affine
from cloudchamber.tensors.rng import RowRng

Rows = Batch | Bundle
B, N, F = 4, 5, 3
MASK = torch.arange(N) < torch.tensor([[5], [2], [3], [1]])
TOKENS = torch.tensor([[0, 1, 1, 2, 3], [3, 3, 0, 0, 0], [0, 0, 2, 0, 0], [1, 0, 0, 0, 0]])


def vectors() -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.randn(B, 2, generator=generator), torch.ones(B), context=torch.randn(B, 2, generator=generator))


def sets() -> Batch:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(B, N, F, generator=generator) * MASK[..., None]
    return Batch(x, torch.ones(B), vectors().context, MASK, TOKENS)


def multisets() -> Batch:
    kinds = torch.tensor([[0, 0, 1], [0, 2, 3], [2, 0, 0], [0, 0, 0]])
    mask = torch.tensor([[True, True, True], [True, True, True], [True, False, False], [True, False, False]])
    return Batch(kinds[..., None], torch.ones(B), context=vectors().context, mask=mask)


def filled_pixels() -> Batch:
    """Lists of different pixels of images of 2 x 4."""
    tokens = torch.tensor([[0, 3, 7, 2, 5], [2, 6, 0, 0, 0], [1, 5, 6, 0, 0], [4, 0, 0, 0, 0]])
    x = torch.rand(B, N, 1, generator=torch.Generator().manual_seed(3))
    return Batch(x, torch.ones(B), mask=MASK, tokens=tokens)


def vector_net(outputs: int = 2, times: int = 1) -> VectorNet:
    return VectorNet(2, context=2, width=16, depth=1, outputs=outputs, times=times)


def set_net(outputs: int = F, times: int = 1) -> SetTransformer:
    net = SetTransformer(F, tokens=4, context=2, width=16, depth=2, outputs=outputs, times=times)
    nn.init.normal_(net.outputs.weight, std=0.1)
    for block in net.blocks:
        nn.init.normal_(block.modulation.weight, std=0.1)
    return net


def species() -> MultisetModel:
    return MultisetModel(torch.tensor([[1], [-1], [1], [-1]]), torch.tensor([1]), 2, width=16, depth=1, longest=8)


def edm() -> Diffusion:
    return Diffusion(Denoiser(Scaled(vector_net(), EDM()), EDM(), EDMTarget()), Regression())


def learnt_variance() -> Diffusion:
    net = vector_net(outputs=4)
    return Diffusion(VarianceDenoiser(net, Discrete.cosine(50), "eps"), Hybrid(LossSecondMoment(50)))


def images() -> Rasterised:
    net = UNet((2, 4, 1), 2, widths=(8,), blocks=1, heads=1)
    model = Diffusion(VarianceDenoiser(net, Discrete.cosine(50), "eps"), Hybrid(LossSecondMoment(50), resolution=0.02))
    return Rasterised(model, (2, 4, 1))


def cascade() -> Cascade:
    return Cascade({"vector": Diffusion(Denoiser(vector_net(), Rectified())), "species": species()})


def flow(net: nn.Module, objective: Objective | None = None) -> Diffusion:
    return Diffusion(Denoiser(net, Rectified()), objective)


@dataclass(frozen=True)
class Case:
    """A model and rows for it."""

    make: Callable[[], nn.Module]
    rows: Callable[[], Rows]


CASES = {
    "flow matching": Case(lambda: flow(vector_net()), vectors),
    "flow matching of sets": Case(lambda: flow(set_net()), sets),
    "v of sets": Case(lambda: Diffusion(Denoiser(set_net(), CosineLogSNR(), "v")), sets),
    "EDM": Case(edm, vectors),
    "learnt variance": Case(learnt_variance, vectors),
    "forgetful": Case(lambda: flow(vector_net(), SometimesForgetful(Regression())), vectors),
    "mean flow": Case(lambda: Diffusion(AverageVelocity(vector_net(times=2), Rectified()), MeanFlow()), vectors),
    "mean flow of sets": Case(lambda: Diffusion(AverageVelocity(set_net(times=2), Rectified()), MeanFlow()), sets),
    "shortcut of sets": Case(lambda: Diffusion(AverageVelocity(set_net(times=2), Rectified()), Shortcut()), sets),
    "multisets": Case(species, multisets),
    "images": Case(images, filled_pixels),
    "mapped": Case(lambda: Mapped(flow(vector_net()), Affine(torch.ones(2), 2 * torch.eye(2))), vectors),
    "cascade": Case(cascade, lambda: Bundle({"vector": vectors(), "species": multisets()})),
}


def spoilt(rows: Rows, content: float) -> Rows:
    """The same rows with other content in the padding."""
    if isinstance(rows, Bundle):
        return Bundle({name: spoilt(part, content) for name, part in rows.parts.items()})
    if rows.mask is None:
        return rows
    return replace(rows, x=rows.x.masked_fill(~rows.mask[..., None], content))


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Case:
    chosen: Case = request.param
    return chosen


def test_it_is_trainable(case: Case) -> None:
    model, rows = case.make(), case.rows()
    losses = model.losses(rows, RowRng((1,), B))
    for loss in losses.values():
        assert loss.shape == (B,)
        assert loss.isfinite().all()
    sum(loss.sum() for loss in losses.values()).backward()
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    assert any(g.any() for g in gradients)


@torch.no_grad()
def test_it_is_samplable(case: Case) -> None:
    model, rows = case.make().eval(), case.rows()
    one, same, other = (_flat(model.sample(rows, RowRng((seed,), B))) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert one.shape != other.shape or not torch.equal(one, other)


def test_it_is_scorable(case: Case) -> None:
    density = case.make().eval().log_prob(case.rows())
    assert density.shape == (B,)
    assert density.isfinite().all()


def test_padding_never_matters(case: Case) -> None:
    model, clean = case.make().eval(), case.rows()
    dirty = spoilt(clean, 3.0)
    for ask in (
        lambda rows: torch.stack(list(model.losses(rows, RowRng((1,), B)).values())),
        lambda rows: _flat(model.sample(rows, RowRng((1,), B))),
        model.log_prob,
    ):
        assert torch.equal(ask(clean), ask(dirty))


class Turned(RowRng):
    """A random stream whose sets are permuted."""

    def normal(self, *shape: int) -> Tensor:
        drawn = super().normal(*shape)
        return drawn[:, ORDER] if shape == (N, F) else drawn


ORDER = torch.tensor([3, 0, 4, 1, 2])


@pytest.mark.parametrize("name", [name for name in CASES if name.endswith("of sets")])
def test_elements_have_no_order(name: str) -> None:
    model, rows = CASES[name].make().eval(), sets()
    turned = replace(rows, x=rows.x[:, ORDER], mask=MASK[:, ORDER], tokens=TOKENS[:, ORDER])
    with torch.no_grad():
        made, moved = model.sample(rows, RowRng((1,), B)), model.sample(turned, Turned((1,), B))
    torch.testing.assert_close(moved, made[:, ORDER])
    losses = [model.losses(r, rng((1,), B))["denoising"] for r, rng in ((rows, RowRng), (turned, Turned))]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(model.log_prob(rows), model.log_prob(turned), rtol=1e-3, atol=1e-3)


def _flat(drawn: Any) -> Tensor:  # noqa: ANN401
    """Everything that was drawn, as one vector."""
    parts = drawn.values() if isinstance(drawn, dict) else drawn if isinstance(drawn, tuple) else (drawn,)
    flat = [_flat(part) if isinstance(part, tuple) else part.flatten().double() for part in parts]
    return torch.cat(flat)
