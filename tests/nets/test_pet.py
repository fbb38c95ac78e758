"""The published numbers of parameters, sets as sets, and padding that is seen, or is not."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from cloudchamber.nets.pet import EventNet, PointEdgeTransformer, ScaledTime, SetNorm
from cloudchamber.tensors.batch import Batch

Wake = Callable[[nn.Module], nn.Module]
N, F = 9, 6
MASK = torch.arange(N) < torch.tensor([9, 5, 1])[:, None]
T = torch.tensor([0.1, 0.5, 0.9]).double()


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def a_batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, N, F, generator=generator).double() * MASK[..., None]
    return Batch(x, torch.ones(3), context=torch.randn(3, 3, generator=generator).double(), mask=MASK)


def small(padding: int | None) -> PointEdgeTransformer:
    return PointEdgeTransformer(F, 3, width=16, body_blocks=2, head_blocks=1, heads=4, neighbours=3, padding=padding)


@pytest.fixture(params=[None, 12], ids=["hidden", "seen"])
def net(request: pytest.FixtureRequest, awake: Wake) -> nn.Module:
    return awake(small(request.param))


def test_the_parameters_are_as_many_as_published() -> None:
    """1.3 million and 416 thousand (arXiv:2410.22421); the event network's follow from the public code."""
    net = PointEdgeTransformer(13, 3, padding=49)
    assert (parameters(net.body), parameters(net.head)) == (1_318_784, 415_885)
    assert parameters(EventNet(3)) == 414_723


def test_permuting_elements_permutes_the_output(net: nn.Module) -> None:
    batch = a_batch()
    order = torch.arange(N)
    order[:5] = torch.tensor([3, 0, 4, 1, 2])
    rows = torch.tensor([0, 1])
    batch = batch.select(rows)
    permuted = replace(batch, x=batch.x[:, order])
    torch.testing.assert_close(net(permuted.x, T[rows], permuted), net(batch.x, T[rows], batch)[:, order])


def test_the_output_is_zero_on_padding_whatever_lies_there(net: nn.Module) -> None:
    batch = a_batch()
    spoilt = batch.x.masked_fill(~MASK[..., None], float("nan"))
    out = net(batch.x, T, batch)
    assert torch.equal(net(spoilt, T, batch), out)
    assert not out[~MASK].any()
    assert out[MASK].all()


def outputs_at_two_lengths(net: nn.Module) -> tuple[Tensor, Tensor]:
    batch = a_batch().select(torch.tensor([1]))
    short = batch.trim()
    return net(batch.x, T[:1], batch)[:, :5], net(short.x, T[:1], short)


def test_hidden_padding_is_never_seen(awake: Wake) -> None:
    long, short = outputs_at_two_lengths(awake(small(None)))
    torch.testing.assert_close(long, short)


def test_seen_padding_matters_by_its_set_length_only(awake: Wake) -> None:
    """As published: the function depends on the length to which sets are padded, not on the batch they are in."""
    nets = [awake(small(padding)) for padding in (9, 12)]
    for net in nets:
        torch.testing.assert_close(*outputs_at_two_lengths(net))
    nine, twelve = (outputs_at_two_lengths(net)[0] for net in nets)
    assert (nine - twelve).abs().max() > 1e-3


def test_a_set_without_elements_gives_no_nan(awake: Wake) -> None:
    batch = a_batch()
    empty = replace(batch, mask=torch.zeros_like(MASK))
    leaf = batch.x.clone().requires_grad_()
    out = awake(small(None))(leaf, T, empty)
    out.sum().backward()
    assert not out.any()
    assert leaf.grad is not None
    assert not leaf.grad.any()


def test_every_input_matters(net: nn.Module) -> None:
    batch = a_batch()
    out = net(batch.x, T, batch)
    assert batch.context is not None
    for other in (
        net(batch.x, T + 0.05, batch),
        net(batch.x, T, replace(batch, context=batch.context + 0.1)),
        net(batch.x + 0.1 * MASK[..., None], T, batch),
    ):
        assert ((other - out)[MASK].abs().amax(-1) > 1e-6).all()


def test_a_norm_is_over_elements_and_features_together(awake: Wake) -> None:
    x = torch.randn(3, N, F, generator=torch.Generator().manual_seed(2)).double()
    norm = SetNorm(F).double()
    for row, length in enumerate(MASK.sum(1).tolist()):
        values = x[row, :length]
        expected = (values - values.mean()) / (values.var(correction=0) + 1e-3).sqrt()
        torch.testing.assert_close(norm(x, MASK)[row, :length], expected)
    torch.testing.assert_close(norm(x), norm(x, torch.ones_like(MASK)))


def test_time_zero_is_embedded_as_zero() -> None:
    embedding = ScaledTime(8)
    assert not embedding(torch.zeros(2)).any()
    f = 10_000 ** (-torch.arange(32) / 31)
    expected = 0.3 * torch.cat([(300 * f).sin(), (300 * f).cos()])
    torch.testing.assert_close(embedding(torch.tensor([0.3])), embedding.layers(expected[None]), rtol=1e-4, atol=1e-5)


def test_a_fresh_event_network_predicts_zero(awake: Wake) -> None:
    x = torch.randn(3, 3)
    given = Batch(x, torch.ones(3))
    assert not EventNet(3, width=8)(x, T.float(), given).any()
    net = awake(EventNet(3, width=8))
    assert (net(x.double(), T, given) - net(x.double(), T + 0.1, given)).abs().min() > 0


def test_weights_start_as_in_keras() -> None:
    net = PointEdgeTransformer(13, 3, padding=49)
    attention = net.body.blocks[0].attention
    assert isinstance(attention, nn.Module)
    limits = {attention.qkv: (6 / (512 + 4096)) ** 0.5, attention.out: (6 / (128 + 512)) ** 0.5}
    limits[net.head.outputs] = (6 / (128 + 13)) ** 0.5
    for layer, limit in limits.items():
        assert not layer.bias.any()
        assert 0.98 * limit < float(layer.weight.detach().abs().max()) <= limit
