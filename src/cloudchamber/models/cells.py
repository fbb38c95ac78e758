r"""Hits in cells, one after the other: layer after layer, and in each layer from the largest amount down.

With the number n_l of hits of each layer and the amount A_l that they share,

    p(hits | n, A, c) = prod_k p(b_k | before) p(i_k | b_k, before) p(j_k | i_k, b_k, before)

where b_k is a bin of the share of the hit k in its layer (see `tensors.sticks` and `models.quantile_bins`), and
(i_k, j_k) its cell. The last hit of a layer has what is left. Cells that are taken, or that a layer has not, have
probability zero, so there are no two hits in one cell, and the amounts of a layer add up to its own.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.models.cell_hits import Hit, taken
from cloudchamber.models.cell_maps import HitPlaces, all_profiles
from cloudchamber.models.cell_sampling import draw_hits
from cloudchamber.models.quantile_bins import QuantileBins
from cloudchamber.nets.cells import CellNet
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng
from cloudchamber.tensors.sticks import Groups, falling_known, groups, last_share

__all__ = ["CellsModel", "Logits"]

Vary = Callable[[Batch, Rng], Batch]
_STEP = 1024
"""Numbers of hits are rounded up to multiples of this: matrix products of a new size cost time to prepare."""


class Logits(NamedTuple):
    """Of what the H real hits of a batch may be, shower after shower.

    Attributes:
        share: of the bins of their shares, shape (H, bins).
        first: of their first bins, shape (H, X).
        second: of their second bins, given the first ones, shape (H, Y).
        free: whether the share is not simply all that is left, shape (H,).
    """

    share: Tensor
    first: Tensor
    second: Tensor
    free: Tensor


class CellsModel(nn.Module):
    """Model of the hits of a batch: `x` (B, N, 4) holds both bins, the share and F of the share's score.

    `context` (B, C) ends with `profile` numbers for every layer, one kind after the other; `tokens` (B, N) are the
    layers, in rising order; `token_context` (B, N, 1) is the amount A of the hit's layer.

    Args:
        net: the network.
        bins: of the scores of shares.
        prior: logarithm of how often each cell has a hit, minus infinity where a layer has no such cell, (L, X, Y).
        profile: numbers for every layer in the context.
        vary: makes other rows for training, as likely as those it is given.
    """

    prior: Tensor
    first_prior: Tensor
    room: Tensor

    def __init__(self, net: CellNet, bins: QuantileBins, prior: Tensor, profile: int, vary: Vary) -> None:
        super().__init__()
        self.net, self.bins, self.kinds, self.vary = net, bins, profile, vary
        self.register_buffer("prior", prior.float(), persistent=False)
        self.register_buffer("first_prior", self.prior.logsumexp(-1), persistent=False)
        self.register_buffer("room", (self.prior > -torch.inf).sum(-1), persistent=False)

    @property
    def layers(self) -> int:
        """How many there are."""
        return len(self.prior)

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Minus the log-probability of each shower's bins of shares and cells.

        Args:
            rows: a batch.
            rng: for the variations; the loss itself is exact.
        """
        return {"nll": -self.log_prob(self.vary(rows, rng))}

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-probability of the bins of shares and the cells, shape (B,).

        Args:
            rows: a batch.
        """
        assert rows.mask is not None
        logits, x = self.logits(rows), rows.x[rows.mask]
        of_share = torch.where(logits.free, _log_p(logits.share, self.bins.find(x[:, 3].double())), 0.0)
        each = of_share + _log_p(logits.first, x[:, 0].long()) + _log_p(logits.second, x[:, 1].long())
        row = rows.mask.nonzero()[:, 0]
        return torch.zeros(len(rows), device=each.device).index_add(0, row, each)

    def logits(self, rows: Batch) -> Logits:
        """What the model says of every hit, given those before it.

        Args:
            rows: a batch.
        """
        assert rows.mask is not None
        assert rows.tokens is not None
        assert rows.context is not None
        assert rows.token_context is not None
        grouped, shares = groups(rows.tokens, rows.mask, self.layers), rows.x[..., 2].double()
        hit = _known(shares, grouped, rows.token_context[..., 0])
        index = _packed(rows.mask)
        hit, layer, shares = hit.take(index), taken(rows.tokens, index), taken(shares, index)
        first, second = (taken(rows.x[..., axis], index).long() for axis in (0, 1))
        row, told, size = index // rows.mask.shape[1], self.net.told(hit.of(shares)), hit.map_size(shares)
        places = HitPlaces(row, layer, hit.rank, first, second, size)
        seen = all_profiles(places, len(rows), self.layers, self.net.shape)
        summed = _summed(self.net.describe(first, second, told), index, rows.mask, grouped)
        planned = self.net.plan(summed.before, self.profile(rows.context), rows.context)
        current = taken(summed.so_far, index) - summed.starts[row, layer]
        u = self.net.next_hit(planned[row, layer], current, hit.numbers)
        of_first = self.net.first_bin(u, told, seen.first) + self.first_prior[layer]
        of_second = self.net.second_bin(u, told, first, seen.second) + self.prior[layer, first]
        number = int(rows.mask.sum())
        return Logits(
            self.net.amount(u)[:number],
            of_first.masked_fill(seen.number >= self.room[layer], -torch.inf)[:number],
            of_second.masked_fill(seen.taken, -torch.inf)[:number],
            hit.free[:number],
        )

    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """New x under the conditions of a batch, float64; padding is zero.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream; four uniform numbers for each hit.
        """
        with torch.inference_mode():
            x = draw_hits(self, given, rng)
        return x.clone()  # gradients may need what is made of it

    def profile(self, context: Tensor) -> Tensor:
        """What is known of each layer, shape (B, L, profile).

        Args:
            context: of the showers, shape (B, C).
        """
        return context[:, -self.kinds * self.layers :].reshape(-1, self.kinds, self.layers).transpose(1, 2)


def _known(shares: Tensor, grouped: Groups, amount: Tensor) -> Hit:
    """What is known of hits before their amounts."""
    known = falling_known(shares, grouped)
    before = torch.minimum(last_share(shares, grouped), known.left)
    return Hit(known, before, grouped.rank, grouped.size, amount)


class _Summed(NamedTuple):
    """Sums of the vectors of hits.

    Attributes:
        before: over the hits of the layer before, shape (B, L, D).
        starts: over all hits before a layer, shape (B, L, D).
        so_far: over all hits before a hit, shape (B, N, D).
    """

    before: Tensor
    starts: Tensor
    so_far: Tensor


def _summed(each: Tensor, index: Tensor, mask: Tensor, grouped: Groups) -> _Summed:
    number, width = int(mask.sum()), each.shape[1]
    padded = each.new_zeros(mask.numel(), width, dtype=torch.float32).index_copy(
        0, index[:number], each[:number].float()
    )
    total = functional.pad(padded.view(*mask.shape, width).cumsum(1), (0, 0, 1, 0))
    starts = _at(total, grouped.starts)
    layers = _at(total, grouped.starts + grouped.sizes) - starts
    return _Summed(functional.pad(layers[:, :-1], (0, 0, 1, 0)), starts, total[:, :-1])


def _at(values: Tensor, index: Tensor) -> Tensor:
    """Some of the vectors (B, M, D), at (B, N)."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def _packed(mask: Tensor) -> Tensor:
    """Places of the real elements (B, N) in the flat order, and the first one again up to a round number of them."""
    index = mask.flatten().nonzero()[:, 0]
    return torch.cat([index, index[:1].expand(-len(index) % _STEP)])


def _log_p(logits: Tensor, chosen: Tensor) -> Tensor:
    return logits.float().log_softmax(-1).gather(-1, chosen[..., None])[..., 0]
