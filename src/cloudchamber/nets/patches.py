"""The transformer over patches of voxels: each block of voxels is an element of a set that knows its place.

Voxels are padded with zeros to multiples of the patch.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.nets.unet3d import cropped, padded
from cloudchamber.tensors.batch import Batch

__all__ = ["PatchTransformer"]


class PatchTransformer(nn.Module):
    """(x, t, context) -> a vector of the size of x, which holds all voxels.

    Args:
        shape: (L, H, W), the voxels.
        patch: voxels of a patch along these.
        context: size C of the context.
        width: features of a patch inside.
        depth: blocks.
        heads: attention heads.
        expansion: hidden width of the feed-forward parts in units of the width.
        times: numbers that say where on the path x is.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        patch: tuple[int, int, int],
        context: int,
        *,
        width: int = 128,
        depth: int = 5,
        heads: int = 4,
        expansion: int = 4,
        times: int = 1,
    ) -> None:
        super().__init__()
        self.shape, self.patch = shape, patch
        self.number = tuple(-(-size // step) for size, step in zip(shape, patch, strict=True))
        self.patches = self.number[0] * self.number[1] * self.number[2]
        self.net = SetTransformer(
            patch[0] * patch[1] * patch[2], self.patches, context, width=width, depth=depth, heads=heads,
            expansion=expansion, times=times,
        )  # fmt: skip

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The prediction, shape (B, V).

        Args:
            x: shape (B, V), V = L H W.
            t: shape (B,), or (B, times).
            given: its `context` (B, C) is used.
        """
        place = torch.arange(self.patches, device=x.device).expand(len(x), -1)
        told = Batch(x, given.weight, given.context, torch.ones_like(place, dtype=torch.bool), place)
        return self.join(self.net(self.divide(x), t, told))

    def adopt(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of the same network with one time; the other times have no effect at first.

        Args:
            weights: its state.
        """
        self.net.adopt({name.removeprefix("net."): value for name, value in weights.items()})

    def divide(self, x: Tensor) -> Tensor:
        """Patches of voxels, shape (B, N, P).

        Args:
            x: shape (B, V).
        """
        (layers, rows, columns), (a, b, c) = self.number, self.patch
        x = padded(x.view(-1, 1, *self.shape), self.patch)
        return x.view(-1, layers, a, rows, b, columns, c).permute(0, 1, 3, 5, 2, 4, 6).reshape(len(x), self.patches, -1)

    def join(self, patches: Tensor) -> Tensor:
        """Voxels of patches, the inverse of `divide`, shape (B, V).

        Args:
            patches: shape (B, N, P).
        """
        blocks = patches.view(-1, *self.number, *self.patch).permute(0, 1, 4, 2, 5, 3, 6)
        sizes = [number * step for number, step in zip(self.number, self.patch, strict=True)]
        return cropped(blocks.reshape(-1, 1, *sizes), self.shape).reshape(len(patches), -1)
