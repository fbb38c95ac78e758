"""The CaloChallenge's showers (arXiv:2410.21611): HDF5 with the energies of all cells, empty ones among them.

Data sets `incident_energies` (n, 1) and `showers` (n, cells), both in MeV. The cells are those of a binning file,
layer after layer, in each of them angle after angle, the radial bin running fastest. Files written here tell the
geometry and the run in the attributes `cloudchamber-showers` and `cloudchamber`; other files need the binning file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.events import Geometry, RunInfo, Showers
from cloudchamber.formats.header import reading
from cloudchamber.formats.writer import SampleWriter

__all__ = ["CaloChallengeWriter", "iterate", "read_geometry", "read_run", "rows"]

_GEOMETRY, _RUN = "cloudchamber-showers", "cloudchamber"
_CHUNK_BYTES = 1 << 20
_COMPRESSION = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


class CaloChallengeWriter(SampleWriter[Showers]):
    """Streams showers into one file that appears under its name when the block ends well.

    Args:
        path: the file to make.
        run: metadata of the sample.

    Raises:
        InputError: if the file cannot be written, or no shower was.
    """

    def _begin(self, events: Showers) -> None:
        cells = events.geometry.cells
        rows_a_chunk = max(1, _CHUNK_BYTES // (4 * cells))
        self._file = h5py.File(self._temporary, "w", track_order=True)
        shapes = {"incident_energies": (1, np.float64, 10_000), "showers": (cells, np.float32, rows_a_chunk)}
        for name, (columns, kind, chunk) in shapes.items():
            self._file.create_dataset(
                name, (0, columns), kind, maxshape=(None, columns), chunks=(chunk, columns), **_COMPRESSION
            )
        self._file.attrs[_GEOMETRY] = events.geometry.model_dump_json()

    def _append(self, events: Showers) -> None:
        start = self.events_written
        for name, values in (
            ("incident_energies", events.incident_energy[:, None]),
            ("showers", events.voxels().astype(np.float32)),
        ):
            data = self._file[name]
            data.resize(start + len(events), axis=0)
            data[start:] = values

    def _close(self, whole: bool) -> None:
        if whole:
            self._file.attrs[_RUN] = self.run.model_dump_json()
        self._file.close()


def iterate(path: Path, geometry: Geometry | None = None, batch_size: int = 1_000) -> Iterator[Showers]:
    """Read a file piece by piece, with bounded memory.

    Args:
        path: the file.
        geometry: its cells; that of the file by default.
        batch_size: most showers in a piece.

    Yields:
        Consecutive showers.

    Raises:
        InputError: if the file is missing, damaged, empty, holds no showers, or holds those of other cells.
    """
    run, total = read_run(path), rows(path)
    geometry = geometry or read_geometry(path)
    if total == 0:
        raise InputError(f"'{path}' holds no showers; make it again.")
    with _opened(path) as file:
        cells = file["showers"].shape[1]
        if cells != geometry.cells:
            raise InputError(
                f"'{path}' has {cells:,} cells and its geometry {geometry.cells:,}; give the binning file that fits."
            )
        for start in range(0, total, batch_size):
            yield _piece(file, slice(start, start + batch_size), geometry, run, path)


def rows(path: Path) -> int:
    """Number of showers in a file.

    Args:
        path: the file.

    Raises:
        InputError: if the file is missing, damaged, or holds no showers.
    """
    with _opened(path) as file:
        return int(file["showers"].shape[0])


def read_run(path: Path) -> RunInfo:
    """Metadata of the run; empty in files of other programs.

    Args:
        path: the file.

    Raises:
        InputError: if the file is missing, damaged, or holds no showers.
    """
    with _opened(path) as file:
        text = file.attrs.get(_RUN, "{}")
    with reading("metadata", path):
        return RunInfo.model_validate_json(text)


def read_geometry(path: Path) -> Geometry:
    """The cells that a file tells of.

    Args:
        path: the file.

    Raises:
        InputError: if the file is missing, damaged, holds no showers, or does not tell.
    """
    with _opened(path) as file:
        text = file.attrs.get(_GEOMETRY)
    if text is None:
        raise InputError(f"'{path}' does not say where its cells are; give its binning file (.xml) with --binning.")
    with reading("geometry", path):
        return Geometry.model_validate_json(text)


def _opened(path: Path) -> Any:  # noqa: ANN401
    """The file, which has whole data sets of energies."""
    if not path.is_file():
        raise InputError(f"'{path}' does not exist; check the path.")
    try:
        file = h5py.File(path, "r")
    except OSError:
        raise InputError(f"'{path}' is not a whole HDF5 file; make or copy it again.") from None
    sets = [file.get(name) for name in ("incident_energies", "showers")]
    if not all(isinstance(data, h5py.Dataset) and data.dtype.kind == "f" for data in sets):
        file.close()
        raise InputError(f"'{path}' is no file of showers: it needs incident_energies and showers, as numbers.")
    if sets[1].ndim != 2 or sets[0].size != sets[1].shape[0]:
        file.close()
        raise InputError(f"'{path}' needs one incident energy and one row of cells for each shower; make it again.")
    return file


def _piece(file: Any, where: slice, geometry: Geometry, run: RunInfo, path: Path) -> Showers:  # noqa: ANN401
    try:
        incident, voxels = file["incident_energies"][where].reshape(-1), file["showers"][where]
    except OSError:
        raise InputError(f"'{path}' is damaged; make or copy it again.") from None
    try:
        return Showers.from_voxels(incident, voxels, geometry, run)
    except InputError as error:
        raise InputError(f"'{path}' cannot be used: {error}") from None
