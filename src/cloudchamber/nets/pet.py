r"""The point-edge transformer of OmniLearn (arXiv:2404.16091; for the EIC arXiv:2410.22421) and its event network.

A body maps noisy particles x and the time t to features, a generator head maps these with the event's features and
again t to the prediction. With E(t) the embedding of time and h the embedded particles,

    h <- h (1 + scale) + shift,   (scale, shift) = W E(t)
    h <- h + local(x)                                           two edge convolutions
    h <- h + a_l attention(norm(h)),   h <- h + b_l mlp(norm(h))     eight blocks, then h <- h + what entered them

and in the head the same kind of blocks on norm(c + h), but adding to c, the embedding of the event and the time.
The gains a_l, b_l start at 1e-5 (arXiv:2103.17239). The norms are over all elements and features of a set together.

In the public code padding is masked only where features are added and at the end: padded elements are keys and values,
and enter the norms. So what a particle is told depends on the length to which sets are padded. `PointEdgeTransformer`
reproduces that with the setting `padding`, the length; without it padding is never seen.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.edgeconv import LocalEmbedding
from cloudchamber.nets.layers import Attention, mask_bias
from cloudchamber.tensors.batch import Batch

__all__ = ["EventNet", "PointEdgeTransformer", "ScaledTime", "SetNorm"]

_FIRST_GAIN = 1e-5


class ScaledTime(nn.Module):
    """An embedding of time: sines and cosines of 1000 t f_j, times t, through two layers without bias.

    Args:
        width: D of the embedding.
        frequencies: number of f_j, from 1 to 1e-4.
    """

    frequencies: Tensor

    def __init__(self, width: int, frequencies: int = 32) -> None:
        super().__init__()
        exponents = torch.arange(frequencies) * (-math.log(10_000) / (frequencies - 1))
        self.register_buffer("frequencies", 1000 * exponents.exp(), persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(2 * frequencies, 2 * width, bias=False), nn.SiLU(),
            nn.Linear(2 * width, width, bias=False), nn.SiLU(),
        )  # fmt: skip

    def forward(self, t: Tensor) -> Tensor:
        """Embedded times, shape (B, D).

        Args:
            t: shape (B,).
        """
        angles = t[:, None] * self.frequencies
        embedded: Tensor = self.layers(torch.cat([angles.sin(), angles.cos()], dim=1) * t[:, None])
        return embedded


class SetNorm(nn.Module):
    """Zero mean and unit variance over all elements and features of a set, with a gain and a bias for each feature.

    Args:
        width: features D of an element.
        eps: added to the variance.
    """

    def __init__(self, width: int, eps: float = 1e-3) -> None:
        super().__init__()
        self.gain, self.bias, self.eps = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width)), eps

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """Normalised elements.

        Args:
            x: shape (B, N, D).
            seen: elements that enter the mean and the variance, shape (B, N); None for all.
        """
        if seen is None:
            normal = functional.layer_norm(x, x.shape[1:], eps=self.eps)
            return torch.addcmul(self.bias, normal, self.gain)
        hidden, size = ~seen[..., None], seen.sum(1)[:, None, None] * x.shape[2]
        off = (x - x.masked_fill(hidden, 0.0).sum((1, 2), keepdim=True) / size).masked_fill(hidden, 0.0)
        deviation = torch.sqrt(off.square().sum((1, 2), keepdim=True) / size + self.eps)
        return torch.addcmul(self.bias, off / deviation, self.gain)


class _Block(nn.Module):
    """Attention and two layers, each after a norm and times a small gain."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.norms = nn.ModuleList([SetNorm(width), SetNorm(width)])
        self.gains = nn.ParameterList([torch.full((width,), _FIRST_GAIN) for _ in range(2)])

    def forward(self, x: Tensor, onto: Tensor, mask: Tensor, seen: Tensor | None) -> Tensor:
        """What the block makes of x, added to another tensor; each of shape (B, N, D)."""
        bias = x.new_zeros(1, 1, 1) if seen is None else mask_bias(seen, self.attention.heads)
        onto = onto + self.gains[0] * mask * self.attention(self.norms[0](x, seen), bias)
        out: Tensor = onto + self.gains[1] * mask * self.feed_forward(self.norms[1](onto, seen))
        return out


