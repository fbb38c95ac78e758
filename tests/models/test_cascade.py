"""A cascade's losses are its stages' losses, and a stage learns from its own part only."""

from dataclasses import replace

import torch

from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import Rectified
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.rng import RowRng


def a_cascade() -> tuple[Cascade, Bundle]:
    nets = {"one": VectorNet(2, width=8), "two": VectorNet(3, width=8)}
    stages = {name: Diffusion(Denoiser(net, Rectified())) for name, net in nets.items()}
    parts = {"one": Batch(torch.randn(4, 2), torch.ones(4)), "two": Batch(torch.randn(4, 3), torch.ones(4))}
    return Cascade(stages), Bundle(parts)


def test_losses_are_those_of_the_stages() -> None:
    cascade, rows = a_cascade()
    rng = RowRng((1,), 4)
    expected = {f"{name}.denoising": cascade[name].losses(rows[name], rng)["denoising"] for name in ("one", "two")}
    losses = cascade.losses(rows, RowRng((1,), 4))
    assert losses.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(losses[name], values)


def test_a_stage_learns_from_its_own_loss_only() -> None:
    cascade, rows = a_cascade()
    cascade.losses(rows, RowRng((1,), 4))["one.denoising"].sum().backward()
    assert all(p.grad is not None for p in cascade["one"].parameters())
    assert all(p.grad is None for p in cascade["two"].parameters())


def test_parts_are_the_stages_in_their_order() -> None:
    cascade, _ = a_cascade()
    assert list(cascade.parts()) == ["one", "two"]
    assert {name: cascade[name] for name in ("one", "two")} == cascade.parts()


def test_the_density_of_a_chain_is_the_product_of_its_stages() -> None:
    cascade, rows = a_cascade()
    expected = sum(cascade[name].log_prob(rows[name]) for name in ("one", "two"))
    torch.testing.assert_close(cascade.log_prob(rows), expected)


def test_a_link_hands_on_what_earlier_stages_drew() -> None:
    torch.manual_seed(1)
    one, two = VectorNet(2, width=8), VectorNet(1, context=2, width=8)
    stages = {"one": Diffusion(Denoiser(one, Rectified())), "two": Diffusion(Denoiser(two, Rectified()))}
    links = {"two": lambda given, drawn: replace(given["two"], context=drawn["one"])}
    given = Bundle({name: Batch(torch.zeros(6, size), torch.ones(6)) for name, size in (("one", 2), ("two", 1))})
    rng = RowRng((3,), 6)
    first = stages["one"].sample(given["one"], rng)
    second = stages["two"].sample(replace(given["two"], context=first), rng)
    drawn = Cascade(stages, links).sample(given, RowRng((3,), 6))
    assert torch.equal(drawn["one"], first)
    assert torch.equal(drawn["two"], second)


def test_only_the_named_stages_are_trained() -> None:
    cascade, rows = a_cascade()
    cascade.train_only("two")
    assert set(cascade.losses(rows, RowRng((1,), 4))) == {"two.denoising"}
    assert {p.requires_grad for p in cascade["one"].parameters()} == {False}
    assert {p.requires_grad for p in cascade["two"].parameters()} == {True}
