"""Coarser cells: neighbouring bins of a layer and neighbouring layers made one, their energies added.

A merged layer takes the edges of the first of its layers. Where the numbers do not divide, the last cell is smaller.
"""

from typing import NamedTuple

import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.events.geometry import Cells, Geometry, Layer
from cloudchamber.events.showers import Showers

__all__ = ["Merging"]


class Merging(NamedTuple):
    """How many cells become one.

    Attributes:
        first: bins along x or r.
        second: bins along y or alpha.
        layers: layers.

    >>> Merging(3, 3, 3).geometry(Geometry.pads(30, 32, 5.0)).shapes[0].tolist()
    [11, 11]
    """

    first: int = 1
    second: int = 1
    layers: int = 1

    def geometry(self, fine: Geometry) -> Geometry:
        """The coarser cells.

        Args:
            fine: the cells to merge.

        Raises:
            InputError: if layers that become one have different bins.
        """
        groups = [fine.layers[start : start + self.layers] for start in range(0, len(fine.layers), self.layers)]
        if any((layer.first, layer.second) != (group[0].first, group[0].second) for group in groups for layer in group):
            raise InputError("layers with different bins cannot be merged; merge bins inside of layers only.")
        layers = tuple(
            Layer(id=group[0].id, first=_every(group[0].first, self.first), second=_every(group[0].second, self.second))
            for group in groups
        )
        return Geometry(kind=fine.kind, layers=layers, threshold=fine.threshold, name=fine.name)

    def showers(self, fine: Showers) -> Showers:
        """The same showers with coarser cells, hits in the order of their cells.

        Args:
            fine: showers to merge.

        Raises:
            InputError: if layers that become one have different bins.
        """
        geometry = self.geometry(fine.geometry)
        cells = Cells(fine.layer // self.layers, fine.ix // self.first, fine.iy // self.second)
        key = fine.row * geometry.cells + geometry.number(*cells)
        filled, where = np.unique(key, return_inverse=True)
        row, number = np.divmod(filled, geometry.cells)
        energy = np.bincount(where, fine.energy, len(filled)).astype(np.float64)
        counts = np.bincount(row, minlength=len(fine))
        return Showers(fine.incident_energy, counts, geometry.place(number), energy, geometry, fine.run)


def _every(edges: tuple[float, ...], step: int) -> tuple[float, ...]:
    """Every so many edges, and the last one."""
    return edges[:-1:step] + edges[-1:]
