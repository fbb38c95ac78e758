r"""A U-Net for images on a cylinder: rows end, columns close on themselves.

Three levels (or any number) of residual blocks, each level at half the resolution of the one before it, with multi-head
self-attention where images are small, and connections from every block of the way down to the way up
(arXiv:1505.04597; residual blocks, attention and time as in arXiv:2102.09672). All convolutions pad the rows with zeros
and the columns periodically, so shifting an image by whole columns shifts the output, as long as the shift is a
multiple of `stride`: every halving remembers which columns it has joined.

Such a network does not know at which column it is, and at which row only near the ends. `places` adds a learnt map of
rows and columns to what it sees; it then no longer commutes with shifts. `patch` joins squares of pixels into the
features of one, which saves time where single pixels carry little. The output is then made by a `PixelHead`: whether a
noisy pixel is filled depends on its own value and on what its surroundings make likely, so each pixel gets features
from the U-Net and combines them with its value.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.embed import Fourier
from cloudchamber.nets.layers import Attention, mlp
from cloudchamber.tensors.batch import Batch

__all__ = ["CylinderConv", "UNet"]

_GROUPS = 8


class CylinderConv(nn.Conv2d):
    """A convolution that is periodic in its last dimension and zero beyond the ends of the other.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: odd size.
        stride: of both dimensions.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=(kernel // 2, 0))
        self._wrap = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """Convolve.

        Args:
            x: shape (B, C, H, W).
        """
        return super().forward(torch.cat([x[..., -self._wrap :], x, x[..., : self._wrap]], dim=-1))


class ResidualBlock(nn.Module):
    """Two convolutions, shifted and scaled by a condition between them, beside a short cut.

    Args:
        inputs: channels.
        outputs: channels.
        condition: size of the condition.
    """

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_norm(inputs), nn.SiLU(), CylinderConv(inputs, outputs))
        self.modulation = nn.Linear(condition, 2 * outputs)
        self.norm = _norm(outputs)
        self.second = CylinderConv(outputs, outputs)
        self.short_cut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        _zero(self.second)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """One block.

        Args:
            x: shape (B, C, H, W).
            condition: shape (B, D).
        """
        scale, shift = self.modulation(condition)[..., None, None].chunk(2, dim=1)
        h = self.norm(self.first(x)) * (1 + scale) + shift
        out: Tensor = self.short_cut(x) + self.second(functional.silu(h))
        return out


class PixelAttention(nn.Module):
    """Every pixel attends to all others.

    Args:
        channels: of a pixel.
        heads: attention heads.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention = _norm(channels), Attention(channels, heads)
        nn.init.zeros_(self.attention.out.weight)
        nn.init.zeros_(self.attention.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Mix pixels.

        Args:
            x: shape (B, C, H, W).
        """
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        mixed = self.attention(tokens, tokens.new_zeros(1, 1, 1))
        out: Tensor = x + mixed.transpose(1, 2).view(x.shape)
        return out


class Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention where there is any.

    Args:
        sizes: channels into and out of each block.
        condition: size of the condition.
        heads: attention heads; 0 for no attention.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], condition: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(inputs, outputs, condition) for inputs, outputs in sizes)
        self.mixers = nn.ModuleList(PixelAttention(outputs, heads) if heads else nn.Identity() for _, outputs in sizes)

    def descend(self, x: Tensor, condition: Tensor) -> tuple[Tensor, list[Tensor]]:
        """All blocks, and what each of them has made.

        Args:
            x: shape (B, C, H, W).
            condition: shape (B, D).
        """
        kept = []
        for block, mixer in zip(self.blocks, self.mixers, strict=True):
            x = mixer(block(x, condition))
            kept.append(x)
        return x, kept

    def ascend(self, x: Tensor, kept: list[Tensor], condition: Tensor) -> Tensor:
        """All blocks, each of which takes the last of what was kept on the way down.

        Args:
            x: shape (B, C, H, W).
            kept: loses one for each block.
            condition: shape (B, D).
        """
        for block, mixer in zip(self.blocks, self.mixers, strict=True):
            x = mixer(block(torch.cat([x, kept.pop()], dim=1), condition))
        return x