class Body(nn.Module):
    """Noisy particles and time -> features of each particle.

    Args:
        features: values F of a particle.
        points: how many of them are coordinates in which neighbours are near.
        width: features D.
        blocks: number of them.
        heads: attention heads.
        neighbours: of each particle.
    """

    def __init__(self, features: int, points: int, width: int, *, blocks: int, heads: int, neighbours: int) -> None:
        super().__init__()
        hidden = 2 * width
        self.points = points
        self.embed = nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, width), nn.GELU())
        self.time, self.modulation = ScaledTime(width), nn.Linear(width, 2 * width, bias=False)
        self.local = LocalEmbedding(features, (hidden, hidden), width, neighbours)
        self.blocks = nn.ModuleList(_Block(width, hidden, heads) for _ in range(blocks))

    def forward(self, x: Tensor, t: Tensor, mask: Tensor, seen: Tensor | None) -> Tensor:
        """Features, shape (B, N, D), zero on padding.

        Args:
            x: shape (B, N, F), zero on padding.
            t: shape (B,).
            mask: real particles, shape (B, N).
            seen: elements that others see, shape (B, N); None for all.
        """
        real = mask[..., None].to(x.dtype)
        scale, shift = (functional.gelu(self.modulation(self.time(t)))[:, None] * real).chunk(2, dim=-1)
        h = self.embed(x) * (1 + scale) + shift + self.local(x[..., : self.points], x, mask, seen)
        skip = h
        for block in self.blocks:
            h = block(h, h, real, seen) * real
        features: Tensor = h + skip
        return features


class Head(nn.Module):
    """Features of particles, those of their event and time -> the prediction.

    Args:
        outputs: values of a particle.
        context: features of an event.
        width: features D.
        blocks: number of them.
        heads: attention heads.
    """

    def __init__(self, outputs: int, context: int, width: int, *, blocks: int, heads: int) -> None:
        super().__init__()
        hidden = 2 * width
        self.time = ScaledTime(width)
        self.event = nn.Sequential(nn.Linear(context, width), nn.GELU())
        self.condition = nn.Sequential(nn.Linear(2 * width, hidden), nn.GELU(), nn.Linear(hidden, width), nn.GELU())
        self.label = nn.Linear(1, width, bias=False)  # of the process; there is one, whose label is zero
        self.blocks = nn.ModuleList(_Block(width, hidden, heads) for _ in range(blocks))
        self.norm, self.outputs = SetNorm(width), nn.Linear(width, outputs)

    def forward(self, body: Tensor, t: Tensor, context: Tensor, mask: Tensor, seen: Tensor | None) -> Tensor:
        """The prediction, shape (B, N, outputs).

        Args:
            body: features of particles, shape (B, N, D).
            t: shape (B,).
            context: features of events, shape (B, C).
            mask: real particles, shape (B, N).
            seen: elements that others see, shape (B, N); None for all.
        """
        real = mask[..., None].to(body.dtype)
        told = torch.cat([self.time(t), self.event(context)], dim=1)
        c = (self.condition(told) + self.label(context.new_zeros(len(t), 1)))[:, None] * real
        for block in self.blocks:
            c = block(c + body, c, real, seen)
        prediction: Tensor = self.outputs(self.norm(c + body, seen))
        return prediction


