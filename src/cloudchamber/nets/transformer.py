"""Transformers: over sets with real masking, and over sequences with a cache."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.edgeconv import LocalEmbedding
from cloudchamber.nets.embed import Fourier, widened
from cloudchamber.nets.layers import ModulatedBlock, Past, mask_bias, mlp
from cloudchamber.nets.pairs import Description, PairBias
from cloudchamber.tensors.batch import Batch

__all__ = ["Cache", "SequenceTransformer", "SetTransformer"]


class SetTransformer(nn.Module):
    """(x, t, given) -> one vector for each element; permuting elements permutes the output, padding is never seen.

    Args:
        features: values F of an element.
        tokens: kinds of elements.
        context: size C of the context of a set.
        token_context: given values D of an element.
        width: features of an element inside.
        depth: blocks.
        heads: attention heads.
        expansion: hidden width of the feed-forward parts in units of the width.
        outputs: size of the output for each element; F by default.
        times: numbers that say where on the path x is.
        pairs: describes pairs of elements for the attention; None for attention without.
        neighbours: elements nearest in x that edge convolutions before the blocks look at; 0 for no convolutions.
    """

    def __init__(
        self,
        features: int,
        tokens: int,
        context: int,
        *,
        token_context: int = 0,
        width: int = 128,
        depth: int = 5,
        heads: int = 4,
        expansion: int = 4,
        outputs: int | None = None,
        times: int = 1,
        pairs: Description | None = None,
        neighbours: int = 0,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.embed = Fourier(features, frequencies=4, lowest=0.5, highest=4.0)
        self.time = Fourier(times, frequencies=16, lowest=0.5, highest=60.0)
        self.inputs = nn.Linear(self.embed.out_features + token_context, width)
        self.kinds = nn.Embedding(tokens, width)
        self.condition = mlp(self.time.out_features + context, width, width)
        self.blocks = nn.ModuleList(ModulatedBlock(width, heads, expansion) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(width, outputs or features)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)
        self.pairs = None if pairs is None else PairBias(pairs, width, heads, depth)
        self.local = LocalEmbedding(width, (width, width), width, neighbours) if neighbours else None

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output, zero on padding.

        Args:
            x: shape (B, N, F).
            t: shape (B,), or (B, times).
            given: `context` (B, C), `mask` (B, N), `tokens` (B, N) and `token_context` (B, N, D).
        """
        assert given.mask is not None
        assert given.tokens is not None
        assert given.context is not None
        mask = given.mask[..., None]
        values = [self.embed(x)] + ([] if given.token_context is None else [given.token_context])
        h = self.inputs(torch.cat(values, dim=-1) * mask) + self.kinds(given.tokens)
        if self.local is not None:
            h = h + self.local(x, h, given.mask, given.mask)
        time = self.time(t.reshape(len(x), -1))
        condition = functional.silu(self.condition(torch.cat([time, given.context], dim=-1)))
        bias = mask_bias(given.mask, self.heads)
        biases = [bias] * len(self.blocks)
        if self.pairs is not None:
            biases = self.pairs(x, given, h + condition[:, None], bias)
        for block, one in zip(self.blocks, biases, strict=True):
            h = block(h, condition, one)
        out: Tensor = self.outputs(self.norm(h)) * mask
        return out

    def adopt(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of the same network with one time; the other times have no effect at first.

        Args:
            weights: its state.
        """
        first, old = weights["condition.0.weight"], 1 + 2 * len(self.time.frequencies)
        grown = torch.cat([widened(first[:, :old], self.time.out_features // old - 1), first[:, old:]], dim=1)
        self.load_state_dict({**weights, "condition.0.weight": grown})


class Cache(NamedTuple):
    """What the blocks know of some sequences."""

    blocks: tuple[Past, ...]
    heads: int

    @property
    def steps(self) -> int:
        """Steps so far."""
        pairs = self.blocks[0].pairs
        return 0 if pairs is None else pairs[0].shape[1]

    def select(self, rows: Tensor) -> "Cache":
        """The cache of some sequences.

        Args:
            rows: row numbers, shape (b,).
        """
        flat = (rows[:, None] * self.heads + torch.arange(self.heads, device=rows.device)).flatten()
        return Cache(tuple(_selected(past, rows, flat) for past in self.blocks), self.heads)


def _selected(past: Past, rows: Tensor, flat: Tensor) -> Past:
    pairs = None if past.pairs is None else (past.pairs[0][flat], past.pairs[1][flat])
    return Past(past.modulation[rows], pairs)


class SequenceTransformer(nn.Module):
    """Causal transformer over sequences of kinds with given values at every step.

    Args:
        tokens: kinds, the start mark included.
        classes: size of the output at each step.
        levels: each step carries integers, given as one-hot columns of these sizes.
        context: size C of the context of a sequence.
        width: features of a step inside.
        depth: blocks.
        heads: attention heads.
        longest: steps with a position of their own; later ones share the last.
        dropout: see `nets.layers.ModulatedBlock`.
    """

    def __init__(
        self,
        tokens: int,
        classes: int,
        levels: tuple[int, ...],
        context: int,
        *,
        width: int = 96,
        depth: int = 3,
        heads: int = 4,
        longest: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.longest, self.heads = longest, heads
        self.kinds = nn.Embedding(tokens, width)
        self.positions = nn.Embedding(longest, width)
        self.level_sizes = levels
        self.levels = nn.Linear(sum(levels), width, bias=False)
        self.embed = Fourier(context)
        self.condition = mlp(self.embed.out_features, width, width)
        self.blocks = nn.ModuleList(ModulatedBlock(width, heads, dropout=dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(width, classes)

    def forward(self, tokens: Tensor, levels: Tensor, context: Tensor) -> Tensor:
        """Logits of what follows each step, shape (B, L, classes).

        Args:
            tokens: shape (B, L).
            levels: integers of each step, shape (B, L, number of levels).
            context: shape (B, C).
        """
        steps = tokens.shape[1]
        causal = torch.full((1, steps, steps), float("-inf"), device=tokens.device).triu(1)
        condition = self._condition(context)
        h = self._inputs(tokens, levels, 0)
        for block in self.blocks:
            h = block(h, condition, causal)
        logits: Tensor = self.outputs(self.norm(h))
        return logits

    def begin(self, context: Tensor) -> Cache:
        """The cache before the first step.

        Args:
            context: shape (B, C).
        """
        condition = self._condition(context)
        return Cache(tuple(block.begin(condition) for block in self._modulated()), self.heads)

    def step(self, token: Tensor, levels: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """Logits of what follows one more step, shape (B, classes), and the longer cache.

        Args:
            token: shape (B,).
            levels: shape (B, number of levels).
            cache: of the steps before.
        """
        h = self._inputs(token[:, None], levels[:, None], cache.steps)
        kept = []
        for block, past in zip(self._modulated(), cache.blocks, strict=True):
            h, longer = block.step(h, past)
            kept.append(longer)
        logits: Tensor = self.outputs(self.norm(h[:, 0]))
        return logits, Cache(tuple(kept), self.heads)

    def _modulated(self) -> Iterator[ModulatedBlock]:
        for block in self.blocks:
            assert isinstance(block, ModulatedBlock)
            yield block

    def _condition(self, context: Tensor) -> Tensor:
        return functional.silu(self.condition(self.embed(context)))

    def _inputs(self, tokens: Tensor, levels: Tensor, start: int) -> Tensor:
        positions = torch.arange(start, start + tokens.shape[1], device=tokens.device).clamp(max=self.longest - 1)
        h = self.kinds(tokens) + self.positions(positions)
        columns = [functional.one_hot(levels[..., i], size) for i, size in enumerate(self.level_sizes)]
        out: Tensor = h + self.levels(torch.cat(columns, dim=-1).to(h.dtype))
        return out
