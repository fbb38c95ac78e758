r"""Hits as points: smeared over their cells, and put back into cells, at most one in each.

A hit in cell (l, i, j) becomes a point that is uniform in the ranges of its bins,

    u = a_i + U1 (a_{i+1} - a_i),   v = b_j + U2 (b_{j+1} - b_j)

in x and y, or in r and alpha. A point is put back into the cell that holds it, or the nearest one where it is outside
of all. Where several hits fall into one cell, the one farthest from free cells stays, and the others move to such
cells, in rounds: each proposes the nearest cell that is left, and of several proposals for one cell the shortest move
wins. Where a hit finds none, all hits of its layer are dealt to different cells so that the sum of squared distances
from the points to their cells is least (an assignment problem).
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from cloudchamber.events import Cells, Geometry

__all__ = ["Bins", "Places", "separate"]

_INSIDE = 1e-4
"""Points keep this distance from the borders of their bins, in bins, so that rounding does not move them."""
_REACH = 3
"""Hits of one cell may go to cells so many bins away, or farther where that is not enough."""


class Bins(NamedTuple):
    """Bins of hits along both axes, each of the shape of the hits, int64."""

    first: Tensor
    second: Tensor


class Places:
    """Cells of a calorimeter as tensors.

    Args:
        geometry: the cells.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry, self._polar = geometry, geometry.kind == "polar"
        found: dict[tuple[tuple[float, ...], tuple[float, ...]], int] = {}
        kinds = [found.setdefault((layer.first, layer.second), len(found)) for layer in geometry.layers]
        self._kind = torch.tensor(kinds)
        self._edges = [tuple(torch.tensor(edges, dtype=torch.float64) for edges in pair) for pair in found]

    def smear(self, layer: Tensor, bins: Bins, draws: Tensor) -> Tensor:
        """Points in cells, (x, y) in mm, shape (..., 2), float64.

        Args:
            layer: index of the layer of each hit, shape (...).
            bins: of the hits.
            draws: uniform in [0, 1), shape (..., 2).
        """
        inside = _INSIDE + (1 - 2 * _INSIDE) * draws.double()
        point = torch.zeros(*layer.shape, 2, dtype=torch.float64)
        for where, edges in self._groups(layer):
            for axis, (table, index) in enumerate(zip(edges, bins, strict=True)):
                low = table[:-1][index[where]]
                point[..., axis][where] = low + inside[..., axis][where] * table.diff()[index[where]]
        if not self._polar:
            return point
        radius, angle = point.unbind(-1)
        return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)

    def find(self, layer: Tensor, point: Tensor) -> Bins:
        """The cells that hold points, or the nearest bins along each axis.

        Args:
            layer: index of the layer of each point, shape (...).
            point: (x, y) in mm, shape (..., 2).
        """
        if self._polar:
            point = torch.stack([point.norm(dim=-1), torch.atan2(point[..., 1], point[..., 0])], dim=-1)
        bins = Bins(torch.zeros_like(layer), torch.zeros_like(layer))
        for where, edges in self._groups(layer):
            for axis, table in enumerate(edges):
                index = torch.searchsorted(table, point[..., axis][where].double().contiguous(), right=True) - 1
                bins[axis][where] = index.clamp(0, max(len(table) - 2, 0))
        return bins

    def _groups(self, layer: Tensor) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
        """Masks of hits whose layers have the same bins, with the edges of these."""
        if len(self._edges) == 1:
            return [(torch.ones_like(layer, dtype=torch.bool), self._edges[0])]
        kind = self._kind[layer]
        return [(kind == number, edges) for number, edges in enumerate(self._edges) if bool((kind == number).any())]


def separate(geometry: Geometry, row: NDArray[np.int64], cells: Cells, point: NDArray[np.float64]) -> Cells:
    """Cells with at most one hit of a shower in each.

    Args:
        geometry: the cells.
        row: shower of each hit, shape (H,).
        cells: the cell that each hit would have alone.
        point: where the hits are, (x, y) in mm, shape (H, 2).

    Raises:
        ValueError: if a layer has more hits than cells.

    >>> alone = Cells(*np.array([[0, 0], [1, 1], [1, 1]]))
    >>> apart = separate(Geometry.pads(1, 4, 1.0), np.zeros(2, int), alone, np.array([[-0.5, -0.5], [-0.1, -0.5]]))
    >>> apart.first.tolist(), apart.second.tolist()
    ([1, 2], [1, 1])
    """
    number, group = geometry.number(*cells), row * len(geometry.layers) + cells.layer
    key = row * geometry.cells + number
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    crowded = np.flatnonzero(counts[inverse] > 1)
    if not len(crowded):
        return geometry.place(number)
    moves = _Moves.of(geometry, row, number, point, crowded)
    goes = ~_first_of_each(key[crowded], -moves.cost.min(1))  # the hit that would go farthest stays
    moving, moves = crowded[goes], moves.select(goes)
    number[moving] = moves.settle()
    lost = np.unique(group[moving][number[moving] < 0])
    number[moving] = np.where(number[moving] < 0, moves.home, number[moving])
    order = np.argsort(group, kind="stable")
    starts, stops = (np.searchsorted(group[order], lost, side=side) for side in ("left", "right"))
    for start, stop in zip(starts, stops, strict=True):
        hits = order[start:stop]
        number[hits] = _assigned(geometry, int(cells.layer[hits[0]]), number[hits], point[hits])
    return geometry.place(number)


