"""Any file of showers: the suffix picks the format.

`.parquet` (hits), `.h5` and `.hdf5` (the CaloChallenge's voxels), or a folder of such files of one kind.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cloudchamber.errors import InputError
from cloudchamber.events import Geometry, RunInfo, Showers
from cloudchamber.formats import calochallenge, shower_parquet
from cloudchamber.formats.atomic import atomic_path
from cloudchamber.formats.binning import read_binning
from cloudchamber.formats.writer import SampleWriter

__all__ = ["SUFFIXES", "holds_showers", "iterate", "open_writer", "parts", "read", "read_run", "rows", "write_energies"]

SUFFIXES = (".parquet", ".h5", ".hdf5")


def open_writer(path: Path, run: RunInfo) -> SampleWriter[Showers]:
    """A writer for the format that the suffix names; use it in a `with` block.

    Args:
        path: the file to make.
        run: metadata of the sample.

    Raises:
        InputError: if no format has this suffix.
    """
    _require_known(path)
    if path.suffix == ".parquet":
        return shower_parquet.ShowerParquetWriter(path, run)
    return calochallenge.CaloChallengeWriter(path, run)


def parts(path: Path) -> list[Path]:
    """The files that a path stands for: itself, or those in the folder, in the order of their names.

    Args:
        path: a file or a folder.

    Raises:
        InputError: if there is none.
    """
    if not path.exists():
        raise InputError(f"'{path}' does not exist; check the path.")
    if not path.is_dir():
        _require_known(path)
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not found:
        raise InputError(f"the folder '{path}' holds no showers; give a file, or a folder with {', '.join(SUFFIXES)}.")
    return found


def read(path: Path, limit: int | None = None, binning: Path | None = None) -> Showers:
    """Read a file, or all files of a folder.

    Args:
        path: a file or a folder.
        limit: stop after this many showers.
        binning: the CaloChallenge's binning file, where the files do not tell their geometry.

    Raises:
        InputError: if a file is missing, damaged, empty or of no known format.
    """
    pieces: list[Showers] = []
    left = limit
    for piece in iterate(path, binning):
        pieces.append(piece if left is None else piece[: min(left, len(piece))])
        if left is not None:
            left -= len(pieces[-1])
            if left <= 0:
                break
    return Showers.concatenate(pieces)


def iterate(path: Path, binning: Path | None = None) -> Iterator[Showers]:
    """Read a file, or all files of a folder, piece by piece, with bounded memory.

    Args:
        path: a file or a folder.
        binning: the CaloChallenge's binning file, where the files do not tell their geometry.

    Yields:
        Consecutive showers.

    Raises:
        InputError: if a file is missing, damaged, empty or of no known format, or the files have different cells.
    """
    geometry = None if binning is None else read_binning(binning)
    first: Geometry | None = None
    for file in parts(path):
        pieces = shower_parquet.iterate(file) if file.suffix == ".parquet" else calochallenge.iterate(file, geometry)
        for piece in pieces:
            first = first or piece.geometry
            if piece.geometry != first:
                raise InputError(f"'{file}' is of another calorimeter than the files before it; give files of one.")
            yield piece


def holds_showers(path: Path) -> bool:
    """Whether a file, or a folder by its first file, is one of showers; not whether it is a good one.

    Args:
        path: a file or a folder.
    """
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
        return bool(found) and holds_showers(found[0])
    if path.suffix != ".parquet":
        return path.suffix in SUFFIXES
    try:
        return "incident_energy" in pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        return False


def write_energies(source: Path, target: Path, binning: Path | None = None) -> int:
    """Write the incident energies of showers as text, GeV, one a line, as `generate --energies` reads them.

    Args:
        source: a file of showers, or a folder.
        target: the text file.
        binning: the CaloChallenge's binning file, where the source does not tell its geometry.

    Returns:
        How many there are.

    Raises:
        InputError: if the source cannot be read or the target cannot be written.
    """
    written = 0
    with atomic_path(target) as path, path.open("w", encoding="ascii") as file:
        for piece in iterate(source, binning):
            file.writelines(f"{energy / 1e3!r}\n" for energy in piece.incident_energy.tolist())
            written += len(piece)
    return written


def read_run(path: Path) -> RunInfo:
    """Metadata of a file, or of the first one of a folder.

    Args:
        path: a file or a folder.
    """
    file = parts(path)[0]
    return shower_parquet.read_run(file) if file.suffix == ".parquet" else calochallenge.read_run(file)


def rows(file: Path) -> int:
    """Number of showers in one file.

    Args:
        file: its path.
    """
    return shower_parquet.rows(file) if file.suffix == ".parquet" else calochallenge.rows(file)


def _require_known(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise InputError(f"'{path.name}' has no suffix of a format for showers; use one of {', '.join(SUFFIXES)}.")
