"""Hits drawn one after the other: of a layer, the first hits of all showers at once, then the second ones, and so on.

In each layer the showers are sorted by their number of hits, so that those with another hit are always the first ones.
Numbers of showers that the network sees at once are rounded up: matrix products of a new size cost time to prepare.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from cloudchamber.models.cell_hits import Hit
from cloudchamber.models.cell_maps import Before, LayerMaps
from cloudchamber.models.quantile_bins import QuantileBins, drawn
from cloudchamber.nets.cells import CellNet
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng
from cloudchamber.tensors.sticks import Groups, falling, groups, share, share_row

__all__ = ["draw_hits"]

_ROWS = 16


class Teller(Protocol):
    """A model of hits in cells, see `models.cells.CellsModel`."""

    net: CellNet
    bins: QuantileBins
    prior: Tensor
    first_prior: Tensor
    room: Tensor

    def profile(self, context: Tensor) -> Tensor:
        """What is known of each layer, shape (B, L, profile)."""
        ...


def draw_hits(model: Teller, given: Batch, rng: Rng) -> Tensor:
    """New x under the conditions of a batch, shape (B, N, 4), float64; padding is zero.

    Args:
        model: of the hits.
        given: conditions; its x only gives the shape.
        rng: random stream; four uniform numbers for each hit.
    """
    assert given.mask is not None
    assert given.tokens is not None
    assert given.context is not None
    assert given.token_context is not None
    layers, device = len(model.prior), given.context.device
    grouped, draws = groups(given.tokens, given.mask, layers), rng.uniform(given.tokens.shape[1], 4)
    x = torch.zeros(*given.tokens.shape, 4, dtype=torch.float64, device=device)
    profile, past = model.profile(given.context), model.net.begin(given.context)
    before, pooled = Before(len(x), model.net.shape, device), torch.zeros(len(x), model.net.width, device=device)
    for layer in range(layers):
        known = model.net.step(pooled, profile[:, layer], layer, past)
        order = _order(grouped, layer)
        filling = _Filling(model, layer, order, known, before.of(order.rows))
        row, amount = order.rows[:, None].expand_as(order.real), given.token_context[..., 0]
        made = filling.fill(amount[order.rows, order.places[:, 0]], draws[row, order.places])
        x[row[order.real], order.places[order.real]] = made[order.real]
        pooled = torch.zeros_like(pooled).index_copy(0, order.rows, filling.pooled)
        before.next_layer(order.rows, filling.maps.size)
    return x


class _Order(NamedTuple):
    """Showers by their number of hits in a layer, most first.

    Attributes:
        rows: numbers of the showers, those with hits and a few more, shape (b,).
        sizes: hits of each, shape (b,).
        places: where their hits are in the batch, shape (b, n), n the most hits.
        real: which of these there are, shape (b, n).
    """

    rows: Tensor
    sizes: Tensor
    places: Tensor
    real: Tensor


def _order(grouped: Groups, layer: int) -> _Order:
    sizes, starts = grouped.sizes[:, layer], grouped.starts[:, layer]
    number, most = int((sizes > 0).sum()), max(int(sizes.max()), 1)
    rows = torch.argsort(sizes, descending=True, stable=True)[: _round(number)]
    rank = torch.arange(most, device=rows.device)
    places = (starts[rows, None] + rank).clamp(max=grouped.rank.shape[1] - 1)
    return _Order(rows, sizes[rows], places, rank < sizes[rows, None])


def _round(number: int) -> int:
    return -(-max(number, 1) // _ROWS) * _ROWS


class _Filling:
    """A layer of sorted showers that is being filled with hits."""

    def __init__(self, model: Teller, layer: int, order: _Order, known: Tensor, maps: LayerMaps) -> None:
        self.model, self.layer, self.sizes, self.maps = model, layer, order.sizes, maps
        self.known = known[order.rows]
        self.numbers = order.real.sum(0).tolist()
        self.pooled = torch.zeros_like(self.known, dtype=torch.float32)
        self.left = torch.ones(len(self.known), dtype=torch.float64, device=known.device)
        self.last = 2 * self.left

    def fill(self, amount: Tensor, draws: Tensor) -> Tensor:
        """All hits, x of shape (b, n, 4).

        Args:
            amount: of the layer, shape (b,).
            draws: uniform numbers, shape (b, n, 4).
        """
        x = torch.zeros(draws.shape, dtype=torch.float64, device=draws.device)
        for rank, number in enumerate(self.numbers):
            if number:
                x[:number, rank] = self._next(rank, number, amount, draws[:, rank])
        return x

    def _next(self, rank: int, number: int, amount: Tensor, draws: Tensor) -> Tensor:
        """One more hit of the first showers, x of shape (number, 4)."""
        net, seen = self.model.net, _round(number)
        hit, draws = self._known(rank, seen, amount), draws[:seen]
        u = net.next_hit(self.known[:seen], self.pooled[:seen], hit.numbers)
        cumulative = self.model.bins.cumulative(drawn(net.amount(u), draws[:, 0]), draws[:, 1])
        score = self.model.bins.values(cumulative, share_row(hit.rank, hit.size))
        shares = torch.where(hit.free, share(score, hit.sticks), hit.sticks.left)
        told = net.told(hit.of(shares))
        first = self._first(net.first_bin(u, told, self.maps.first(seen)), draws[:, 2])
        second = self._second(net.second_bin(u, told, first, self.maps.second(first)), first, draws[:, 3])
        described = net.describe(first, second, told)
        self.maps.add(first[:number], second[:number], hit.map_size(shares)[:number])
        self.pooled[:number] += described[:number]
        self.left[:number] = (self.left[:number] - shares[:number]).clamp(min=0)
        self.last[:number] = shares[:number]
        return torch.stack([first.double(), second.double(), shares, cumulative], dim=-1)[:number]

    def _known(self, rank: int, seen: int, amount: Tensor) -> Hit:
        """What is known of the next hits; rows that have no more are given one, which is not used."""
        size, left, last = self.sizes[:seen].clamp(min=rank + 1), self.left[:seen], self.last[:seen]
        ranks = torch.full_like(size, rank)
        return Hit(falling(left, last, size - ranks), torch.minimum(last, left), ranks, size, amount[:seen])

    def _first(self, logits: Tensor, draws: Tensor) -> Tensor:
        full = self.maps.number[: len(logits)] >= self.model.room[self.layer]
        return drawn((logits + self.model.first_prior[self.layer]).masked_fill(full, -torch.inf), draws)

    def _second(self, logits: Tensor, first: Tensor, draws: Tensor) -> Tensor:
        logits = logits + self.model.prior[self.layer, first]
        return drawn(logits.masked_fill(self.maps.taken(first), -torch.inf), draws)
