"""Showers as Parquet: one row per shower, list columns of its hits.

Columns `incident_energy: float or double` (MeV), `layer, ix, iy: list<uint8>` (indices from 0; wider integers are read
too) and `energy: list<float>` (MeV). The geometry is stored as JSON under the key `cloudchamber-showers`, and the
metadata of the run under `cloudchamber`. Files without a geometry are taken to be of the tungsten-silicon calorimeter
of the data set `calo-wsi`. Written files hold the incident energy as double, so that it is the one that was asked for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.events import Cells, Geometry, RunInfo, Showers
from cloudchamber.formats.header import reading
from cloudchamber.formats.parquet import METADATA_KEY
from cloudchamber.formats.writer import SampleWriter

__all__ = ["ShowerParquetWriter", "iterate", "read_geometry", "read_run", "rows"]

_KEY = b"cloudchamber-showers"
_PLACES = ("layer", "ix", "iy")
_LISTS = (*_PLACES, "energy")
_ROW_GROUP = 10_000


class ShowerParquetWriter(SampleWriter[Showers]):
    """Streams showers into one file that appears under its name when the block ends well.

    Args:
        path: the file to make.
        run: metadata of the sample.

    Raises:
        InputError: if the file cannot be written, or no shower was.
    """

    def _begin(self, events: Showers) -> None:
        self._geometry = events.geometry
        schema = _to_table(events[:0]).schema
        encoding = {"energy.list.element": "BYTE_STREAM_SPLIT", "incident_energy": "BYTE_STREAM_SPLIT"}
        dictionary = [f"{name}.list.element" for name in _PLACES]
        self._writer = pq.ParquetWriter(
            self._temporary, schema, compression="zstd", compression_level=9, use_dictionary=dictionary,
            column_encoding=encoding,
        )  # fmt: skip

    def _append(self, events: Showers) -> None:
        self._writer.write_table(_to_table(events), row_group_size=_ROW_GROUP)

    def _close(self, whole: bool) -> None:
        if whole:
            metadata = {METADATA_KEY: self.run.model_dump_json(), _KEY: self._geometry.model_dump_json()}
            self._writer.add_key_value_metadata({key: text.encode() for key, text in metadata.items()})
        self._writer.close()


def iterate(path: Path, batch_size: int = 10_000) -> Iterator[Showers]:
    """Read a file piece by piece, with bounded memory.

    Args:
        path: the file.
        batch_size: most showers in a piece.

    Yields:
        Consecutive showers.

    Raises:
        InputError: if the file is missing, damaged, empty, or holds no showers.
    """
    run, geometry = read_run(path), read_geometry(path)
    if rows(path) == 0:
        raise InputError(f"'{path}' holds no showers; make it again.")
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size, columns=["incident_energy", *_LISTS]):
                yield _to_showers(batch, geometry, run, path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"'{path}' is damaged; make or copy it again.") from error


def rows(path: Path) -> int:
    """Number of showers in a file.

    Args:
        path: the file.

    Raises:
        InputError: if the file is missing, damaged, or holds no showers.
    """
    read_run(path)  # explains what is wrong with a file that cannot be opened
    return int(pq.read_metadata(path).num_rows)


def read_run(path: Path) -> RunInfo:
    """Metadata of the run.

    Args:
        path: the file.

    Raises:
        InputError: if the file is missing, damaged, or holds no showers.
    """
    text = _metadata(path).get(METADATA_KEY, b"{}")
    with reading("metadata", path):
        return RunInfo.model_validate_json(text)


def read_geometry(path: Path) -> Geometry:
    """The cells of the calorimeter.

    Args:
        path: the file.

    Raises:
        InputError: if the file is missing, damaged, or holds no showers.
    """
    text = _metadata(path).get(_KEY)
    if text is None:
        return Geometry.tungsten_silicon()
    with reading("geometry", path):
        return Geometry.model_validate_json(text)


def _metadata(path: Path) -> dict[bytes, bytes]:
    """Metadata of a file that holds showers."""
    try:
        with pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata.metadata or {}
    except FileNotFoundError:
        raise InputError(f"'{path}' does not exist; check the path.") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"'{path}' is not a whole Parquet file; make or copy it again.") from error
    missing = {"incident_energy", *_LISTS} - set(schema.names)
    if missing:
        raise InputError(f"'{path}' is no file of showers: it has no column {min(missing)}.")
    for name in _LISTS:
        kind = schema.field(name).type
        listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if not (listed and (pa.types.is_floating if name == "energy" else pa.types.is_integer)(kind.value_type)):
            raise InputError(f"the column {name} of '{path}' is not a list of numbers per shower; make it again.")
    return dict(metadata)


def _to_table(showers: Showers) -> pa.Table:
    offsets = pa.array(showers.offsets.astype(np.int32))
    small = np.uint8 if int(showers.geometry.shapes.max()) <= 256 and len(showers.geometry.layers) <= 256 else np.uint16
    columns: dict[str, NDArray[Any]] = {name: getattr(showers, name).astype(small) for name in _PLACES}
    columns["energy"] = showers.energy.astype(np.float32)
    lists = {name: pa.ListArray.from_arrays(offsets, pa.array(values)) for name, values in columns.items()}
    return pa.table({"incident_energy": pa.array(showers.incident_energy), **lists})


def _to_showers(batch: pa.RecordBatch, geometry: Geometry, run: RunInfo, path: Path) -> Showers:
    lists = {name: batch.column(name) for name in _LISTS}
    counts = {name: np.diff(np.asarray(column.offsets)) for name, column in lists.items()}
    if any(column.null_count for column in batch.columns) or any(
        not np.array_equal(count, counts["layer"]) for count in counts.values()
    ):
        raise InputError(f"'{path}' has showers whose columns differ in length or have gaps; make it again.")
    hits = {name: column.flatten().to_numpy(zero_copy_only=False) for name, column in lists.items()}
    incident = batch.column("incident_energy").to_numpy()
    try:
        return Showers.of(
            incident, counts["layer"], Cells(*(hits[name] for name in _PLACES)), hits["energy"],
            geometry=geometry, run=run,
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"'{path}' cannot be used: {error}") from None
