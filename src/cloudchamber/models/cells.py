r"""Hits in cells, one after the other: layer after layer, and in each layer from the largest amount down.

With the number n_l of hits of each layer and the amount A_l that they share,

    p(hits | n, A, c) = prod_k p(b_k | before) p(i_k | b_k, before) p(j_k | i_k, b_k, before)

where b_k is a bin of the share of the hit k in its layer (see `tensors.sticks` and `models.quantile_bins`) and (i_k, j_k)
its cell. The last hit of a layer has what is left. Cells that are taken, or that a layer has not, have probability zero,
so there are no two hits in one cell, and the amounts of a layer add up to its own.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.models.cell_maps import HitPlaces, LayerMaps, MapsAt, all_profiles
from cloudchamber.models.quantile_bins import QuantileBins, drawn
from cloudchamber.nets.cells import CellNet
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng
from cloudchamber.tensors.sticks import (
    Groups,
    Sticks,
    falling,
    falling_known,
    groups,
    last_share,
    share,
    share_row,
)

__all__ = ["AMOUNTS", "NUMBERS", "CellsModel", "Logits"]

Vary = Callable[[Batch, Rng], Batch]

AMOUNTS, NUMBERS = 3, 8
"""Numbers that describe the amount of a hit, and a hit before its amount is known."""
_PRESENT = 0.3
"""Added to the logarithm of an amount in a map, so that small amounts differ from none."""
_LEAST = 1e-9
_ROWS = 16
"""Numbers of showers that are made at once are rounded up to multiples of this, as those of hits in training."""


class _Hit(NamedTuple):
    """What is known of hits before their amounts.

    Attributes:
        sticks: of their shares, shape (...) each.
        before: share before, shape (...).
        rank: place in the layer, shape (...).
        size: hits of the layer, shape (...).
        amount: of the layer, shape (...).
    """

    sticks: Sticks
    before: Tensor
    rank: Tensor
    size: Tensor
    amount: Tensor

    @property
    def free(self) -> Tensor:
        """Whether the share is not simply all that is left, shape (...)."""
        return self.size - self.rank > 1

    @property
    def numbers(self) -> Tensor:
        """That describe them, about of unit size, shape (..., 8), float32."""
        left, low, high = self.sticks
        sizes = [torch.log1p(part * self.amount) / 2 - 1 for part in (left, low, high, self.before)]
        ratio = (high.clamp(min=_LEAST) / low.clamp(min=_LEAST)).log().clamp(max=8) - 1
        counts = [(self.size - self.rank).log() - 1, self.size.log() - 1.5, (self.rank + 1).log() - 1]
        return torch.stack([*sizes, ratio, *counts], dim=-1).float()

    def take(self, index: Tensor) -> "_Hit":
        """Some hits, by places in the flat order."""
        parts = (_taken(part, index) for part in self[1:])
        return _Hit(Sticks(*(_taken(part, index) for part in self.sticks)), *parts)

    def of(self, shares: Tensor) -> Tensor:
        """Numbers that describe amounts, shape (..., 3), float32.

        Args:
            shares: of the hits, shape (...).
        """
        low = self.sticks.low.clamp(min=_LEAST)
        parts = [
            torch.log1p(shares * self.amount) / 2 - 1,
            shares.clamp(min=1e-5).log() / 2 + 1,
            (shares.clamp(min=_LEAST) / low).log().clamp(max=8) - 1,
        ]
        return torch.stack(parts, dim=-1).float()


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

    def __init__(self, net: CellNet, bins: QuantileBins, prior: Tensor, profile: int, vary: Vary) -> None:
        super().__init__()
        self.net, self.bins, self.kinds, self.vary = net, bins, profile, vary
        self.register_buffer("prior", prior.float(), persistent=False)

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
        hit, layer, shares = hit.take(index), _taken(rows.tokens, index), _taken(shares, index)
        first, second = (_taken(rows.x[..., axis], index).long() for axis in (0, 1))
        row, amount, size = index // rows.mask.shape[1], hit.of(shares), self._size(shares, hit.amount)
        places = HitPlaces(row, layer, hit.rank, first, second, size)
        seen = all_profiles(places, len(rows), self.layers, self.net.shape)
        summed = _summed(self.net.describe(first, second, amount), index, rows.mask, grouped)
        planned = self.net.plan(summed.before, self._profile(rows.context), rows.context)
        current = _taken(summed.so_far, index) - summed.starts[row, layer]
        u = self.net.next_hit(planned[row, layer], current, hit.numbers)
        of_first = self.net.first_bin(u, amount, seen.first) + self._first_prior[layer]
        of_second = self.net.second_bin(u, amount, first, seen.second) + self.prior[layer, first]
        number = int(rows.mask.sum())
        return Logits(
            self.net.amount(u)[:number],
            of_first.masked_fill(self._full(seen.number, layer), -torch.inf)[:number],
            of_second.masked_fill(seen.taken, -torch.inf)[:number],
            hit.free[:number],
        )

    @torch.no_grad()
    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """New x under the conditions of a batch; padding is zero.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream; four uniform numbers for each hit.
        """
        assert given.mask is not None
        assert given.tokens is not None
        assert given.context is not None
        assert given.token_context is not None
        grouped, device = groups(given.tokens, given.mask, self.layers), given.context.device
        draws, x = rng.uniform(given.tokens.shape[1], 4), torch.zeros(*given.tokens.shape, 4, device=device).double()
        profile, past = self._profile(given.context), self.net.begin(given.context)
        maps = LayerMaps(len(x), self.net.shape, device)
        pooled = torch.zeros(len(x), self.net.width, device=device)
        for layer in range(self.layers):
            known = self.net.step(pooled, profile[:, layer], layer, past)
            pooled = torch.zeros_like(pooled)
            sizes, starts = grouped.sizes[:, layer], grouped.starts[:, layer]
            order = torch.argsort(sizes, descending=True, stable=True)
            state = _Open(torch.ones_like(sizes).double(), torch.full_like(sizes, 2.0, dtype=torch.float64), pooled)
            for rank in range(int(sizes.max())):
                number = int((sizes > rank).sum())
                rows = order[: -(-number // _ROWS) * _ROWS]
                place = (starts[rows] + rank).clamp(max=x.shape[1] - 1)
                hit = state.hit(rows, rank, sizes[rows], given.token_context[rows, place, 0])
                made = self._hit(layer, hit, known[rows], pooled[rows], maps.at(rows), draws[rows, place]).first(number)
                rows, place = rows[:number], place[:number]
                x[rows, place] = made.x
                pooled[rows] += made.described
                maps.add(rows, made.x[:, 0].long(), made.x[:, 1].long(), made.size)
                state.take(rows, made.x[:, 2])
            maps.next_layer()
        return x

    def _hit(self, layer: int, hit: _Hit, known: Tensor, current: Tensor, maps: MapsAt, draws: Tensor) -> "_Made":
        """One more hit of some showers."""
        u = self.net.next_hit(known, current, hit.numbers)
        cumulative = self.bins.cumulative(drawn(self.net.amount(u), draws[:, 0]), draws[:, 1])
        kind = share_row(hit.rank, hit.size)
        shares = torch.where(hit.free, share(self.bins.values(cumulative, kind), hit.sticks), hit.sticks.left)
        amount = hit.of(shares)
        logits = self.net.first_bin(u, amount, maps.first()) + self._first_prior[layer]
        first = drawn(logits.masked_fill(self._full(maps.number(), layer), -torch.inf), draws[:, 2])
        logits = self.net.second_bin(u, amount, first, maps.second(first)) + self.prior[layer, first]
        second = drawn(logits.masked_fill(maps.taken(first), -torch.inf), draws[:, 3])
        x = torch.stack([first.double(), second.double(), shares, cumulative], dim=-1)
        return _Made(x, self._size(shares, hit.amount), self.net.describe(first, second, amount).to(current.dtype))

    @property
    def _first_prior(self) -> Tensor:
        return self.prior.logsumexp(-1)

    def _full(self, number: Tensor, layer: Tensor | int) -> Tensor:
        """First bins of which all cells have a hit."""
        return number >= (self.prior > -torch.inf).sum(-1)[layer]

    def _profile(self, context: Tensor) -> Tensor:
        """What is known of each layer, shape (B, L, profile)."""
        return context[:, -self.kinds * self.layers :].unflatten(1, (self.kinds, self.layers)).transpose(1, 2)

    @staticmethod
    def _size(shares: Tensor, amount: Tensor) -> Tensor:
        return (torch.log1p(shares * amount) / 3 + _PRESENT).float()


class _Made(NamedTuple):
    """New hits: x (b, 4), what is summed in maps (b,), and as vectors (b, D)."""

    x: Tensor
    size: Tensor
    described: Tensor

    def first(self, number: int) -> "_Made":
        """The first ones."""
        return _Made(*(part[:number] for part in self))


class _Open(NamedTuple):
    """A layer that is being filled: what is left and the last share of each shower, shape (B,), and its hits."""

    left: Tensor
    last: Tensor
    pooled: Tensor

    def hit(self, rows: Tensor, rank: int, size: Tensor, amount: Tensor) -> _Hit:
        """The next hits of some showers."""
        left, ranks = self.left[rows], torch.full_like(size, rank)
        sticks = falling(left, self.last[rows], (size - ranks).clamp(min=1))
        return _Hit(sticks, torch.minimum(self.last[rows], left), ranks, size.clamp(min=rank + 1), amount)

    def take(self, rows: Tensor, shares: Tensor) -> None:
        """Break shares off."""
        self.left[rows] = (self.left[rows] - shares).clamp(min=0)
        self.last[rows] = shares


def _known(shares: Tensor, grouped: Groups, amount: Tensor) -> _Hit:
    """What is known of hits before their amounts."""
    known = falling_known(shares, grouped)
    before = torch.minimum(last_share(shares, grouped), known.left)
    return _Hit(known, before, grouped.rank, grouped.size, amount)


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
    padded = each.new_zeros(mask.numel(), width, dtype=torch.float32).index_copy(0, index[:number], each[:number].float())
    total = functional.pad(padded.view(*mask.shape, width).cumsum(1), (0, 0, 1, 0))
    starts = _at(total, grouped.starts)
    layers = _at(total, grouped.starts + grouped.sizes) - starts
    return _Summed(functional.pad(layers[:, :-1], (0, 0, 1, 0)), starts, total[:, :-1])


def _at(values: Tensor, index: Tensor) -> Tensor:
    """Some of the vectors (B, M, D), at (B, N)."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


_STEP = 1024
"""Numbers of hits are rounded up to multiples of this: matrix products of a new size cost time to prepare."""


def _packed(mask: Tensor) -> Tensor:
    """Places of the real elements (B, N) in the flat order, and the first one again up to a round number of them."""
    index = mask.flatten().nonzero()[:, 0]
    return torch.cat([index, index[:1].expand(-len(index) % _STEP)])


def _taken(values: Tensor, index: Tensor) -> Tensor:
    """Elements of (B, N, ...) at places in the flat order."""
    return values.flatten(0, 1)[index]


def _log_p(logits: Tensor, chosen: Tensor) -> Tensor:
    return logits.float().log_softmax(-1).gather(-1, chosen[..., None])[..., 0]
