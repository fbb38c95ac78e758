r"""Where the cells of a calorimeter are: layers, each divided along two axes.

In a Cartesian layer the axes are x and y (mm), in a polar one r (mm) and alpha (radians, from -pi to pi). The cells of
a layer are counted with the first axis running fastest, and the layers stand one after the other:

    cell(l, i, j) = offset_l + j n_l + i,       0 <= i < n_l,  0 <= j < m_l

This is the order of the CaloChallenge's files (arXiv:2410.21611), with i the radial and j the angular bin.
"""

from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Cells", "Geometry", "Layer"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Layer(_Frozen):
    """One layer: edges of its bins along both axes, rising; one edge alone means that there are no bins.

    Attributes:
        id: the number that the detector gives it.
        first: edges in x or r, mm.
        second: edges in y (mm) or alpha (radians).
    """

    id: int
    first: tuple[float, ...] = Field(min_length=1)
    second: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(a >= b for edges in (self.first, self.second) for a, b in pairwise(edges)):
            raise ValueError("the edges of bins must rise")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Bins along the first and the second axis; (0, 0) if there are none."""
        shape = len(self.first) - 1, len(self.second) - 1
        return shape if min(shape) > 0 else (0, 0)


class Cells(NamedTuple):
    """Places of cells: index of the layer and of the bins along its axes, each of shape (n,)."""

    layer: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]


class Geometry(_Frozen):
    """The cells of a calorimeter.

    Attributes:
        kind: whether layers are Cartesian or polar.
        layers: from the front to the back.
        threshold: energy in MeV below which cells are not read out.
        name: of the detector.
    """

    kind: Literal["cartesian", "polar"] = "cartesian"
    layers: tuple[Layer, ...] = Field(min_length=1, max_length=1000)
    threshold: float = Field(default=0.0, ge=0)
    name: str = ""

    @classmethod
    def pads(cls, layers: int, side: int, pitch: float, *, threshold: float = 0.0, name: str = "") -> Self:
        """Layers of side x side square pads, centred on the beam axis.

        Args:
            layers: number of layers.
            side: pads along each axis.
            pitch: size of a pad in mm.
            threshold: energy in MeV below which pads are not read out.
            name: of the detector.

        >>> Geometry.pads(30, 32, 5.0).cells
        30720
        """
        edges = tuple(pitch * (k - side / 2) for k in range(side + 1))
        return cls(
            layers=tuple(Layer(id=k, first=edges, second=edges) for k in range(layers)), threshold=threshold, name=name
        )

    @classmethod
    def tungsten_silicon(cls) -> Self:
        """The calorimeter of the data set `calo-wsi`: 30 layers of 32 x 32 pads of 5 mm, read out above 20 keV."""
        return cls.pads(30, 32, 5.0, threshold=0.02, name="calo-wsi")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Geometry):
            return NotImplemented
        return self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    @property
    def _fields(self) -> tuple[object, ...]:
        """What makes a geometry, without the tables that are made of it."""
        return self.kind, self.layers, self.threshold, self.name

    @cached_property
    def shapes(self) -> NDArray[np.int64]:
        """Bins of each layer along both axes, shape (L, 2)."""
        return np.array([layer.shape for layer in self.layers], dtype=np.int64)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Number of the first cell of each layer, and that of all cells, shape (L + 1,)."""
        return np.concatenate([[0], np.cumsum(self.shapes.prod(1))])

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.offsets[-1])

    @property
    def is_square(self) -> bool:
        """Whether reflections and the exchange of the axes leave every layer as it is."""
        return self.kind == "cartesian" and all(
            layer.first == layer.second and np.allclose(layer.first, -np.array(layer.first)[::-1])
            for layer in self.layers
        )

    def number(self, layer: ArrayLike, first: ArrayLike, second: ArrayLike) -> NDArray[np.int64]:
        """Numbers of cells.

        Args:
            layer: index of the layer, not its id.
            first: bin along the first axis.
            second: bin along the second axis.

        >>> Geometry.pads(2, 4, 1.0).number([1], [2], [1]).tolist()
        [22]
        """
        layer, first, second = (np.asarray(index, dtype=np.int64) for index in (layer, first, second))
        number: NDArray[np.int64] = self.offsets[layer] + second * self.shapes[layer, 0] + first
        return number

    def place(self, number: ArrayLike) -> Cells:
        """Places of cells, the inverse of `number`.

        Args:
            number: of cells, shape (n,).
        """
        number = np.asarray(number, dtype=np.int64)
        layer = np.searchsorted(self.offsets, number, side="right") - 1
        second, first = np.divmod(number - self.offsets[layer], self.shapes[layer, 0])
        return Cells(layer, first, second)

    def holds(self, layer: NDArray[np.integer], first: NDArray[np.integer], second: NDArray[np.integer]) -> bool:
        """Whether all places exist.

        Args:
            layer: index of the layer.
            first: bin along the first axis.
            second: bin along the second axis.
        """
        if not bool(((layer >= 0) & (layer < len(self.layers))).all()):
            return False
        shape = self.shapes[layer]
        return bool(((first >= 0) & (first < shape[:, 0]) & (second >= 0) & (second < shape[:, 1])).all())

    def centres(self, cells: Cells) -> NDArray[np.float64]:
        """Centres of cells, (x, y) in mm, shape (n, 2).

        Args:
            cells: their places.
        """
        first, second = self._middles
        u, v = first[cells.layer, cells.first], second[cells.layer, cells.second]
        if self.kind == "polar":
            u, v = u * np.cos(v), u * np.sin(v)
        return np.stack([u, v], axis=-1)

    @cached_property
    def _middles(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Middles of the bins along both axes, padded with NaN, shape (L, most bins) each."""
        tables = []
        for axis, edges in enumerate(zip(*((layer.first, layer.second) for layer in self.layers), strict=True)):
            table = np.full((len(self.layers), int(self.shapes[:, axis].max())), np.nan)
            for row, values in zip(table, edges, strict=True):
                middles = (np.array(values[1:]) + np.array(values[:-1])) / 2
                row[: len(middles)] = middles[: len(row)]
            tables.append(table)
        return tables[0], tables[1]
