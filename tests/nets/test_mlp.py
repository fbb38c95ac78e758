from collections.abc import Callable

import torch
from torch import nn

from cloudchamber.nets.mlp import TangentNet, VectorNet
from cloudchamber.tensors.batch import Batch

Wake = Callable[[nn.Module], nn.Module]


def test_rows_do_not_see_each_other(awake: Wake) -> None:
    net = awake(VectorNet(2, context=3, width=16, depth=2))
    x, t, context = torch.randn(5, 2).double(), torch.rand(5).double(), torch.randn(5, 3).double()
    out = net(x, t, Batch(x, torch.ones(5), context=context))
    assert out.shape == (5, 2)
    order = torch.tensor([3, 1, 4, 0, 2])
    again = net(x[order], t[order], Batch(x[order], torch.ones(5), context=context[order]))
    torch.testing.assert_close(again, out[order])


def test_values_time_and_context_all_matter(awake: Wake) -> None:
    net = awake(VectorNet(2, context=3, width=16, depth=2))
    x = torch.randn(1, 2).double().requires_grad_()
    t = torch.rand(1).double().requires_grad_()
    context = torch.randn(1, 3).double().requires_grad_()
    net(x, t, Batch(x, torch.ones(1), context=context)).sum().backward()
    for given in (x, t, context):
        assert given.grad is not None
        assert (given.grad != 0).all()


def test_context_is_optional() -> None:
    x = torch.randn(4, 2)
    assert VectorNet(2)(x, torch.rand(4), Batch(x, torch.ones(4))).shape == (4, 2)


def test_a_second_time_has_no_effect_at_first(awake: Wake) -> None:
    plain = awake(VectorNet(2, context=3, width=16, depth=2))
    grown = VectorNet(2, context=3, width=16, depth=2, times=2).double()
    grown.adopt(plain.state_dict())
    x, t, given = torch.randn(5, 2).double(), torch.rand(5).double(), torch.randn(5, 3).double()
    rows = Batch(x, torch.ones(5), context=given)
    for second in (torch.zeros(5).double(), torch.rand(5).double()):
        torch.testing.assert_close(grown(x, torch.stack([t, second], -1), rows), plain(x, t, rows))
    same = VectorNet(2, context=3, width=16, depth=2).double()
    same.adopt(plain.state_dict())
    assert torch.equal(same(x, t, rows), plain(x, t, rows))
    assert VectorNet(2, outputs=4)(x.float(), t.float(), Batch(x.float(), torch.ones(5))).shape == (5, 4)


def test_tangents_are_derivatives(awake: Wake) -> None:
    net = awake(TangentNet(3, context=2, width=16, depth=2))
    x, t = torch.randn(5, 3).double(), torch.rand(5).double()
    given = Batch(x, torch.ones(5), context=torch.randn(5, 2).double())
    direction = torch.randn(1, 5, 3).double()
    value, moved = net.with_tangents(x, direction, t, given)
    expected, tangent = torch.autograd.functional.jvp(lambda x: net(x, t, given), x, direction[0])
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(moved[0], tangent)


def test_nothing_is_said_before_training() -> None:
    net = TangentNet(3)
    assert net(torch.randn(4, 3), torch.rand(4), Batch(torch.zeros(4, 3), torch.ones(4))).abs().max() == 0
