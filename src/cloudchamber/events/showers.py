"""Showers: energies deposited in the cells of a calorimeter, as jagged hits, with the energies that came in.

Hits are flat columns, shower after shower: the index of the layer, the bins along both of its axes (`ix` and `iy`, in
a polar geometry the radial and the angular bin), and the energy in MeV. A cell without a hit holds nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cloudchamber.errors import InputError
from cloudchamber.events.geometry import Cells, Geometry
from cloudchamber.events.schema import RunInfo

__all__ = ["Showers"]


@dataclass(frozen=True)
class Showers:
    """A sample of showers.

    Attributes:
        incident_energy: of the particles that made them, MeV, shape (n,).
        counts: hits of each shower, shape (n,).
        cells: where the hits are, columns of shape (H,).
        energy: of each hit, MeV, shape (H,).
        geometry: the cells.
        run: metadata of the sample.
    """

    incident_energy: NDArray[np.float64]
    counts: NDArray[np.int64]
    cells: Cells
    energy: NDArray[np.float64]
    geometry: Geometry
    run: RunInfo = field(default_factory=RunInfo)

    @classmethod
    def of(
        cls,
        incident_energy: ArrayLike,
        counts: ArrayLike,
        cells: Cells,
        energy: ArrayLike,
        *,
        geometry: Geometry,
        run: RunInfo | None = None,
    ) -> "Showers":
        """Showers from columns that nobody has checked.

        Args:
            incident_energy: MeV, shape (n,).
            counts: hits of each shower, shape (n,).
            cells: places of the hits, shower after shower.
            energy: of the hits, MeV.
            geometry: the cells.
            run: metadata of the sample.

        Raises:
            InputError: if an energy or a place is impossible, or a shower has two hits in one cell.

        >>> cells = Cells(*np.array([[0, 1], [3, 3], [4, 4]]))
        >>> Showers.of([1000.0], [2], cells, [1.0, 2.0], geometry=Geometry.pads(2, 8, 5.0))
        Showers(1 shower, 2 hits)
        """
        incident_energy, energy = np.asarray(incident_energy, np.float64), np.asarray(energy, np.float64)
        counts, cells = np.asarray(counts, np.int64), Cells(*(np.asarray(column, np.int64) for column in cells))
        showers = cls(incident_energy, counts, cells, energy, geometry, run or RunInfo())
        showers._check()
        return showers

    @classmethod
    def concatenate(cls, parts: Sequence["Showers"]) -> "Showers":
        """One sample from several; geometry and metadata are those of the first.

        Args:
            parts: at least one.
        """
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.incident_energy for part in parts]),
            np.concatenate([part.counts for part in parts]),
            Cells(*(np.concatenate(columns) for columns in zip(*(part.cells for part in parts), strict=True))),
            np.concatenate([part.energy for part in parts]),
            parts[0].geometry,
            parts[0].run,
        )

    def __len__(self) -> int:
        return len(self.counts)

    def __repr__(self) -> str:
        return f"Showers({len(self):,} shower{'s' * (len(self) != 1)}, {len(self.energy):,} hits)"

    def __getitem__(self, where: slice) -> "Showers":
        numbers = range(len(self))[where]
        assert numbers.step == 1
        hits = slice(int(self.offsets[numbers.start]), int(self.offsets[max(numbers.stop, numbers.start)]))
        cells = Cells(*(column[hits] for column in self.cells))
        return replace(
            self, incident_energy=self.incident_energy[where], counts=self.counts[where], cells=cells,
            energy=self.energy[hits],
        )  # fmt: skip

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Where each shower starts in the columns of hits, shape (n + 1,)."""
        return np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)

    @cached_property
    def row(self) -> NDArray[np.int64]:
        """Number of the shower of each hit, shape (H,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    @property
    def layer(self) -> NDArray[np.int64]:
        """Index of the layer of each hit, shape (H,)."""
        return self.cells.layer

    @property
    def ix(self) -> NDArray[np.int64]:
        """Bin of each hit along the first axis, shape (H,)."""
        return self.cells.first

    @property
    def iy(self) -> NDArray[np.int64]:
        """Bin of each hit along the second axis, shape (H,)."""
        return self.cells.second

    @property
    def visible_energy(self) -> NDArray[np.float64]:
        """Sum of the hits' energies, MeV, shape (n,)."""
        return np.bincount(self.row, self.energy, len(self)).astype(np.float64)

    @property
    def layer_energy(self) -> NDArray[np.float64]:
        """Energy in each layer, MeV, shape (n, L)."""
        return self._per_layer(self.energy)

    @property
    def layer_counts(self) -> NDArray[np.int64]:
        """Hits in each layer, shape (n, L)."""
        return self._per_layer(None).astype(np.int64)

    def _per_layer(self, weight: NDArray[np.float64] | None) -> NDArray[np.float64]:
        layers = len(self.geometry.layers)
        sums = np.bincount(self.row * layers + self.layer, weight, len(self) * layers)
        return sums.astype(np.float64).reshape(len(self), layers)

    def with_run(self, run: RunInfo) -> "Showers":
        """The same showers with other metadata.

        Args:
            run: the new metadata.
        """
        return replace(self, run=run)

    def to_awkward(self) -> ak.Array:
        """One record per shower with the fields `incident_energy`, `layer`, `ix`, `iy` and `energy`."""
        hits = {name: ak.unflatten(getattr(self, name), self.counts) for name in ("layer", "ix", "iy", "energy")}
        return ak.zip({"incident_energy": self.incident_energy, **hits}, depth_limit=1)

    def voxels(self) -> NDArray[np.float64]:
        """Energies of all cells in the order of their numbers, MeV, shape (n, cells)."""
        filled = np.zeros((len(self), self.geometry.cells))
        filled[self.row, self.geometry.number(*self.cells)] = self.energy
        return filled

    @classmethod
    def from_voxels(
        cls, incident_energy: ArrayLike, voxels: NDArray[np.floating], geometry: Geometry, run: RunInfo | None = None
    ) -> "Showers":
        """Showers from the energies of all cells; empty cells have no hits.

        Args:
            incident_energy: MeV, shape (n,).
            voxels: MeV, shape (n, cells).
            geometry: the cells.
            run: metadata of the sample.

        Raises:
            InputError: if an energy is impossible.
        """
        row, number = np.nonzero(voxels)
        counts = np.bincount(row, minlength=len(voxels))
        return cls.of(incident_energy, counts, geometry.place(number), voxels[row, number], geometry=geometry, run=run)

    def _check(self) -> None:
        """Refuse what cannot be a shower."""
        bad = np.flatnonzero(~(np.isfinite(self.incident_energy) & (self.incident_energy > 0)))
        if len(bad):
            raise InputError(f"the incident energy of shower {bad[0]} is not a positive number; remove the shower.")
        if len(self.incident_energy) != len(self.counts) or int(self.counts.sum()) != len(self.energy):
            raise InputError("the columns of the showers differ in length; make them again.")
        if not self.geometry.holds(*self.cells):
            raise InputError("there are hits outside of the calorimeter's cells; give the geometry that fits them.")
        bad = np.flatnonzero(~(np.isfinite(self.energy) & (self.energy > 0)))
        if len(bad):
            raise InputError(
                f"a hit of shower {self.row[bad[0]]} has an energy that is not a positive number; leave it out."
            )
        cell = np.sort(self.row * self.geometry.cells + self.geometry.number(*self.cells))
        twice = np.flatnonzero(np.diff(cell) == 0)
        if len(twice):
            raise InputError(f"shower {cell[twice[0]] // self.geometry.cells} has two hits in one cell; add them up.")
