r"""Layers shared by the networks.

Attention is written as matmul, softmax, matmul: for sets of tens of elements on a CPU this trains several times faster
than the fused kernel, and it takes any additive bias.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Attention", "ModulatedBlock", "mask_bias", "mlp"]


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers with SiLU between them.

    Args:
        *sizes: widths, from input to output.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def mask_bias(mask: Tensor) -> Tensor:
    """Additive attention bias that hides padding, shape (B, 1, 1, N).

    Args:
        mask: real elements, shape (B, N).
    """
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, float("-inf"))[:, None, None, :]


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
            bias: added to the attention logits, broadcastable to (B, H, N, N); -inf hides an element.
        """
        q, k, v = self.split(x)
        return self.mix(q, k, v, bias)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each of shape (B, H, N, D / H).

        Args:
            x: shape (B, N, D).
        """
        batch, n, width = x.shape
        q, k, v = self.qkv(x).view(batch, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        return q, k, v

    def mix(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """Attention output of queries over keys and values, shape (B, N, D).

        Args:
            q: shape (B, H, N, D / H).
            k: shape (B, H, M, D / H).
            v: shape (B, H, M, D / H).
            bias: broadcastable to (B, H, N, M).
        """
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        weights = (logits + bias).softmax(-1).to(v.dtype)
        mixed = (weights @ v).transpose(1, 2).flatten(2)
        projected: Tensor = self.out(mixed)
        return projected


class ModulatedBlock(nn.Module):
    """A pre-norm transformer block whose normalisations are shifted, scaled and gated by a condition.

    The gates start at zero, so a deep stack starts as the identity (adaptive layer norm, arXiv:2212.09748).

    Args:
        width: features D of an element.
        heads: attention heads.
        expansion: hidden width of the feed-forward part in units of D.
    """

    def __init__(self, width: int, heads: int, expansion: int = 4) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width)
        )
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
        x = torch.addcmul(x, gate1, self.attention(_modulated(x, shift1, scale1), bias))
        return torch.addcmul(x, gate2, self.feed_forward(_modulated(x, shift2, scale2)))

    def step(
        self, x: Tensor, condition: Tensor, before: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One block for one more element of a causal sequence.

        Args:
            x: the new element, shape (B, 1, D).
            condition: shape (B, D).
            before: keys and values of the elements before it, each of shape (B, H, n, D / H).

        Returns:
            The new element's features, and the keys and values with its own appended.
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition)[:, None, :].chunk(6, dim=-1)
        q, k, v = self.attention.split(_modulated(x, shift1, scale1))
        if before is not None:
            k, v = torch.cat([before[0], k], dim=2), torch.cat([before[1], v], dim=2)
        x = torch.addcmul(x, gate1, self.attention.mix(q, k, v, x.new_zeros(())))
        return torch.addcmul(x, gate2, self.feed_forward(_modulated(x, shift2, scale2))), (k, v)


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm of x, scaled by 1 + scale and shifted."""
    return torch.addcmul(shift, functional.layer_norm(x, x.shape[-1:]), 1 + scale)