class PointEdgeTransformer(nn.Module):
    """(x, t, given) -> one vector for each element; permuting elements permutes the output.

    Args:
        features: values F of an element; the first are its coordinates.
        context: size C of the context of a set.
        points: number of coordinates.
        width: features of an element inside.
        body_blocks: transformer blocks of the body.
        head_blocks: transformer blocks of the head.
        heads: attention heads.
        neighbours: elements that an edge convolution looks at.
        padding: length to which sets are padded, where padding is seen as in the public code; None to hide it.
    """

    def __init__(
        self,
        features: int,
        context: int,
        *,
        points: int = 2,
        width: int = 128,
        body_blocks: int = 8,
        head_blocks: int = 2,
        heads: int = 4,
        neighbours: int = 10,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        self.padding = padding
        self.body = Body(features, points, width, blocks=body_blocks, heads=heads, neighbours=neighbours)
        self.head = Head(features, context, width, blocks=head_blocks, heads=heads)
        _glorot(self, heads)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output, zero on padding.

        Args:
            x: shape (B, N, F).
            t: shape (B,).
            given: `context` (B, C) and `mask` (B, N).
        """
        assert given.mask is not None
        assert given.context is not None
        more = 0 if self.padding is None else self.padding - x.shape[1]
        mask = functional.pad(given.mask, (0, more))
        x = functional.pad(x, (0, 0, 0, more)).masked_fill(~mask[..., None], 0.0)
        seen = None if self.padding is not None else _never_empty(mask)
        output = self.head(self.body(x, t, mask, seen), t, given.context, mask, seen)
        out: Tensor = output[:, : given.mask.shape[1]].masked_fill(~given.mask[..., None], 0.0)
        return out


class _Residual(nn.Module):
    """Two layers after a norm, times a small gain, onto a third."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.norm, self.skip = nn.LayerNorm(inputs, eps=1e-6), nn.Linear(inputs, width)
        self.layers = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.gain = nn.Parameter(torch.full((width,), _FIRST_GAIN))

    def forward(self, y: Tensor) -> Tensor:
        normal = self.norm(y)
        out: Tensor = self.skip(normal) + self.gain * self.layers(normal)
        return out


class EventNet(nn.Module):
    """(x, t) -> a vector of the size of x: the residual network of event features.

    Args:
        features: size F of x.
        width: features inside before the blocks, which have twice as many.
        blocks: number of them.
    """

    def __init__(self, features: int, width: int = 128, blocks: int = 2) -> None:
        super().__init__()
        self.time, self.label = ScaledTime(width), nn.Linear(1, width)  # the label of the process is zero
        self.modulation = nn.Linear(width, 2 * width)
        self.inputs = nn.Linear(features, width)
        sizes = [width] + [2 * width] * blocks
        self.blocks = nn.Sequential(*(_Residual(size, 2 * width) for size in sizes[:-1]))
        self.norm, self.outputs = nn.LayerNorm(2 * width, eps=1e-6), nn.Linear(2 * width, features)
        _glorot(self)
        nn.init.zeros_(self.outputs.weight)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output.

        Args:
            x: shape (B, F).
            t: shape (B,).
            given: not used.
        """
        told = self.time(t) + self.label(x.new_zeros(len(t), 1))
        scale, shift = functional.gelu(self.modulation(told)).chunk(2, dim=-1)
        y = functional.silu(self.inputs(x)) * (1 + scale) + shift
        out: Tensor = self.outputs(self.norm(self.blocks(y)))
        return out


def _never_empty(mask: Tensor) -> Tensor:
    """The mask with the first element of empty sets, without which norms and attention would divide by zero."""
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return mask | (first & ~mask.any(1, keepdim=True))


def _glorot(net: nn.Module, heads: int = 1) -> None:
    """Weights uniform within sqrt(6 / (inputs + outputs)), biases zero, as Keras starts them.

    Keras counts inputs and outputs of an attention kernel of shape (D, H, D / H) as H D and D^2 / H (for queries, keys
    and values), and of one of shape (H, D / H, D) as D and H D.
    """
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in net.modules():
        if isinstance(module, Attention):
            width = module.out.in_features
            for layer, fans in ((module.qkv, heads * width + width**2 // heads), (module.out, width + heads * width)):
                limit = math.sqrt(6 / fans)
                nn.init.uniform_(layer.weight, -limit, limit)
