r"""Layers shared by the networks.

Attention is written as matmul, softmax, matmul: for sets of tens of elements on a CPU this trains several times faster
than the fused kernel, and it takes any additive bias.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Attention", "ModulatedBlock", "Past", "QueriesKeysValues", "mask_bias", "mlp"]


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers with SiLU between them.

    Args:
        *sizes: widths, from input to output.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def mask_bias(mask: Tensor, heads: int) -> Tensor:
    """Additive attention bias that hides padding, shape (B H, 1, N).

    Args:
        mask: real elements, shape (B, N).
        heads: number H of attention heads.
    """
    bias = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, float("-inf"))
    return bias[:, None, None, :].expand(-1, heads, -1, -1).flatten(0, 1)


class QueriesKeysValues(NamedTuple):
    """Inputs of attention, each of shape (B H, N, D / H): batch and heads share a dimension."""

    q: Tensor
    k: Tensor
    v: Tensor


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        width: features D of an element.
        heads: number H of heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Mix elements.

        Args:
            x: shape (B, N, D).
            bias: added to the attention logits, broadcastable to (B H, N, N); -inf hides an element.
        """
        return self.mix(self.split(x), bias)

    def split(self, x: Tensor) -> QueriesKeysValues:
        """Queries, keys and values of each element.

        Args:
            x: shape (B, N, D).
        """
        batch, n, width = x.shape
        heads = self.qkv(x).view(batch, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        return QueriesKeysValues(*heads.reshape(3, batch * self.heads, n, width // self.heads))

    def mix(self, given: QueriesKeysValues, bias: Tensor) -> Tensor:
        """Attention output of N queries over M keys and values, shape (B, N, D).

        Args:
            given: queries of shape (B H, N, D / H), keys and values of shape (B H, M, D / H).
            bias: broadcastable to (B H, N, M).
        """
        q, k, v = given
        logits = torch.baddbmm(bias.to(q.dtype), q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5)
        mixed = torch.bmm(logits.softmax(-1).to(v.dtype), v)
        projected: Tensor = self.out(mixed.view(-1, self.heads, *mixed.shape[1:]).transpose(1, 2).flatten(2))
        return projected


class ModulatedBlock(nn.Module):
    """A pre-norm transformer block whose normalisations are shifted, scaled and gated by a condition.

    The gates start at zero, so a deep stack starts as the identity (adaptive layer norm, arXiv:2212.09748).

    Args:
        width: features D of an element.
        heads: attention heads.
        expansion: hidden width of the feed-forward part in units of D.
        dropout: share of the numbers that training leaves out of what both parts add.
    """

    def __init__(self, width: int, heads: int, expansion: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width)
        )
        self.dropout = nn.Dropout(dropout)
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor, bias: Tensor) -> Tensor:
        """One block.

        Args:
            x: shape (B, N, D).
            condition: shape (B, D).
            bias: attention bias, see `Attention.forward`.
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition)[:, None, :].chunk(6, dim=-1)
        x = torch.addcmul(x, gate1, self.dropout(self.attention(_modulated(x, shift1, scale1), bias)))
        return torch.addcmul(x, gate2, self.dropout(self.feed_forward(_modulated(x, shift2, scale2))))

    def begin(self, condition: Tensor) -> "Past":
        """What a causal sequence has seen before its first element.

        Args:
            condition: shape (B, D).
        """
        return Past(self.modulation(condition)[:, None, :], None)

    def step(self, x: Tensor, past: "Past") -> tuple[Tensor, "Past"]:
        """One block for one more element of a causal sequence.

        Args:
            x: the new element, shape (B, 1, D).
            past: of the elements before it.

        Returns:
            The new element's features, and the past of the next one.
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = past.modulation.chunk(6, dim=-1)
        q, k, v = self.attention.split(_modulated(x, shift1, scale1))
        if past.pairs is not None:
            k, v = torch.cat([past.pairs[0], k], dim=1), torch.cat([past.pairs[1], v], dim=1)
        x = torch.addcmul(x, gate1, self.attention.mix(QueriesKeysValues(q, k, v), x.new_zeros(1, 1, 1)))
        x = torch.addcmul(x, gate2, self.feed_forward(_modulated(x, shift2, scale2)))
        return x, Past(past.modulation, (k, v))


class Past(NamedTuple):
    """What a block knows of a causal sequence when its next element comes.

    Attributes:
        modulation: shifts, scales and gates from the condition, shape (B, 1, 6 D).
        pairs: keys and values of the elements so far, each of shape (B H, n, D / H); None before the first.
    """

    modulation: Tensor
    pairs: tuple[Tensor, Tensor] | None


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm of x, scaled by 1 + scale and shifted."""
    return torch.addcmul(shift, functional.layer_norm(x, x.shape[-1:]), 1 + scale)
