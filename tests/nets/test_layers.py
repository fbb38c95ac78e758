"""Attention against torch's own, and blocks that begin as the identity."""

import torch
from torch import nn
from torch.nn import functional

from cloudchamber.nets.layers import Attention, ModulatedBlock, mask_bias, mlp

MASK = torch.arange(6) < torch.tensor([[6], [3], [1]])


def test_attention_agrees_with_torch() -> None:
    ours = Attention(16, 4).double()
    theirs = nn.MultiheadAttention(16, 4, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
    x = torch.randn(3, 6, 16).double()
    expected = theirs(x, x, x, key_padding_mask=~MASK, need_weights=False)[0]
    torch.testing.assert_close(ours(x, mask_bias(MASK, 4)), expected)


def test_a_mask_hides_padding_only() -> None:
    bias = mask_bias(MASK, 4)
    assert bias.shape == (3 * 4, 1, 6)
    for head in bias.view(3, 4, 6).unbind(1):
        assert torch.equal(head == 0, MASK)
        assert torch.equal(head == float("-inf"), ~MASK)


def test_a_fresh_block_is_the_identity() -> None:
    block, x = ModulatedBlock(16, 4), torch.randn(3, 6, 16)
    assert torch.equal(block(x, torch.randn(3, 16), mask_bias(MASK, 4)), x)


def test_layers_of_a_perceptron_alternate_with_silu() -> None:
    net = mlp(3, 5, 2)
    x = torch.randn(4, 3)
    first, _, second = net
    torch.testing.assert_close(net(x), second(functional.silu(first(x))))
