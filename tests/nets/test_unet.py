"""The U-Net lives on a cylinder: turning the image turns the output, and only so."""

import pytest
import torch
from torch import Tensor, nn

from cloudchamber.nets.unet import CylinderConv, UNet
from cloudchamber.tensors.batch import Batch

SHAPE = (16, 16, 3)


def make(**settings: object) -> UNet:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        net = UNet(SHAPE, 6, widths=(8, 16, 24), blocks=1, heads=4, **settings)  # type: ignore[arg-type]
        for parameter in net.parameters():  # what starts at zero would hide what it does
            nn.init.normal_(parameter, std=0.2)
    return net.double()


def rows(n: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return (torch.randn(n, *SHAPE, generator=generator).double(), torch.rand(n, generator=generator).double())


def run(net: UNet, x: Tensor, t: Tensor) -> Tensor:
    with torch.no_grad():
        return net(x, t, Batch(x, t))


@pytest.mark.parametrize("patch", [1, 2])
def test_turning_the_image_turns_the_output(patch: int) -> None:
    net, (x, t) = make(patch=patch), rows()
    out = run(net, x, t)
    assert out.shape == (2, 16, 16, 6)
    assert net.stride == 4 * patch
    for shift in (net.stride, 3 * net.stride):
        torch.testing.assert_close(run(net, x.roll(shift, dims=2), t), out.roll(shift, dims=2))


def test_rows_have_ends() -> None:
    """Padding is periodic in azimuth only: a shift in pseudorapidity does not shift the output."""
    net, (x, t) = make(), rows()
    moved = run(net, x.roll(4, dims=1), t)
    assert (moved - run(net, x, t).roll(4, dims=1)).abs().max() > 1e-2


def test_shifts_that_joined_columns_forget_are_no_symmetry() -> None:
    net, (x, t) = make(), rows()
    assert (run(net, x.roll(1, dims=2), t) - run(net, x, t).roll(1, dims=2)).abs().max() > 1e-3


def test_places_tell_the_network_where_it_is() -> None:
    net, (x, t) = make(places=True), rows()
    assert (run(net, x.roll(4, dims=2), t) - run(net, x, t).roll(4, dims=2)).abs().max() > 1e-2


def test_a_pixel_at_the_seam_reaches_the_other_side() -> None:
    """One convolution: the last column is next to the first, the last row is not next to the first row."""
    conv = CylinderConv(1, 1)
    nn.init.ones_(conv.weight)
    nn.init.zeros_(conv.bias)
    x = torch.zeros(1, 1, 6, 6)
    x[0, 0, 5, 5] = 1.0
    with torch.no_grad():
        filled = conv(x)[0, 0].nonzero().tolist()
    assert sorted(filled) == [[4, 0], [4, 4], [4, 5], [5, 0], [5, 4], [5, 5]]


def test_everything_sees_everything_and_rows_of_a_batch_do_not_mix() -> None:
    net, (x, t) = make(), rows()
    x.requires_grad_()
    net(x, t, Batch(x, t))[0, 8, 8].sum().backward()
    assert x.grad is not None
    assert (x.grad[0].abs().sum(-1) > 0).all()
    assert x.grad[1].abs().max() == 0


def test_the_time_matters_and_an_untrained_network_says_nothing() -> None:
    net, (x, t) = make(), rows()
    assert (run(net, x, t) - run(net, x, t / 2)).abs().max() > 1e-3
    fresh = UNet(SHAPE, 3, widths=(8, 16, 24), blocks=1)
    assert fresh(x.float(), t.float(), Batch(x, t)).abs().max() == 0


def test_sizes_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be divided by 4"):
        UNet((18, 16, 3), 3, widths=(8, 8, 8))
