"""A cascade's losses are its stages' losses, and a stage learns from its own part only."""

import torch

from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.rng import RowRng


def a_cascade() -> tuple[Cascade, Bundle]:
    stages = {"one": Diffusion(VectorNet(2, width=8)), "two": Diffusion(VectorNet(3, width=8))}
    parts = {"one": Batch(torch.randn(4, 2), torch.ones(4)), "two": Batch(torch.randn(4, 3), torch.ones(4))}
    return Cascade(stages), Bundle(parts)


def test_losses_are_those_of_the_stages() -> None:
    cascade, rows = a_cascade()
    rng = RowRng((1,), 4)
    expected = {f"{name}.velocity": cascade[name].losses(rows[name], rng)["velocity"] for name in ("one", "two")}
    losses = cascade.losses(rows, RowRng((1,), 4))
    assert losses.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(losses[name], values)


def test_a_stage_learns_from_its_own_loss_only() -> None:
    cascade, rows = a_cascade()
    cascade.losses(rows, RowRng((1,), 4))["one.velocity"].sum().backward()
    assert all(p.grad is not None for p in cascade["one"].parameters())
    assert all(p.grad is None for p in cascade["two"].parameters())


def test_parts_are_the_stages_in_their_order() -> None:
    cascade, _ = a_cascade()
    assert list(cascade.parts()) == ["one", "two"]
    assert {name: cascade[name] for name in ("one", "two")} == cascade.parts()
