"""A causal transformer over vectors: all steps at once for training, one after the other with a cache for sampling."""

import torch
from torch import Tensor, nn

from cloudchamber.nets.layers import ModulatedBlock, Past

__all__ = ["CausalTrunk"]


class CausalTrunk(nn.Module):
    """Vectors -> features of each that depend on itself and those before it.

    Args:
        width: features D of a step.
        depth: blocks.
        heads: attention heads.
        expansion: hidden width of the feed-forward parts in units of the width.
        dropout: see `ModulatedBlock`.
    """

    def __init__(self, width: int, depth: int, heads: int = 4, expansion: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ModulatedBlock(width, heads, expansion, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs: Tensor, condition: Tensor) -> Tensor:
        """Features of all steps, shape (B, N, D).

        Args:
            inputs: shape (B, N, D).
            condition: of each sequence, shape (B, D).
        """
        steps = inputs.shape[1]
        causal = torch.full((1, steps, steps), float("-inf"), device=inputs.device).triu(1)
        h = inputs
        for block in self.blocks:
            h = block(h, condition, causal)
        features: Tensor = self.norm(h)
        return features

    def begin(self, condition: Tensor) -> list[Past]:
        """What the blocks know before the first step.

        Args:
            condition: of each sequence, shape (B, D).
        """
        return [block.begin(condition) for block in self._modulated()]

    def step(self, inputs: Tensor, past: list[Past]) -> Tensor:
        """Features of one more step, shape (B, D); `past` is brought up to date.

        Args:
            inputs: shape (B, D).
            past: of the steps before.
        """
        h = inputs[:, None]
        for place, block in enumerate(self._modulated()):
            h, past[place] = block.step(h, past[place])
        features: Tensor = self.norm(h[:, 0])
        return features

    def _modulated(self) -> list[ModulatedBlock]:
        return [block for block in self.blocks if isinstance(block, ModulatedBlock)]
