r"""Hits as points: smeared over their cells, and put back into cells, at most one in each.

A hit in cell (l, i, j) becomes a point that is uniform in the ranges of its bins,

    u = a_i + U1 (a_{i+1} - a_i),   v = b_j + U2 (b_{j+1} - b_j)

in x and y, or in r and alpha. A point is put back into the cell that holds it, or the nearest one where it is outside
of all. Where several hits of a layer fall into one cell, the hits of this layer are dealt to different cells so that
the sum of squared distances from the points to their cells is least (an assignment problem).
"""

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
    number = geometry.number(*cells)
    group = row * len(geometry.layers) + cells.layer
    key = row * geometry.cells + number
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    crowded = np.unique(group[counts[inverse] > 1])
    order = np.argsort(group, kind="stable")
    starts, stops = (np.searchsorted(group[order], crowded, side=side) for side in ("left", "right"))
    for start, stop in zip(starts, stops, strict=True):
        hits = order[start:stop]
        number[hits] = _assigned(geometry, int(cells.layer[hits[0]]), number[hits], point[hits])
    return geometry.place(number)


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
    cost = _distance(geometry, layer, candidates, point)
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


def _distance(
    geometry: Geometry, layer: int, cells: NDArray[np.int64], point: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared distance in mm2 from points to cells, shape (hits, cells), with a hint of that to their centres."""
    place = geometry.place(cells)
    to_centre = point[:, None, :] - geometry.centres(place)[None, :, :]
    squared: NDArray[np.float64] = (to_centre**2).sum(-1)
    if geometry.kind == "polar":
        return squared
    half = [
        np.diff(np.array(edges))[index] / 2
        for edges, index in zip((geometry.layers[layer].first, geometry.layers[layer].second), place[1:], strict=True)
    ]
    outside = np.maximum(np.abs(to_centre) - np.stack(half, axis=-1)[None], 0.0)
    distance: NDArray[np.float64] = (outside**2).sum(-1) + 1e-3 * squared
    return distance
