"""Networks of showers: what they see, what they never see, and where their voxels are."""

import math

import pytest
import torch
from torch import Tensor, nn

from cloudchamber.nets.calorimeter import TimeFeatures
from cloudchamber.nets.layer_net import LayerNet
from cloudchamber.nets.patches import PatchTransformer
from cloudchamber.nets.point_cloud import ClusterNet, PointCloudNet
from cloudchamber.nets.score_unet import ScoreUNet
from cloudchamber.nets.unet3d import UNet3d, cropped, padded
from cloudchamber.tensors.batch import Batch

SHAPE = (5, 6, 7)
VOXELS = 5 * 6 * 7
CONTEXT = 4


def shaken(net: nn.Module) -> nn.Module:
    """With weights that hide nothing, in double precision, for sampling."""
    generator = torch.Generator().manual_seed(5)
    for parameter in net.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return net.double().eval()


NETS = {
    "unet": lambda: UNet3d(SHAPE, [3, 1], inputs=4, widths=(4, 8), blocks=2, embed=8),
    "score-unet": lambda: ScoreUNet(SHAPE, CONTEXT, widths=(4, 6), embed=8),
    "patches": lambda: PatchTransformer(SHAPE, (5, 2, 7), CONTEXT, width=8, depth=2, heads=2),
}


def given(n: int, size: int) -> tuple[Tensor, Tensor, Batch]:
    generator = torch.Generator().manual_seed(6)
    x, t = torch.randn(n, size, generator=generator).double(), torch.rand(n, generator=generator).double()
    return x, t, Batch(x, torch.ones(n), torch.randn(n, CONTEXT, generator=generator).double())


@pytest.mark.parametrize("name", list(NETS))
def test_voxels_see_each_other_the_time_and_the_context_but_no_other_shower(name: str) -> None:
    net, (x, t, rows) = shaken(NETS[name]()), given(3, VOXELS)
    out = net(x, t, rows)
    assert out.shape == x.shape
    torch.testing.assert_close(net(x[:1], t[:1], rows.select(torch.tensor([0]))), out[:1])
    assert (net(x, t + 0.1, rows) - out).abs().amin() > 0
    for column in range(CONTEXT):
        context = rows.context.clone()
        context[:, column] += 0.5
        assert (net(x, t, Batch(x, rows.weight, context)) - out).abs().amin() > 0
    moved = x.clone()
    moved[:, 0] += 1.0
    changed = (net(moved, t, rows) - out).abs()
    assert changed[:, 0].min() > 0
    assert changed[:, -1].min() > 0 or name == "score-unet"  # which has no attention


def test_voxels_of_a_batch_are_normalised_together_only_in_training() -> None:
    net, (x, t, rows) = shaken(NETS["score-unet"]()), given(3, VOXELS)
    net.train()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    alone = net(x[:1], t[:1], rows.select(torch.tensor([0])))
    assert (net(x, t, rows)[:1] - alone).abs().max() > 1e-3


@pytest.mark.parametrize("strides", [(2, 2, 2), (4, 4, 4), (3, 1, 8)])
def test_padding_is_taken_away_again(strides: tuple[int, int, int]) -> None:
    x = torch.randn(2, 3, *SHAPE)
    wide = padded(x, strides)
    assert all(size % stride == 0 for size, stride in zip(wide.shape[2:], strides, strict=True))
    assert torch.equal(cropped(wide, SHAPE), x)
    assert wide.abs().sum().item() == pytest.approx(x.abs().sum().item(), rel=1e-5)
    assert padded(torch.ones(1, 1, 5, 1, 1), (8, 1, 1))[0, 0, :, 0, 0].tolist() == [0, 0, 1, 1, 1, 1, 1, 0]


def test_a_patch_holds_neighbouring_voxels() -> None:
    net = PatchTransformer((4, 4, 6), (2, 2, 3), 1, width=8, depth=1, heads=2)
    x = torch.arange(96.0).view(1, 96)
    patches = net.divide(x)
    assert torch.equal(patches[0, 0], x.view(4, 4, 6)[:2, :2, :3].flatten())
    assert torch.equal(patches[0, -1], x.view(4, 4, 6)[2:, 2:, 3:].flatten())
    assert torch.equal(net.join(patches), x)


def test_voxels_that_patches_do_not_divide_are_padded() -> None:
    net = PatchTransformer((3, 2, 5), (2, 2, 3), 1, width=8, depth=1, heads=2)
    x = torch.arange(1.0, 31.0).view(1, 30)
    patches = net.divide(x)
    assert patches.shape == (1, 4, 12)
    assert patches.sum() == x.sum()
    assert torch.equal(net.join(patches), x)


def test_patches_adopt_the_weights_of_a_network_with_one_time() -> None:
    one, two = (PatchTransformer(SHAPE, (5, 6, 7), CONTEXT, width=8, depth=1, heads=2, times=times) for times in (1, 2))
    shaken(one)
    two.double().adopt(one.state_dict())
    x, t, rows = given(3, VOXELS)
    torch.testing.assert_close(two(x, torch.stack([t, t / 3], dim=1), rows), one(x, t, rows))


def sets() -> tuple[Tensor, Tensor, Batch]:
    x, t, rows = given(3, 5 * 4)
    mask = torch.arange(5) < torch.tensor([[5], [2], [3]])
    x = x.view(3, 5, 4) * mask[..., None]
    return x, t, Batch(x, rows.weight, rows.context, mask)


def test_permuting_hits_permutes_the_output() -> None:
    net, (x, t, rows) = shaken(PointCloudNet(4, CONTEXT, width=8, depth=2)), sets()
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = Batch(x[:, order], rows.weight, rows.context, rows.mask[:, order])
    torch.testing.assert_close(net(x[:, order], t, moved), net(x, t, rows)[:, order])


def test_padding_of_hits_is_never_seen() -> None:
    net, (x, t, rows) = shaken(PointCloudNet(4, CONTEXT, width=8, depth=2)), sets()
    out = net(x, t, rows)
    spoilt = torch.where(rows.mask[..., None], x, 7.0)
    torch.testing.assert_close(net(spoilt, t, rows), out)
    assert not out[~rows.mask].any()
    short = rows.select(torch.tensor([1])).trim()
    torch.testing.assert_close(net(x[1:2, :2], t[1:2], short), out[1:2, :2])


@pytest.mark.parametrize("kind", [LayerNet, ClusterNet])
def test_vectors_see_the_time_and_the_context(kind: type[LayerNet] | type[ClusterNet]) -> None:
    net, (x, t, rows) = shaken(kind(3, CONTEXT, width=8, blocks=2, embed=8)), given(3, 3)
    out = net(x, t, rows)
    for changed in (net(x, t + 0.1, rows), net(x + 1, t, rows), net(x, t, Batch(x, t, rows.context + 1))):
        assert (changed - out).abs().amin() > 0


def test_times_are_sines_and_cosines_of_falling_frequencies() -> None:
    net = TimeFeatures(2, 5, 1000.0)
    assert net.frequencies.tolist() == pytest.approx([1000.0, 100.0, 10.0, 1.0, 0.1], rel=1e-5)
    nn.init.zeros_(net.first.weight)
    nn.init.zeros_(net.first.bias)
    net.first.weight.data[0, 3], net.first.weight.data[1, 8] = 1.0, 1.0
    seen = torch.nn.functional.silu(torch.tensor([math.sin(0.7), math.cos(0.7)]))
    expected = net.second.weight[:, :2] @ seen + net.second.bias
    torch.testing.assert_close(net(torch.tensor([0.7]))[0], expected)
