r"""The network of hits that come one after the other, layer after layer, cell by cell.

    hit          g = gelu(E[i, j] + linear(its amount))
    layer        s_l = causal transformer(sum of g over the hits of layer l - 1, what is known of layer l)
    next hit     u = mlp(s_l, sum of g over the hits of layer l so far, its numbers)
    amount       logits of its bin: linear(u)
    first bin    logits of i: mlp(u, amount, F) + sum_c,d a_{c,d}(u) F_c(i + d),        d = -1, 0, 1
    second bin   logits of j: mlp(u, amount, i, G) + sum_c,d b_{c,d}(u) G_c(j + d)

F and G are profiles of the hits so far along both axes (see `models.cell_maps`). The last terms point to places where
there have been hits, in the same way everywhere in a layer.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.causal import CausalTrunk
from cloudchamber.nets.embed import Fourier
from cloudchamber.nets.layers import Past, mlp

__all__ = ["CellNet"]

_POOLED = 4.0
"""Typical size of the sum over the hits of a layer."""


class CellNet(nn.Module):
    """See the module's text.

    Args:
        layers: number L of layers.
        shape: most bins of a layer along both axes.
        context: size of what is known of a shower.
        profile: numbers known of each layer.
        numbers: numbers that describe the next hit before its amount is known.
        amounts: numbers that describe the amount of a hit.
        channels: profiles F along the first and G along the second axis.
        bins: of amounts.
        width: features of a layer.
        depth: blocks of the transformer.
        heads: attention heads.
        hidden: features of a hit.
    """

    def __init__(
        self, *, layers: int, shape: tuple[int, int], context: int, profile: int, numbers: int, amounts: int,
        channels: tuple[int, int], bins: int, width: int, depth: int, heads: int, hidden: int,
    ) -> None:  # fmt: skip
        super().__init__()
        first, second = shape
        self.shape, self.width = shape, width
        self.cell = nn.Embedding(first * second, width)
        self.first, self.second = nn.Embedding(first, width), nn.Embedding(second, width)
        nn.init.normal_(self.cell.weight, std=0.3)
        self.amount_features = Fourier(amounts, frequencies=4, lowest=0.5, highest=6.0)
        self.hit = nn.Linear(self.amount_features.out_features, width)
        self.profile_features = Fourier(profile, frequencies=4, lowest=0.5, highest=6.0)
        self.layer = nn.Embedding(layers, width)
        self.profile = nn.Linear(self.profile_features.out_features, width)
        self.pooled = nn.Linear(width, width)
        self.condition = mlp(context, width, width)
        self.trunk = CausalTrunk(width, depth, heads)
        self.number_features = Fourier(numbers, frequencies=4, lowest=0.5, highest=6.0)
        self.inputs = nn.Linear(2 * width + self.number_features.out_features, hidden)
        self.mix = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(2))
        self.amount = _small(nn.Linear(hidden, bins))
        known = hidden + self.amount_features.out_features
        self.chosen = nn.Embedding(first, width)
        self.along_first = _Axis(known, first, channels[0], hidden)
        self.along_second = _Axis(known + width, second, channels[1], hidden)

    def told(self, amount: Tensor) -> Tensor:
        """What the networks are told of amounts, shape (..., A).

        Args:
            amount: numbers that describe them, shape (..., amounts).
        """
        features: Tensor = self.amount_features(amount)
        return features

    def describe(self, first: Tensor, second: Tensor, told: Tensor) -> Tensor:
        """Hits as vectors g, shape (..., D).

        Args:
            first: bins along the first axis, shape (...).
            second: bins along the second axis, shape (...).
            told: of the amounts, shape (..., A).
        """
        place = self.cell(first * self.shape[1] + second) + self.first(first) + self.second(second)
        return functional.gelu(place + self.hit(told))

    def plan(self, before: Tensor, profile: Tensor, context: Tensor) -> Tensor:
        """All layers s_l, shape (B, L, D).

        Args:
            before: sums of g over the hits of the layers before, shape (B, L, D).
            profile: what is known of the layers, shape (B, L, profile).
            context: shape (B, C).
        """
        layers = torch.arange(profile.shape[1], device=profile.device)
        planned: Tensor = self.trunk(self._layer_inputs(before, profile, layers), self._condition(context))
        return planned

    def begin(self, context: Tensor) -> list[Past]:
        """What is known before the first layer.

        Args:
            context: shape (B, C).
        """
        return self.trunk.begin(self._condition(context))

    def step(self, before: Tensor, profile: Tensor, layer: int, past: list[Past]) -> Tensor:
        """The next layer s_l, shape (B, D); `past` is brought up to date.

        Args:
            before: sums of g over the hits of the layer before, shape (B, D).
            profile: what is known of the layer, shape (B, profile).
            layer: its number.
            past: of the layers before.
        """
        return self.trunk.step(self._layer_inputs(before, profile, torch.tensor(layer, device=before.device)), past)

    def next_hit(self, layer: Tensor, current: Tensor, numbers: Tensor) -> Tensor:
        """What is known of the next hit, u, shape (..., hidden).

        Args:
            layer: s_l, shape (..., D).
            current: sum of g over the hits of the layer so far, shape (..., D).
            numbers: that describe the hit, shape (..., numbers).
        """
        u = functional.gelu(self.inputs(torch.cat([layer, current / _POOLED, self.number_features(numbers)], dim=-1)))
        for linear in self.mix:
            u = u + functional.gelu(linear(u))
        return u

    def first_bin(self, u: Tensor, told: Tensor, profiles: Tensor) -> Tensor:
        """Logits of the first bin, shape (..., X).

        Args:
            u: see `next_hit`.
            told: of the amount, shape (..., A).
            profiles: F, shape (..., channels, X).
        """
        logits: Tensor = self.along_first([u, told.to(u.dtype)], profiles.to(u.dtype))
        return logits

    def second_bin(self, u: Tensor, told: Tensor, first: Tensor, profiles: Tensor) -> Tensor:
        """Logits of the second bin, shape (..., Y).

        Args:
            u: see `next_hit`.
            told: of the amount, shape (..., A).
            first: the first bin, shape (...).
            profiles: G, shape (..., channels, Y).
        """
        known = [u, told.to(u.dtype), self.chosen(first).to(u.dtype)]
        logits: Tensor = self.along_second(known, profiles.to(u.dtype))
        return logits

    def _condition(self, context: Tensor) -> Tensor:
        return functional.silu(self.condition(context))

    def _layer_inputs(self, before: Tensor, profile: Tensor, layer: Tensor) -> Tensor:
        known = self.layer(layer) + self.profile(self.profile_features(profile))
        inputs: Tensor = self.pooled(before / _POOLED) + known
        return inputs


class _Axis(nn.Module):
    """Logits of the bins of one axis."""

    def __init__(self, known: int, bins: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(known + channels * bins, hidden)
        self.hidden = nn.Linear(hidden, hidden)
        self.outputs, self.pointers = _small(nn.Linear(hidden, bins)), _small(nn.Linear(hidden, 3 * channels))

    def forward(self, known: list[Tensor], profiles: Tensor) -> Tensor:
        """Logits, shape (..., bins), from what is known, (..., K) in all, and profiles (..., channels, bins)."""
        h = functional.gelu(self.inputs(torch.cat([*known, profiles.flatten(-2)], dim=-1)))
        h = h + functional.gelu(self.hidden(h))
        weights = self.pointers(h).unflatten(-1, (3, -1))
        here, left, right = (weights @ profiles).unbind(-2)
        shifted = functional.pad(left[..., :-1], (1, 0)) + functional.pad(right[..., 1:], (0, 1))
        logits: Tensor = self.outputs(h) + here + shifted
        return logits


def _small(linear: nn.Linear) -> nn.Linear:
    """The same with small weights, so that a new network knows nothing."""
    nn.init.normal_(linear.weight, std=0.01)
    nn.init.zeros_(linear.bias)
    return linear
