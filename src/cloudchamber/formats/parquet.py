"""Parquet: one row per event, list columns of particles, run metadata as JSON under the key `cloudchamber`.

Columns `pdg_id: list<int32>`, `px, py, pz, mass: list<float or double>` in GeV and `weight: double`; optional
`status, mother: list<int32>` and `vx, vy, vz, vt: list<double>` in mm where decays are kept.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo
from cloudchamber.events.events import HISTORY_COLUMNS, MOMENTUM_COLUMNS
from cloudchamber.formats.header import reading
from cloudchamber.formats.reader import collect
from cloudchamber.formats.writer import EventWriter

__all__ = ["METADATA_KEY", "ParquetWriter", "iterate", "read", "read_run", "shards", "write"]

METADATA_KEY = b"cloudchamber"
REQUIRED = ("pdg_id", *MOMENTUM_COLUMNS)
_INTEGERS = ("pdg_id", "status", "mother")
_ROW_GROUP = 10_000


class ParquetWriter(EventWriter):
    """Streams events into one file that appears under its name when the block ends well.

    Args:
        path: the file to make.
        run: metadata of the sample; `writer.run` may be replaced before the block ends.

    Raises:
        InputError: if the file cannot be written, or no event was.
    """

    def _begin(self, events: Events) -> None:
        self._writer = pq.ParquetWriter(self._temporary, _to_table(events[:0]).schema, compression="zstd")

    def _append(self, events: Events) -> None:
        self._writer.write_table(_to_table(events), row_group_size=_ROW_GROUP)

    def _close(self, whole: bool) -> None:
        if whole:
            self._writer.add_key_value_metadata({METADATA_KEY: self.run.model_dump_json().encode()})
        self._writer.close()


def write(path: Path, events: Events) -> None:
    """Write a sample to one file.

    Args:
        path: the file to make.
        events: the sample; its metadata is stored too.
    """
    with ParquetWriter(path, events.run) as writer:
        writer.write(events)


def shards(path: Path) -> list[Path]:
    """The Parquet files that a path stands for: itself, or all in a folder, in the order of their names.

    Args:
        path: a file or a folder of shards.

    Raises:
        InputError: if there is none.
    """
    if path.is_dir():
        found = sorted(p for p in path.glob("*.parquet") if not p.name.startswith("."))
        if not found:
            raise InputError(f"the folder '{path}' holds no .parquet file; make some with 'cloudchamber simulate dis'.")
        return found
    if not path.exists():
        raise InputError(f"'{path}' does not exist; check the path, or make it with 'cloudchamber simulate dis'.")
    return [path]


def read(path: Path, limit: int | None = None) -> Events:
    """Read a file or a folder of shards.

    Args:
        path: a file or a folder of shards.
        limit: stop after this many events.

    Raises:
        InputError: if a file is missing, damaged, empty, or lacks a column.
    """
    return collect(iterate(path), limit)


def iterate(path: Path, batch_size: int = 20_000) -> Iterator[Events]:
    """Read a file or a folder of shards piece by piece, with bounded memory.

    Args:
        path: a file or a folder of shards.
        batch_size: most events in a piece.

    Yields:
        Events of consecutive rows.

    Raises:
        InputError: if a file is missing, damaged, empty, or lacks a column.
    """
    for shard in shards(path):
        first = 0
        with _open(shard) as file:
            run = _run_of(file, shard)
            _require_columns(file, shard)
            if file.metadata.num_rows == 0:
                raise InputError(f"'{shard}' holds no events; make it again.")
            try:
                for batch in file.iter_batches(batch_size):
                    yield _to_events(batch, run, shard, first)
                    first += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"'{shard}' is damaged ({_first_line(error)}); make or copy it again.") from error


def read_run(path: Path) -> RunInfo:
    """Metadata of a file, or of the first shard of a folder.

    Args:
        path: a file or a folder of shards.
    """
    shard = shards(path)[0]
    with _open(shard) as file:
        return _run_of(file, shard)


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        reason = "is empty" if path.stat().st_size == 0 else "is not a whole Parquet file"
        raise InputError(f"'{path}' {reason}; make or copy it again.") from error


def _run_of(file: pq.ParquetFile, path: Path) -> RunInfo:
    text = (file.metadata.metadata or {}).get(METADATA_KEY)
    if text is None:
        return RunInfo()
    with reading("metadata", path):
        return RunInfo.model_validate_json(text)


def _require_columns(file: pq.ParquetFile, path: Path) -> None:
    missing = [name for name in REQUIRED if name not in file.schema_arrow.names]
    if missing:
        raise InputError(
            f"'{path}' lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"a file of events needs {', '.join(REQUIRED)}."
        )
    given = {name: file.schema_arrow.field(name).type for name in file.schema_arrow.names}
    for name in _lists_among(file.schema_arrow.names):
        kind, number = given[name], pa.types.is_integer if name in _INTEGERS else pa.types.is_floating
        if not ((pa.types.is_list(kind) or pa.types.is_large_list(kind)) and number(kind.value_type)):
            wanted = "whole numbers" if name in _INTEGERS else "floating-point numbers"
            raise InputError(f"the column {name} of '{path}' is not a list of {wanted} per event; make it again.")
    if "weight" in given and not (pa.types.is_floating(given["weight"]) or pa.types.is_integer(given["weight"])):
        raise InputError(f"the column weight of '{path}' is not a number per event; make it again.")


def _lists_among(names: list[str]) -> list[str]:
    return [name for name in (*REQUIRED, *HISTORY_COLUMNS) if name in names]


def _to_table(events: Events) -> pa.Table:
    offsets = pa.array(events.offsets.astype(np.int32))
    arrays = {
        name: pa.ListArray.from_arrays(offsets, pa.array(_stored(name, events.flat(name)))) for name in events.columns
    }
    return pa.table({**arrays, "weight": pa.array(events.weight)})


def _stored(name: str, values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.int32) if name in _INTEGERS else values


def _to_events(batch: pa.RecordBatch, run: RunInfo, path: Path, first: int) -> Events:
    lists = {name: batch.column(name) for name in _lists_among(batch.schema.names)}
    counts = {name: np.diff(np.asarray(column.offsets)) for name, column in lists.items()}
    if any(column.null_count for column in lists.values()) or any(
        not np.array_equal(c, counts["pdg_id"]) for c in counts.values()
    ):
        raise InputError(f"'{path}' has events whose particle columns differ in length; make it again.")
    flat = {name: column.flatten() for name, column in lists.items()}
    for name in _INTEGERS:
        if name in flat:
            _require_int32(name, flat[name], counts[name], path, first)
    columns = {name: values.to_numpy(zero_copy_only=False) for name, values in flat.items()}
    weight = batch.column("weight").to_numpy(zero_copy_only=False) if "weight" in batch.schema.names else None
    return Events.from_flat(counts["pdg_id"], columns, weight, run)


def _require_int32(name: str, values: pa.Array, counts: NDArray[Any], path: Path, first: int) -> None:
    """Refuse gaps, and numbers that no PDG number, status or mother can be."""
    bad = np.asarray(values.is_null())
    if values.null_count == 0:
        whole, bounds = values.to_numpy(zero_copy_only=False), np.iinfo(np.int32)
        bad = (whole < bounds.min) | (whole > bounds.max)
    if bad.any():
        event = first + np.searchsorted(np.cumsum(counts), np.argmax(bad), side="right")
        what = "a gap" if values.null_count else "a number beyond 32 bits"
        raise InputError(f"event {event} of '{path}' has {what} in the column {name}; remove the event.")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
