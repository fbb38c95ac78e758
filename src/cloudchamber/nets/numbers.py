"""A causal transformer over a fixed sequence of numbers, each of a meaning of its own, some of them angles."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.layers import ModulatedBlock, mlp
from cloudchamber.nets.transformer import Cache

__all__ = ["NumberTransformer"]

_LOWEST, _HIGHEST = 0.5, 6.0


class NumberTransformer(nn.Module):
    """(numbers, what is told, context) -> a vector for each number that depends on the numbers before it.

    Args:
        circular: which of the L numbers are angles.
        told: size T of what is told before each number.
        context: size C of the context of a sequence.
        outputs: size O of the vector for each number.
        width: features of a step inside.
        depth: blocks.
        heads: attention heads.
        frequencies: of the features of a number, harmonics for angles.
        dropout: see `nets.layers.ModulatedBlock`.
    """

    frequencies: Tensor

    def __init__(
        self, circular: Sequence[bool], told: int, context: int, outputs: int, *, width: int = 64, depth: int = 3,
        heads: int = 4, frequencies: int = 6, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.circular = tuple(circular)
        self.heads = heads
        waves = torch.linspace(0, 1, frequencies)
        of_line = _LOWEST * (_HIGHEST / _LOWEST) ** waves
        of_circle = torch.arange(1.0, frequencies + 1)
        rows = [of_circle if angle else of_line for angle in circular]
        self.register_buffer("frequencies", torch.stack(rows), persistent=False)
        self.inputs = nn.ModuleList(nn.Linear(1 + 2 * frequencies, width) for _ in circular[:-1])
        self.told = nn.Linear(told, width)
        self.positions = nn.Embedding(len(circular), width)
        self.condition = mlp(context, width, width)
        self.blocks = nn.ModuleList(ModulatedBlock(width, heads, dropout=dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.ModuleList(nn.Linear(width, outputs) for _ in circular)

    def forward(self, x: Tensor, told: Tensor, context: Tensor) -> list[Tensor]:
        """Vectors for all numbers, each of shape (B, O).

        Args:
            x: numbers, shape (B, L); later ones may be missing.
            told: shape (B, L, T).
            context: shape (B, C).
        """
        steps = x.shape[1]
        with _precisely(x):
            earlier = [self._embedded(column, x[:, column]) for column in range(steps - 1)]
            told = self.told(told)
            h = torch.stack([torch.zeros_like(told[:, 0]), *earlier], dim=1) + told + self.positions.weight[:steps]
        causal = torch.full((1, steps, steps), float("-inf"), device=x.device).triu(1)
        condition = self._condition(context)
        for block in self.blocks:
            h = block(h, condition, causal)
        with _precisely(x):
            columns = self.norm(h.float()).unbind(1)
            return [output(column) for output, column in zip(self.outputs, columns, strict=False)]

    def begin(self, context: Tensor) -> Cache:
        """The cache before the first number.

        Args:
            context: shape (B, C).
        """
        condition = self._condition(context)
        return Cache(tuple(cast(ModulatedBlock, block).begin(condition) for block in self.blocks), self.heads)

    def step(self, before: Tensor | None, told: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """The vector for the next number, shape (B, O), and the longer cache.

        Args:
            before: the number before it, shape (B,); None at the first.
            told: shape (B, T).
            cache: of the numbers before.
        """
        column = cache.steps
        h = self.told(told) + self.positions.weight[column]
        if before is not None:
            h = h + self._embedded(column - 1, before)
        h, kept = h[:, None], []
        for block, past in zip(self.blocks, cache.blocks, strict=True):
            h, longer = cast(ModulatedBlock, block).step(h, past)
            kept.append(longer)
        out: Tensor = self.outputs[column](self.norm(h[:, 0]))
        return out, Cache(tuple(kept), self.heads)

    def _condition(self, context: Tensor) -> Tensor:
        return functional.silu(self.condition(context))

    def _embedded(self, column: int, x: Tensor) -> Tensor:
        angles = x[:, None] * self.frequencies[column]
        first = torch.zeros_like(x) if self.circular[column] else x
        out: Tensor = self.inputs[column](torch.cat([first[:, None], angles.sin(), angles.cos()], dim=1))
        return out


def _precisely(x: Tensor) -> torch.autocast:
    """No rounding to bfloat16 where numbers come in and mixtures go out."""
    return torch.autocast(x.device.type, enabled=False)