class PixelHead(nn.Module):
    """The output of every pixel from its own value and features of its patch.

    Args:
        features: of a patch.
        channels: C of the images.
        outputs: of a pixel.
        patch: pixels a side.
        width: features of a pixel.
    """

    def __init__(self, features: int, channels: int, outputs: int, patch: int, width: int) -> None:
        super().__init__()
        self.patch = patch
        self.share = nn.Sequential(_norm(features), nn.SiLU(), CylinderConv(features, width * patch**2))
        last = nn.Conv2d(2 * width, outputs, 1)
        self.mix = nn.Sequential(
            nn.Conv2d(width + channels, 2 * width, 1), nn.SiLU(), nn.Conv2d(2 * width, 2 * width, 1), nn.SiLU(), last
        )
        _zero(last)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """The output, shape (B, outputs, H, W).

        Args:
            x: values, shape (B, C, H, W).
            h: features, shape (B, D, H / patch, W / patch).
        """
        out: Tensor = self.mix(torch.cat([functional.pixel_shuffle(self.share(h), self.patch), x], dim=1))
        return out


class UNet(nn.Module):
    """Noisy images to what a denoiser predicts of them.

    Args:
        shape: (H, W, C) of the images.
        outputs: channels of the prediction.
        widths: features at each level, from fine to coarse; multiples of 8.
        blocks: residual blocks at each level on the way down; one more on the way up.
        heads: attention heads.
        attention: levels with attention, counted from the coarsest.
        patch: joins squares of so many pixels a side.
        places: whether the network knows where a pixel is.
        head: features of a pixel in the head.
        times: numbers that say the time.

    Raises:
        ValueError: if the image cannot be halved so often.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        outputs: int,
        *,
        widths: Sequence[int] = (64, 128, 192),
        blocks: int = 2,
        heads: int = 4,
        attention: int = 2,
        patch: int = 1,
        places: bool = False,
        head: int = 16,
        times: int = 1,
    ) -> None:
        super().__init__()
        rows, columns, channels = shape
        self.patch, self.stride = patch, patch * 2 ** (len(widths) - 1)
        if rows % self.stride or columns % self.stride:
            raise ValueError(
                f"images of {rows} x {columns} pixels cannot be divided by {self.stride} in both directions"
            )
        condition = 2 * widths[0]
        self.time = Fourier(times, frequencies=16, lowest=0.5, highest=200.0)
        self.condition = nn.Sequential(mlp(self.time.out_features, condition, condition), nn.SiLU())
        self.inputs = CylinderConv(channels * patch**2, widths[0])
        self.places = (
            nn.Parameter(0.02 * torch.randn(1, widths[0], rows // patch, columns // patch)) if places else None
        )
        self.down, self.shrink, self.up, self.grow = (nn.ModuleList() for _ in range(4))
        kept, last = [widths[0]], widths[0]
        for number, width in enumerate(widths):
            seen = heads if len(widths) - number <= attention else 0
            self.down.append(Level([(last if k == 0 else width, width) for k in range(blocks)], condition, seen))
            kept += [width] * blocks
            last = width
            if number + 1 < len(widths):
                self.shrink.append(CylinderConv(width, width, stride=2))
                kept.append(width)
        self.middle = Level([(last, last)], condition, heads)
        for number, width in reversed(list(enumerate(widths))):
            seen = heads if len(widths) - number <= attention else 0
            sizes = []
            for _ in range(blocks + 1):
                sizes.append((last + kept.pop(), width))
                last = width
            self.up.append(Level(sizes, condition, seen))
            if number:
                self.grow.append(CylinderConv(width, width))
        self.head = PixelHead(last, channels, outputs, patch, head)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The prediction, shape (B, H, W, outputs).

        Args:
            x: noisy images, shape (B, H, W, C).
            t: times, shape (B,) or (B, times).
            given: not used; images have no conditions.
        """
        condition = self.condition(self.time(t.reshape(len(x), -1)))
        x = x.movedim(-1, 1)
        h = self.inputs(functional.pixel_unshuffle(x, self.patch))
        h = h if self.places is None else h + self.places
        kept = [h]
        for number, level in enumerate(self.down):
            h, seen = cast(Level, level).descend(h, condition)
            kept += seen
            if number < len(self.shrink):
                h = self.shrink[number](h)
                kept.append(h)
        h, _ = self.middle.descend(h, condition)
        for number, level in enumerate(self.up):
            h = cast(Level, level).ascend(h, kept, condition)
            if number < len(self.grow):
                h = self.grow[number](functional.interpolate(h, scale_factor=2.0, mode="nearest"))
        out: Tensor = self.head(x, h)
        return out.movedim(1, -1)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(_GROUPS, channels)


def _zero(layer: nn.Conv2d) -> None:
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
