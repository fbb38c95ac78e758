r"""The networks of the point-cloud model of showers of arXiv:2307.04780, and of its public code.

Hits: with c the condition made of the time and of what is given, and x a hit,

    f = W [x, V c],     h = W' f,     h <- h + attention(norm(h)),    h <- h + mlp(norm(h))   eight times,
    output = W'' lrelu( W''' (f + norm(h)) )

Attention hides padding. The dropout of a tenth of the attention's weights in the public code is left out.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.calorimeter import TimeFeatures
from cloudchamber.nets.layers import Attention, mask_bias
from cloudchamber.tensors.batch import Batch

__all__ = ["ClusterNet", "PointCloudNet"]

_FREQUENCIES = 16


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.01)


class _Condition(nn.Module):
    """The time and a vector that is given, as one vector of shape (B, width)."""

    def __init__(self, context: int, width: int, steps: int) -> None:
        super().__init__()
        self.time = TimeFeatures(width, _FREQUENCIES, float(steps), _leaky)
        self.join = nn.Linear(width + context, width)

    def forward(self, t: Tensor, context: Tensor) -> Tensor:
        return _leaky(self.join(torch.cat([self.time(t), context], dim=1)))


class _Block(nn.Module):
    """Attention and two layers, each after a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attention = Attention(width, heads)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.GELU()
        )  # fmt: skip

    def forward(self, h: Tensor, bias: Tensor) -> Tensor:
        h = h + self.attention(self.norms[0](h), bias)
        out: Tensor = h + self.feed_forward(self.norms[1](h))
        return out


class PointCloudNet(nn.Module):
    """(x, t, given) -> one vector for each hit; padding is never seen.

    Args:
        features: values F of a hit.
        context: size C of the context.
        width: features inside.
        depth: blocks.
        heads: attention heads.
        steps: of the diffusion; the network is shown their number.
        embed: width of the condition.
    """

    def __init__(
        self,
        features: int,
        context: int,
        *,
        width: int = 64,
        depth: int = 8,
        heads: int = 1,
        steps: int = 512,
        embed: int = 64,
    ) -> None:
        super().__init__()
        self.condition = _Condition(context, embed, steps)
        self.told = nn.ModuleList([nn.Linear(embed, 2 * width), nn.Linear(2 * width, width)])
        self.inputs, self.enter = nn.Linear(features + width, width), nn.Linear(width, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.norm, self.leave = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, width)
        self.outputs = nn.Linear(width, features)
        nn.init.zeros_(self.outputs.weight)
        self.heads = heads

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output, zero on padding.

        Args:
            x: shape (B, N, F).
            t: shape (B,).
            given: `context` (B, C) and `mask` (B, N).
        """
        assert given.context is not None
        assert given.mask is not None
        first, second = self.told
        told = second(_leaky(first(self.condition(t, given.context))))[:, None].expand(-1, x.shape[1], -1)
        f = _leaky(self.inputs(torch.cat([x, told], dim=-1)))
        h, bias = self.enter(f), mask_bias(given.mask, self.heads)
        for block in self.blocks:
            h = block(h, bias)
        out: Tensor = self.outputs(_leaky(self.leave(f + self.norm(h)))) * given.mask[..., None]
        return out


class _Residual(nn.Module):
    """Two layers with dropout beside a linear short cut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.short_cut = nn.Linear(width, width)
        self.layers = nn.Sequential(
            nn.Linear(width, width), nn.LeakyReLU(0.01), nn.Dropout(0.1),
            nn.Linear(width, width), nn.LeakyReLU(0.01), nn.Dropout(0.1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.short_cut(x) + self.layers(x)
        return out


class ClusterNet(nn.Module):
    """(x, t, context) -> a vector of the size of x.

    Args:
        features: size F of x.
        context: size C of the context.
        width: hidden width.
        blocks: residual blocks.
        steps: of the diffusion; the network is shown their number.
        embed: width of the condition.
    """

    def __init__(
        self, features: int, context: int, *, width: int = 128, blocks: int = 4, steps: int = 512, embed: int = 64
    ) -> None:
        super().__init__()
        self.condition, self.embed = _Condition(context, embed, steps), nn.Linear(embed, width)
        self.inputs, self.narrow = nn.Linear(features + width, 2 * width), nn.Linear(2 * width, width)
        self.blocks = nn.Sequential(*(_Residual(width) for _ in range(blocks)))
        self.leave, self.outputs = nn.Linear(width, width), nn.Linear(width, features)
        nn.init.zeros_(self.outputs.weight)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output.

        Args:
            x: shape (B, F).
            t: shape (B,).
            given: its `context` (B, C) is used.
        """
        assert given.context is not None
        told = self.embed(self.condition(t, given.context))
        first = self.narrow(_leaky(self.inputs(torch.cat([x, told], dim=1))))
        out: Tensor = self.outputs(_leaky(self.leave(first + self.blocks(first))))
        return out
