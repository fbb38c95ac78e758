r"""The U-Net of CaloScore for showers of voxels (arXiv:2206.11898 and its public code).

Each block is a convolution over layers and both axes, to which the condition is added, a convolution of single voxels,
a normalisation over the batch, dropout and a rectifier. Voxels are averaged in cubes of eight between the levels and
repeated on the way up, where (what comes up + what was kept) / sqrt(2) goes on. Time and incident energy are shown as
sines and cosines of 2 pi f_k with f_k drawn once from a normal distribution of width 16.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.unet3d import cropped, padded
from cloudchamber.tensors.batch import Batch

__all__ = ["ScoreUNet"]

_SEED = 100


class RandomFourier(nn.Module):
    """Numbers as sines and cosines of random frequencies, through one layer.

    Args:
        size: numbers F.
        width: of the result.
        scale: of the frequencies.
    """

    frequencies: Tensor

    def __init__(self, size: int, width: int, scale: float = 16.0) -> None:
        super().__init__()
        drawn = torch.randn(width // 2, generator=torch.Generator().manual_seed(_SEED))
        self.register_buffer("frequencies", 2 * math.pi * scale * drawn, persistent=False)
        self.layer = nn.Linear(size * 2 * (width // 2), width)

    def forward(self, x: Tensor) -> Tensor:
        """Vectors, shape (B, width).

        Args:
            x: shape (B, F).
        """
        angles = (x[..., None] * self.frequencies).flatten(1)
        return functional.silu(self.layer(torch.cat([angles.sin(), angles.cos()], dim=1)))


class ScoreBlock(nn.Module):
    """Two convolutions with the condition between them, a normalisation over the batch, dropout, a rectifier.

    Args:
        inputs: channels.
        outputs: channels.
        condition: size of the condition.
    """

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.condition = nn.Linear(condition, outputs, bias=False)
        self.first = nn.Conv3d(inputs, outputs, 3, padding=1, bias=False)
        self.second = nn.Conv3d(outputs, outputs, 1)
        self.norm, self.dropout = nn.BatchNorm3d(outputs, eps=1e-3, momentum=0.01), nn.Dropout(0.1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """One block.

        Args:
            x: shape (B, C, L, H, W).
            condition: shape (B, D).
        """
        told = functional.silu(self.condition(condition))[..., None, None, None]
        return functional.silu(self.dropout(self.norm(self.second(functional.silu(self.first(x)) + told))))


class Ascent(nn.Module):
    """From one level to the finer one.

    Args:
        inputs: channels.
        outputs: channels.
        condition: size of the condition.
    """

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.block = ScoreBlock(inputs, outputs, condition)
        self.grow, self.join = nn.Conv3d(outputs, outputs, 3, padding=1), nn.Conv3d(outputs, outputs, 1)

    def forward(self, x: Tensor, kept: Tensor, condition: Tensor) -> Tensor:
        """The finer level.

        Args:
            x: shape (B, C, L, H, W).
            kept: of the way down, shape (B, D, 2 L, 2 H, 2 W).
            condition: shape (B, E).
        """
        h = functional.interpolate(self.block(x, condition), scale_factor=2.0, mode="nearest")
        return functional.silu(self.join((functional.silu(self.grow(h)) + kept) / math.sqrt(2)))


class ScoreUNet(nn.Module):
    """(x, t, context) -> a vector of the size of x, which holds all voxels.

    Args:
        shape: (L, H, W), the voxels.
        context: size C of the context.
        widths: channels at each level, from fine to coarse.
        embed: width of the condition.
    """

    def __init__(
        self, shape: tuple[int, int, int], context: int, *, widths: Sequence[int] = (32, 64, 128), embed: int = 128
    ) -> None:
        super().__init__()
        self.shape, self.stride = shape, 2 ** (len(widths) - 1)
        self.time, self.given = RandomFourier(1, embed), RandomFourier(context, embed)
        self.condition = nn.Sequential(
            nn.Linear(2 * embed, embed), nn.SiLU(), nn.Linear(embed, embed), nn.SiLU()
        )  # fmt: skip
        sizes = [1, *widths]
        self.down = nn.ModuleList(ScoreBlock(inputs, outputs, embed) for inputs, outputs in pairwise(sizes))
        self.middle = ScoreBlock(widths[-1], widths[-1], embed)
        self.up = nn.ModuleList(Ascent(inputs, outputs, embed) for inputs, outputs in pairwise(widths[::-1]))
        self.last = ScoreBlock(widths[0], widths[0], embed)
        self.outputs = nn.Conv3d(widths[0], 1, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The prediction, shape (B, V).

        Args:
            x: shape (B, V), V = L H W.
            t: shape (B,).
            given: its `context` (B, C) is used.
        """
        assert given.context is not None
        condition = self.condition(torch.cat([self.time(t[:, None]), self.given(given.context)], dim=1))
        h, kept = padded(x.view(-1, 1, *self.shape), (self.stride,) * 3), []
        for number, block in enumerate(self.down):
            h = block(h, condition)
            h = functional.avg_pool3d(h, 2) if number else h
            kept.append(h)
        h = self.middle(kept.pop(), condition)
        for block in self.up:
            h = block(h, kept.pop(), condition)
        return cropped(self.outputs(self.last(h, condition)), self.shape).reshape(len(x), -1)
