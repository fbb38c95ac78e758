"""The transformer over numbers: causal, and the same step by step."""

import math

import torch

from cloudchamber.nets.numbers import NumberTransformer


def network() -> NumberTransformer:
    torch.manual_seed(1)
    net = NumberTransformer((False, True, False, True), told=2, context=3, outputs=5, width=16, depth=2, heads=2)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return net


def test_a_vector_depends_on_earlier_numbers_only() -> None:
    net, x, told, context = network(), torch.randn(6, 4), torch.randn(6, 4, 2), torch.randn(6, 3)
    before = torch.stack(net(x, told, context), dim=1)
    for column in range(4):
        changed = x.clone()
        changed[:, column] += 1.0
        same = (torch.stack(net(changed, told, context), dim=1) == before).all(-1).all(0).tolist()
        assert same == [k <= column for k in range(4)]


def test_step_by_step_it_gives_the_same() -> None:
    net, x, told, context = network(), torch.randn(6, 4), torch.randn(6, 4, 2), torch.randn(6, 3)
    expected, cache = net(x, told, context), net.begin(context)
    for column in range(4):
        out, cache = net.step(x[:, column - 1] if column else None, told[:, column], cache)
        torch.testing.assert_close(out, expected[column], atol=1e-5, rtol=1e-4)


def test_angles_are_periodic() -> None:
    net, told, context = network(), torch.zeros(1, 4, 2), torch.zeros(1, 3)
    x = torch.tensor([[0.3, 1.0, 0.2, 0.4]])
    turned = x + torch.tensor([[0.0, 2 * math.pi, 0.0, 0.0]])
    torch.testing.assert_close(net(turned, told, context), net(x, told, context), atol=1e-4, rtol=1e-4)
