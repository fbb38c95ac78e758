r"""What the next hit is told of the hits so far: profiles along both axes of a layer, for hits in layer l at bin i of.

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

__all__ = ["CHANNELS", "Before", "HitPlaces", "LayerMaps", "Profiles", "all_profiles"]

CHANNELS = (5, 10)
"""Profiles along the first and along the second axis."""
_KEPT = 0.7
"""The factor rho."""


class Profiles(NamedTuple):
    """Of H hits.

    Attributes:
        first: profiles along the first axis, shape (H, 5, X).
        second: along the second axis, shape (H, 10, Y).
        number: hits of the layer so far in each first bin, shape (H, X).
        taken: second bins of the hit's first bin that have a hit already, shape (H, Y).
    """

    first: Tensor
    second: Tensor
    number: Tensor
    taken: Tensor


class HitPlaces(NamedTuple):
    """Hits of some showers, one shower after the other, layer after layer; each of shape (H,).

    A hit may come again at the end, where there is none before it in its layer.

    Attributes:
        row: number of the shower.
        layer: number of the layer.
        rank: place in the layer.
        first: first bin.
        second: second bin.
        size: what is summed.
    """

    row: Tensor
    layer: Tensor
    rank: Tensor
    first: Tensor
    second: Tensor
    size: Tensor


def all_profiles(hits: HitPlaces, showers: int, layers: int, shape: tuple[int, int]) -> Profiles:
    """Profiles that each hit is told of, for hits that are all known.

    Args:
        hits: H hits.
        showers: how many.
        layers: how many.
        shape: bins along both axes.
    """
    maps = _maps(hits, showers, layers, shape)
    place = hits.row * layers + hits.layer
    along_first = maps.sum(-1).flatten(0, 1)[place].transpose(1, 2)
    along_second = maps[:, :, :, 2].sum(2).flatten(0, 1)[place]
    columns, column = maps.flatten(0, 2), place * shape[0] + hits.first
    own = _own_layer(hits, shape)
    first = torch.cat([along_first / 2, 0.3 * own.number[:, None], own.size[:, None]], dim=1)
    has_down, has_up = ((hits.first > 0).float() / 2)[:, None, None], ((hits.first < shape[0] - 1).float() / 2)
    beside = columns[(column - 1).clamp(min=0)] * has_down
    beside.addcmul_(columns[(column + 1).clamp(max=len(columns) - 1)], has_up[:, None, None])
    second = [columns[column], beside, along_second[:, None] / 2, own.column]
    return Profiles(first, torch.cat(second, dim=1), own.number, own.column[:, 0] > 0)


class Before:
    """Maps of the layers before, for showers that are made layer by layer.

    Args:
        showers: how many.
        shape: bins X and Y along both axes.
        device: where the maps are.
    """

    def __init__(self, showers: int, shape: tuple[int, int], device: torch.device) -> None:
        self._maps = torch.zeros(showers, shape[0], 3, shape[1], device=device)

    def of(self, rows: Tensor) -> "LayerMaps":
        """A new layer of some showers.

        Args:
            rows: numbers of the showers, shape (b,).
        """
        return LayerMaps(self._maps[rows])

    def next_layer(self, rows: Tensor, size: Tensor) -> None:
        """A layer is complete.

        Args:
            rows: numbers of the showers with hits, shape (b,).
            size: M_0 of these, shape (b, X, Y).
        """
        own = torch.zeros_like(self._maps[:, :, 0]).index_copy(0, rows, size)
        self._maps = torch.stack([own, self._maps[:, :, 0], own + _KEPT * self._maps[:, :, 2]], dim=2)


class LayerMaps:
    """A layer of b showers that is being filled, of which always the first ones get another hit.

    Args:
        before: M_1, M_2 and D, shape (b, X, 3, Y).

    Attributes:
        number: hits in each first bin, shape (b, X).
    """

    def __init__(self, before: Tensor) -> None:
        self._rows = torch.arange(len(before), device=before.device)
        self._along_first, self._along_second = before.sum(-1).transpose(1, 2) / 2, before[:, :, 2].sum(1) / 2
        own = torch.zeros(len(before), before.shape[1], 2, before.shape[3], device=before.device)
        beyond = (0, 0, 0, 0, 1, 1)  # a first bin without hits at both ends
        self._all = functional.pad(torch.cat([before, own], dim=2), beyond)
        self._near = torch.arange(3, device=before.device)
        self.number, self._sum = torch.zeros_like(own[:, :, 0, 0]), torch.zeros_like(own[:, :, 0, 0])

    @property
    def size(self) -> Tensor:
        """M_0, shape (b, X, Y)."""
        return self._all[:, 1:-1, 4]

    def first(self, showers: int) -> Tensor:
        """Profiles along the first axis, shape (showers, 5, X).

        Args:
            showers: how many.
        """
        own = torch.stack([0.3 * self.number[:showers], self._sum[:showers]], dim=1)
        return torch.cat([self._along_first[:showers], own], dim=1)

    def second(self, first: Tensor) -> Tensor:
        """Profiles along the second axis, shape (showers, 10, Y).

        Args:
            first: first bins of the next hits, shape (showers,).
        """
        rows = self._rows[: len(first), None]
        down, here, up = self._all[rows, first[:, None] + self._near].unbind(1)
        beside, along = down + up, self._along_second[: len(first), None]
        return torch.cat([here[:, :3], beside[:, :3] / 2, along, here[:, 3:], beside[:, 4:]], dim=1)

    def taken(self, first: Tensor) -> Tensor:
        """Second bins that have a hit, shape (showers, Y).

        Args:
            first: first bins of the next hits, shape (showers,).
        """
        return self._all[self._rows[: len(first)], first + 1, 3] > 0

    def add(self, first: Tensor, second: Tensor, size: Tensor) -> None:
        """One more hit.

        Args:
            first: first bins, shape (showers,).
            second: second bins, shape (showers,).
            size: ln(1 + amount) + a constant, shape (showers,).
        """
        rows = self._rows[: len(first)]
        self._all[rows, first + 1, 3, second] = 1.0
        self._all[rows, first + 1, 4, second] = size
        self.number[rows, first] += 1
        self._sum[rows, first] += size


class _OwnLayer(NamedTuple):
    """Of the hits before each hit in its layer.

    Attributes:
        number: in each first bin, shape (H, X).
        size: sums in each first bin, shape (H, X).
        column: number and sum at the first bin of the hit, and sum beside it, shape (H, 3, Y).
    """

    number: Tensor
    size: Tensor
    column: Tensor


def _maps(hits: HitPlaces, showers: int, layers: int, shape: tuple[int, int]) -> Tensor:
    """M_1, M_2 and D of all layers, shape (B, L, X, 3, Y)."""
    own = torch.zeros(showers, layers, *shape, device=hits.size.device)
    own[hits.row, hits.layer, hits.first, hits.second] = hits.size
    maps = own.new_zeros(showers, layers, shape[0], 3, shape[1])
    maps[:, 1:, :, 0], maps[:, 2:, :, 1] = own[:, :-1], own[:, : max(layers - 2, 0)]
    decayed = torch.zeros_like(own[:, 0])
    for layer in range(1, layers):
        decayed = torch.add(own[:, layer - 1], decayed, alpha=_KEPT)
        maps[:, layer, :, 2] = decayed
    return maps


def _own_layer(hits: HitPlaces, shape: tuple[int, int]) -> _OwnLayer:
    """Sums over pairs of a hit and one that is `back` places before it in its layer."""
    zeros, total = hits.size.new_zeros, len(hits.row)
    number, size, column = zeros(total, shape[0]), zeros(total, shape[0]), zeros(total, 3, shape[1])
    for back in range(1, int(hits.rank.max()) + 1):
        here = (hits.rank >= back).nonzero()[:, 0]
        i, j, e = (values[here - back] for values in (hits.first, hits.second, hits.size))
        number[here, i] += 1
        size[here, i] += e
        away = (hits.first[here] - i).abs()
        same, beside = away == 0, away == 1
        column[here[same], 0, j[same]] = 1.0
        column[here[same], 1, j[same]] = e[same]
        column[here[beside], 2, j[beside]] += e[beside]
    return _OwnLayer(number, size, column)
