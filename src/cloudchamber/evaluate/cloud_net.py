"""A transformer that tells two samples of events apart by their particles.

Everything that is known of two-sample physics by construction is easy for it to form: sums over particles come in a
token of the event beside the particles, sums over pairs are pooled into the same token, and the pairs also bias the
attention, as in arXiv:2202.03772.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cloudchamber.nets.layers import ModulatedBlock, mask_bias, mlp

__all__ = ["CloudClassifier", "CloudTensors"]


class CloudTensors(NamedTuple):
    """A padded batch of events."""

    particles: Tensor
    """Features of the particles, shape (B, N, F)."""
    kinds: Tensor
    """Number of the species, shape (B, N)."""
    mask: Tensor
    """Real particles, shape (B, N)."""
    pairs: Tensor
    """Features of the pairs, shape (B, N, N, P)."""
    mass_bins: Tensor
    """Number of the bin of the pair's mass, shape (B, N, N)."""
    event: Tensor
    """Features of the event, shape (B, E)."""


class CloudClassifier(nn.Module):
    """Events -> logit of being the candidate's; permuting particles changes nothing, padding is never seen.

    Args:
        features: sizes F, P and E of the features of a particle, a pair and the event.
        kinds: number of species.
        bins: number of bins of the pair mass.
        width: features of a particle inside.
        depth: transformer blocks.
        heads: attention heads.
        channels: features of a pair inside.
    """

    def __init__(
        self, features: tuple[int, int, int], kinds: int, bins: int, *, width: int = 32, depth: int = 2,
        heads: int = 4, channels: int = 16,
    ) -> None:  # fmt: skip
        super().__init__()
        particle, pair, event = features
        self.heads = heads
        self.particle = nn.Linear(particle, width)
        self.kind = nn.Embedding(kinds, width)
        self.pair = nn.Linear(pair, channels)
        self.pair_kind = nn.Embedding(kinds, channels)
        self.pair_mass = nn.Embedding(bins, channels)
        self.pair_bias = nn.Linear(channels, heads)
        self.event = mlp(event + kinds + channels, 2 * width, width)
        self.blocks = nn.ModuleList(ModulatedBlock(width, heads, 2) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.output = mlp(3 * width, width, 1)

    def forward(self, given: CloudTensors) -> Tensor:
        """Logits, shape (B,).

        Args:
            given: the events.
        """
        real = given.mask[..., None].float()
        counts = nn.functional.one_hot(given.kinds, self.kind.num_embeddings) * real
        kind = self.pair_kind(given.kinds)
        hidden = self.pair(given.pairs) + self.pair_mass(given.mass_bins) + kind[:, :, None] + kind[:, None]
        hidden = nn.functional.relu(hidden)
        both = torch.triu(real @ real.transpose(1, 2), 1)[..., None]
        pooled = (hidden * both).sum((1, 2)) / 50
        condition = self.event(torch.cat([given.event, counts.sum(1) / 5, pooled], dim=-1))
        bias = self.pair_bias(hidden).permute(0, 3, 1, 2).flatten(0, 1) + mask_bias(given.mask, self.heads)
        h = self.particle(given.particles) + self.kind(given.kinds)
        for block in self.blocks:
            h = block(h, condition, bias)
        h = self.norm(h) * real
        size = real.sum(1)
        logits: Tensor = self.output(torch.cat([h.sum(1) / 20, h.sum(1) / size, condition], dim=-1))
        return logits[:, 0]
