r"""The U-Net of CaloScore v2 for showers of voxels (arXiv:2308.03847 and its public code).

Residual blocks of two convolutions over layers and both axes, to which the condition is added between them; after each
level the voxels are averaged in cubes of eight, and on the way up repeated, with what the blocks of the way down have
made set beside them. At the coarsest level every voxel attends to all others. Nothing is normalised but the input of
the attention. Voxels are padded with zeros to multiples of 2^(levels - 1), more of them at the front.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.calorimeter import Conditions
from cloudchamber.nets.layers import Attention
from cloudchamber.tensors.batch import Batch

__all__ = ["UNet3d", "cropped", "padded"]

_GROUPS = 4


class VoxelAttention(nn.Module):
    """Every voxel attends to all others, with one head.

    Args:
        channels: of a voxel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.GroupNorm(_GROUPS, channels, eps=1e-3, affine=False), Attention(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix voxels.

        Args:
            x: shape (B, C, L, H, W).
        """
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        out: Tensor = x + self.attention(tokens, tokens.new_zeros(1, 1, 1)).transpose(1, 2).reshape(x.shape)
        return out


class VoxelBlock(nn.Module):
    """Two convolutions with the condition added between them, beside a short cut.

    Args:
        inputs: channels.
        outputs: channels.
        condition: size of the condition.
        attention: whether voxels attend to each other.
    """

    def __init__(self, inputs: int, outputs: int, condition: int, attention: bool) -> None:
        super().__init__()
        self.short_cut = nn.Conv3d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.condition = nn.Linear(condition, outputs)
        self.first = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv3d(outputs, outputs, 3, padding=1)
        self.mixer = VoxelAttention(outputs) if attention else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """One block.

        Args:
            x: shape (B, C, L, H, W).
            condition: shape (B, D).
        """
        h = self.first(functional.silu(x)) + self.condition(condition)[..., None, None, None]
        out: Tensor = self.mixer(self.short_cut(x) + self.second(functional.silu(h)))
        return out


class UNet3d(nn.Module):
    """(x, t, context) -> a vector of the size of x, which holds all voxels.

    Args:
        shape: (L, H, W), the voxels.
        sizes: of the vectors in the context.
        inputs: channels of a voxel before the first level.
        widths: channels at each level, from fine to coarse; the coarsest a multiple of 4.
        blocks: residual blocks at each level on the way down, and again on the way up.
        embed: width of the condition.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        sizes: Sequence[int],
        *,
        inputs: int = 32,
        widths: Sequence[int] = (32, 64, 96),
        blocks: int = 3,
        embed: int = 64,
    ) -> None:
        super().__init__()
        self.shape, self.stride = shape, 2 ** (len(widths) - 1)
        self.conditions = Conditions(sizes, embed)
        self.inputs = nn.Conv3d(1, inputs, 1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        last, kept = inputs, []
        for width in widths[:-1]:
            self.down.append(_level(last, width, blocks, embed))
            last = width
            kept += [width] * blocks
        self.bottom = nn.ModuleList(
            VoxelBlock(last if k == 0 else widths[-1], widths[-1], embed, True) for k in range(blocks)
        )
        last = widths[-1]
        for width in reversed(widths[:-1]):
            level = nn.ModuleList()
            for _ in range(blocks):
                level.append(VoxelBlock(last + kept.pop(), width, embed, False))
                last = width
            self.up.append(level)
        self.outputs = nn.Conv3d(last, 1, 1)
        nn.init.zeros_(self.outputs.weight)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The prediction, shape (B, V).

        Args:
            x: shape (B, V), V = L H W.
            t: shape (B,).
            given: its `context` (B, C) is used.
        """
        assert given.context is not None
        condition = self.conditions(t, given.context)
        h, kept = self.inputs(padded(x.view(-1, 1, *self.shape), (self.stride,) * 3)), []
        for level in self.down:
            assert isinstance(level, nn.ModuleList)
            for block in level:
                h = block(h, condition)
                kept.append(h)
            h = functional.avg_pool3d(h, 2)
        for block in self.bottom:
            h = block(h, condition)
        for level in self.up:
            assert isinstance(level, nn.ModuleList)
            h = functional.interpolate(h, scale_factor=2.0, mode="nearest")
            for block in level:
                h = block(torch.cat([h, kept.pop()], dim=1), condition)
        return cropped(self.outputs(h), self.shape).reshape(len(x), -1)


def _level(inputs: int, width: int, blocks: int, condition: int) -> nn.ModuleList:
    return nn.ModuleList(VoxelBlock(inputs if k == 0 else width, width, condition, False) for k in range(blocks))


def padded(x: Tensor, strides: Sequence[int]) -> Tensor:
    """Voxels with zeros around them, so that every dimension is a multiple of its stride; more in front than behind.

    Args:
        x: shape (B, C, L, H, W).
        strides: of L, H and W.

    >>> padded(torch.ones(1, 1, 4, 3, 2), (2, 2, 2)).shape
    torch.Size([1, 1, 4, 4, 2])
    """
    missing = [-size % stride for size, stride in zip(x.shape[2:], strides, strict=True)]
    amounts = [amount for m in reversed(missing) for amount in (m - m // 2, m // 2)]
    return functional.pad(x, amounts)


def cropped(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The voxels without what `padded` has set around them.

    Args:
        x: shape (B, C, L', H', W').
        shape: (L, H, W) before.
    """
    for dim, size in enumerate(shape, start=2):
        extra = x.shape[dim] - size
        x = x.narrow(dim, extra - extra // 2, size)
    return x
