"""The bias of pairs: nothing at first, then of every pair by its own features, and hidden on padding."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cloudchamber.nets.layers import mask_bias
from cloudchamber.nets.pairs import PairBias
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.tensors.batch import Batch

HEADS, DEPTH, WIDTH = 2, 3, 8
MASK = torch.tensor([[True, True, True], [True, True, False]])


class Products(nn.Module):
    size = 1

    def forward(self, x: Tensor, given: Batch) -> Tensor:
        return (x[:, :, None] * x[:, None]).sum(-1, keepdim=True)


def given() -> Batch:
    return Batch(
        torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1)), torch.ones(2), context=torch.zeros(2, 4),
        mask=MASK, tokens=torch.zeros(2, 3, dtype=torch.long), token_context=torch.zeros(2, 3, 1),
    )  # fmt: skip


def test_a_fresh_bias_only_hides_padding() -> None:
    batch, hiding = given(), mask_bias(MASK, HEADS)
    biases = PairBias(Products(), WIDTH, HEADS, DEPTH)(batch.x, batch, torch.randn(2, 3, WIDTH), hiding)
    assert len(biases) == DEPTH
    for bias in biases:
        assert torch.equal(bias, hiding.expand(-1, 3, -1))


def test_the_bias_of_a_pair_is_the_formula(awake: Callable[[nn.Module], nn.Module]) -> None:
    batch = given()
    x, inputs = batch.x.double(), torch.randn(2, 3, WIDTH).double()
    net = awake(PairBias(Products(), WIDTH, HEADS, DEPTH))
    biases = net(x, batch, inputs, mask_bias(MASK, HEADS).double())
    event, i, j, head, block = 1, 0, 1, 1, 2
    features = net.features(net.embed((x[event, i] * x[event, j]).sum()[None]))
    a, c = net.elements.weight[:16] @ inputs[event, i], net.elements.weight[16:] @ inputs[event, j]
    expected = net.outputs(nn.functional.silu(features + a + c))[block * HEADS + head]
    torch.testing.assert_close(biases[block][event * HEADS + head, i, j], expected)


def test_weights_without_pairs_mean_the_same_with_them() -> None:
    batch = given()
    torch.manual_seed(3)
    plain = SetTransformer(3, tokens=5, context=4, token_context=1, width=WIDTH, depth=DEPTH, heads=HEADS)
    torch.manual_seed(3)
    told = SetTransformer(
        3, tokens=5, context=4, token_context=1, width=WIDTH, depth=DEPTH, heads=HEADS, pairs=Products()
    )
    for name, value in plain.state_dict().items():
        assert torch.equal(told.state_dict()[name], value)
    nn.init.normal_(plain.outputs.weight)
    told.load_state_dict(plain.state_dict(), strict=False)
    t = torch.tensor([0.2, 0.7])
    torch.testing.assert_close(told(batch.x, t, batch), plain(batch.x, t, batch))