@dataclass
class _Moves:
    """Hits that need another cell, and those nearby; m hits, c cells for each.

    Attributes:
        row: shower of each hit, shape (m,).
        home: cell that each hit would have alone, shape (m,).
        cells: numbers of cells nearby, shape (m, c).
        keys: the same with the shower, shape (m, c).
        cost: squared distance to them, infinite where they are taken or do not exist, shape (m, c).
    """

    row: NDArray[np.int64]
    home: NDArray[np.int64]
    cells: NDArray[np.int64]
    keys: NDArray[np.int64]
    cost: NDArray[np.float64]

    @classmethod
    def of(
        cls, geometry: Geometry, row: NDArray[np.int64], number: NDArray[np.int64], point: NDArray[np.float64],
        moving: NDArray[np.int64],
    ) -> "_Moves":  # fmt: skip
        """Moves of some hits, where the others stay."""
        row, home, held = row[moving], number[moving], row * geometry.cells + number
        layer, first, second = geometry.place(home)
        steps = np.arange(-_REACH, _REACH + 1)
        i, j = (index.reshape(-1) for index in np.meshgrid(steps, steps, indexing="ij"))
        i, j, size = first[:, None] + i, second[:, None] + j, geometry.shapes[layer][:, None, :]
        j = j % size[..., 1] if geometry.kind == "polar" else j
        good = (i >= 0) & (i < size[..., 0]) & (j >= 0) & (j < size[..., 1])
        place = Cells(np.broadcast_to(layer[:, None], i.shape), np.where(good, i, 0), np.where(good, j, 0))
        cells = geometry.number(*place)
        keys = row[:, None] * geometry.cells + cells
        cost = _distance(geometry, place, point[moving][:, None, :])
        return cls(row, home, cells, keys, np.where(good & ~np.isin(keys, held), cost, np.inf))

    def select(self, hits: NDArray[np.bool_]) -> "_Moves":
        """Those of some hits."""
        return _Moves(*(getattr(self, one.name)[hits] for one in fields(self)))

    def settle(self) -> NDArray[np.int64]:
        """New cells of the hits, -1 where there is none nearby, shape (m,)."""
        found, open_ = np.full(len(self.home), -1), np.arange(len(self.home))
        while len(open_):
            best = self.cost[open_].argmin(1)
            cost, key = self.cost[open_, best], self.keys[open_, best]
            possible = np.isfinite(cost)
            open_, best, cost, key = open_[possible], best[possible], cost[possible], key[possible]
            wins = _first_of_each(key, cost)
            found[open_[wins]] = self.cells[open_[wins], best[wins]]
            taken, open_ = key[wins], open_[~wins]
            self.cost[open_] = np.where(np.isin(self.keys[open_], taken), np.inf, self.cost[open_])
        return found


def _first_of_each(key: NDArray[np.int64], cost: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which elements have the least cost of all with their key; of equal ones the first, shape of the key."""
    order = np.lexsort((cost, key))
    first = np.ones(len(key), dtype=bool)
    first[order[1:]] = key[order][1:] != key[order][:-1]
    return first


def _assigned(
    geometry: Geometry, layer: int, number: NDArray[np.int64], point: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Different cells for the hits of one layer of one shower."""
    shape = geometry.shapes[layer]
    if len(number) > shape.prod():
        raise ValueError(f"{len(number)} hits do not fit into the {shape.prod()} cells of layer {layer}")
    reach = _REACH
    while True:
        candidates = _near(geometry, layer, number, reach)
        if len(candidates) >= len(number):
            break
        reach *= 2
    cost = _distance(geometry, Cells(*(index[None, :] for index in geometry.place(candidates))), point[:, None, :])
    chosen: NDArray[np.int64] = candidates[linear_sum_assignment(cost)[1]]
    return chosen


def _near(geometry: Geometry, layer: int, number: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    """Cells of a layer not far from some of its cells."""
    _, first, second = geometry.place(np.unique(number))
    steps = np.arange(-reach, reach + 1)
    size = geometry.shapes[layer]
    i, j = first[:, None, None] + steps[:, None], second[:, None, None] + steps[None, :]
    j = j % size[1] if geometry.kind == "polar" else j
    i, j = np.broadcast_arrays(i, j)
    good = (i >= 0) & (i < size[0]) & (j >= 0) & (j < size[1])
    return np.unique(geometry.number(np.full(int(good.sum()), layer), i[good], j[good]))


def _distance(geometry: Geometry, place: Cells, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distance in mm2 from points (..., 2) to cells (...), with a hint of that to their centres."""
    flat = Cells(*(index.reshape(-1) for index in place))
    to_centre = point - geometry.centres(flat).reshape(*place.layer.shape, 2)
    squared: NDArray[np.float64] = (to_centre**2).sum(-1)
    if geometry.kind == "polar":
        return squared
    outside = np.maximum(np.abs(to_centre) - _half(geometry, flat).reshape(*place.layer.shape, 2), 0.0)
    distance: NDArray[np.float64] = (outside**2).sum(-1) + 1e-3 * squared
    return distance


def _half(geometry: Geometry, place: Cells) -> NDArray[np.float64]:
    """Half of the widths of cells along both axes, mm, shape (n, 2)."""
    half = np.zeros((len(place.layer), 2))
    for layer in np.unique(place.layer):
        where = place.layer == layer
        edges = geometry.layers[layer].first, geometry.layers[layer].second
        for axis, (one, index) in enumerate(zip(edges, place[1:], strict=True)):
            half[where, axis] = np.diff(np.array(one))[index[where]] / 2
    return half
