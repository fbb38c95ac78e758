"""Scores of events: Parquet with one row for each event, metadata as JSON under the key `cloudchamber-scores`."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cloudchamber.formats.atomic import atomic_path

__all__ = ["METADATA_KEY", "WriteScores", "open_scores"]

METADATA_KEY = b"cloudchamber-scores"


class WriteScores(Protocol):
    """Appends columns of equal length."""

    def __call__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Append; all parts have the same columns."""
        ...


@contextmanager
def open_scores(path: Path, names: Mapping[str, type], metadata: Mapping[str, Any]) -> Iterator[WriteScores]:
    """A file of scores that appears under its name when the block ends well.

    Args:
        path: the file to make.
        names: columns and the numpy types that they have.
        metadata: what the columns are, and where they came from.

    Yields:
        A function to call with columns of some events.
    """
    schema = pa.schema(
        [(name, pa.from_numpy_dtype(np.dtype(kind))) for name, kind in names.items()],
        {METADATA_KEY: json.dumps(metadata).encode()},
    )
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        yield lambda columns: writer.write_table(pa.table(dict(columns), schema=schema))
