r"""What the next hit is told of the hits so far: profiles along both axes of a layer, for hits in layer l at bin i of

    M_1, M_2    the layers l - 1 and l - 2
    D           all layers before, D_l = M_{l-1} + rho D_{l-1}
    M_0, N_0    layer l so far

where M holds ln(1 + amount) + a constant of each hit and N counts hits. Along the first axis these are sums over the
second one; along the second axis they are the values at the bin i and the sums of those at i - 1 and i + 1.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["CHANNELS", "HitPlaces", "LayerMaps", "Profiles", "all_profiles"]

CHANNELS = (5, 10)
"""Profiles along the first and along the second axis."""
_KEPT = 0.7
"""The factor rho."""


class Profiles(NamedTuple):
    """Of T hits.

    Attributes:
        first: profiles along the first axis, shape (B, T, 5, X).
        second: along the second axis, shape (B, T, 10, Y).
        number: hits of the layer so far in each first bin, shape (B, T, X).
        taken: second bins of the hit's first bin that have a hit already, shape (B, T, Y).
    """

    first: Tensor
    second: Tensor
    number: Tensor
    taken: Tensor


class HitPlaces(NamedTuple):
    """Hits with padding at the end of each shower, layer after layer.

    Attributes:
        layer: shape (B, T).
        rank: place in the layer, shape (B, T).
        first: first bin, shape (B, T).
        second: second bin, shape (B, T).
        size: what is summed, zero on padding, shape (B, T).
        mask: real hits, shape (B, T).
    """

    layer: Tensor
    rank: Tensor
    first: Tensor
    second: Tensor
    size: Tensor
    mask: Tensor


def all_profiles(hits: HitPlaces, layers: int, shape: tuple[int, int]) -> Profiles:
    """Profiles that each hit is told of, for hits that are all known.

    Args:
        hits: B showers.
        layers: how many.
        shape: bins along both axes.
    """
    batch = len(hits.layer)
    maps = _maps(hits, layers, shape)  # (B, L, 3, X, Y)
    place = torch.arange(batch, device=hits.layer.device)[:, None] * layers + hits.layer
    along_first = maps.sum(-1).flatten(0, 1)[place]
    along_second = maps[:, :, 2].sum(-2).flatten(0, 1)[place]
    columns = functional.pad(maps.transpose(2, 3), (0, 0, 0, 0, 1, 1)).flatten(0, 2)  # first bins -1 to X
    column = place * (shape[0] + 2) + hits.first + 1
    own = _own_layer(hits, shape)
    first = torch.cat([along_first / 2, 0.3 * own.number[:, :, None], own.size[:, :, None]], dim=2)
    beside = columns[column - 1] + columns[column + 1]
    second = [columns[column], beside / 2, along_second[:, :, None] / 2, own.column]
    return Profiles(first, torch.cat(second, dim=2), own.number, own.column[:, :, 0] > 0)


class LayerMaps:
    """The same for showers that are made hit by hit.

    Args:
        batch: showers B.
        shape: bins X and Y along both axes.
        device: where the maps are.
    """

    def __init__(self, batch: int, shape: tuple[int, int], device: torch.device) -> None:
        self._before = torch.zeros(batch, 3, *shape, device=device)
        self._begin_layer()

    def first(self, rows: Tensor) -> Tensor:
        """Profiles along the first axis of some showers, shape (b, 5, X).

        Args:
            rows: numbers of the showers, shape (b,).
        """
        own = torch.stack([0.3 * self.number[rows], self._sum[rows]], dim=1)
        return torch.cat([self._along_first[rows] / 2, own], dim=1)

    def second(self, rows: Tensor, first: Tensor) -> Tensor:
        """Profiles along the second axis, shape (b, 10, Y).

        Args:
            rows: numbers of the showers, shape (b,).
            first: the first bins of their next hits, shape (b,).
        """
        last = self._before.shape[2] - 1
        down, up = (first - 1).clamp(min=0), (first + 1).clamp(max=last)
        has_down, has_up = (first > 0).float()[:, None], (first < last).float()[:, None]
        beside = self._before[rows, :, down] * has_down[..., None] + self._before[rows, :, up] * has_up[..., None]
        near = self._size[rows, down] * has_down + self._size[rows, up] * has_up
        own = torch.stack([self._taken[rows, first], self._size[rows, first], near], dim=1)
        along = self._along_second[rows][:, None] / 2
        return torch.cat([self._before[rows, :, first], beside / 2, along, own], dim=1)

    def taken(self, rows: Tensor, first: Tensor) -> Tensor:
        """Second bins that have a hit, shape (b, Y).

        Args:
            rows: numbers of the showers, shape (b,).
            first: first bins, shape (b,).
        """
        return self._taken[rows, first] > 0

    def add(self, rows: Tensor, first: Tensor, second: Tensor, size: Tensor) -> None:
        """One more hit in each of some showers.

        Args:
            rows: numbers of the showers, each once, shape (b,).
            first: first bins, shape (b,).
            second: second bins, shape (b,).
            size: ln(1 + amount) + a constant, shape (b,).
        """
        self._taken[rows, first, second] = 1.0
        self._size[rows, first, second] = size
        self.number[rows, first] += 1
        self._sum[rows, first] += size

    def next_layer(self) -> None:
        """The present layer becomes the one before."""
        decayed = _KEPT * self._before[:, 2] + self._size
        self._before = torch.stack([self._size, self._before[:, 0], decayed], dim=1)
        self._begin_layer()

    def _begin_layer(self) -> None:
        self._along_first, self._along_second = self._before.sum(-1), self._before[:, 2].sum(-2)
        self._size, self._taken = torch.zeros_like(self._before[:, 0]), torch.zeros_like(self._before[:, 0])
        self.number, self._sum = torch.zeros_like(self._size[..., 0]), torch.zeros_like(self._size[..., 0])


class _OwnLayer(NamedTuple):
    """Of the hits before each hit in its layer.

    Attributes:
        number: in each first bin, shape (B, T, X).
        size: sums in each first bin, shape (B, T, X).
        column: number and sum at the first bin of the hit, and sum beside it, shape (B, T, 3, Y).
    """

    number: Tensor
    size: Tensor
    column: Tensor


def _maps(hits: HitPlaces, layers: int, shape: tuple[int, int]) -> Tensor:
    """M_1, M_2 and D of all layers, shape (B, L, 3, X, Y)."""
    batch = len(hits.layer)
    own = torch.zeros(batch, layers, *shape, device=hits.layer.device)
    row = torch.arange(batch, device=hits.layer.device)[:, None].expand_as(hits.layer)
    at = row, hits.layer, hits.first, hits.second
    own.index_put_(tuple(index[hits.mask] for index in at), hits.size[hits.mask])
    maps = own.new_zeros(batch, layers, 3, *shape)
    maps[:, 1:, 0], maps[:, 2:, 1] = own[:, :-1], own[:, : max(layers - 2, 0)]
    for layer in range(1, layers):
        torch.add(own[:, layer - 1], maps[:, layer - 1, 2], alpha=_KEPT, out=maps[:, layer, 2])
    return maps


def _own_layer(hits: HitPlaces, shape: tuple[int, int]) -> _OwnLayer:
    """Sums over pairs of a hit and one that is `back` places before it in its layer."""
    batch, length = hits.layer.shape
    zeros = hits.size.new_zeros
    number, size = zeros(batch, length, shape[0]), zeros(batch, length, shape[0])
    column = zeros(batch, length, 3, shape[1])
    for back in range(1, int(hits.rank.max()) + 1):
        row, earlier = ((hits.rank[:, back:] >= back) & hits.mask[:, back:]).nonzero(as_tuple=True)
        here = earlier + back
        i, j, e = (values[row, earlier] for values in (hits.first, hits.second, hits.size))
        number[row, here, i] += 1
        size[row, here, i] += e
        away = (hits.first[row, here] - i).abs()
        same, beside = away == 0, away == 1
        column[row[same], here[same], 0, j[same]] = 1.0
        column[row[same], here[same], 1, j[same]] = e[same]
        column[row[beside], here[beside], 2, j[beside]] += e[beside]
    return _OwnLayer(number, size, column)
