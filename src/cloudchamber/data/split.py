"""Which events train and which validate.

The shards of a folder, in the order of their names, are one long table of n rows. Its last ceil(f n) rows
validate and the others train, so the same folder is always divided in the same way and a row is never in both
parts. A folder of folders is a mixture of samples, each of which is divided in this way. Long files are divided
further into pieces of rows, so that no piece is large in memory.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.formats import parquet

__all__ = ["Parts", "Piece", "Shard", "Split", "samples", "split"]


class Piece(Protocol):
    """Rows `start` to `stop` of a file, of events or of anything else."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def start(self) -> int:
        """The first row."""
        ...

    @property
    def stop(self) -> int:
        """One after the last row."""
        ...

    def __len__(self) -> int: ...

    def read(self) -> Any:  # noqa: ANN401
        """What the rows hold."""
        ...


class Parts(Protocol):
    """Pieces for training and pieces for validation."""

    @property
    def train(self) -> Sequence[Piece]:
        """For training."""
        ...

    @property
    def validation(self) -> Sequence[Piece]:
        """For validation."""
        ...


@dataclass(frozen=True)
class Shard:
    """Rows `start` to `stop` of a file."""

    path: Path
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def read(self) -> Events:
        """Its events.

        Raises:
            InputError: if the file is damaged, or holds fewer rows than when it was divided.
        """
        parts, first = [], 0
        for part in parquet.iterate(self.path):
            if first >= self.stop:
                break
            parts.append(part[max(self.start - first, 0) : max(self.stop - first, 0)])
            first += len(part)
        if first < self.stop:
            raise InputError(f"'{self.path}' has become shorter while it is in use; make it again.")
        return Events.concatenate([part for part in parts if len(part)])


@dataclass(frozen=True)
class Split:
    """Shards for training and shards for validation, with no row in both."""

    train: list[Shard]
    validation: list[Shard]


def split(folder: Path, fraction: float = 0.02, piece: int = 50_000) -> Split:
    """Divide a file or a folder of shards.

    Args:
        folder: a Parquet file, a folder of them, or a folder of such folders.
        fraction: share of the rows that validate, above 0 and below 1; at least one row.
        piece: longer shards are divided into about equal pieces of at most this many rows.

    Raises:
        InputError: if there is no file, a file is damaged, or there are fewer than two events.
    """
    if not 0 < fraction < 1:
        raise InputError(f"the validation fraction {fraction:g} is impossible; give a number above 0 and below 1.")
    parts = [_split(sample, fraction, piece) for sample in samples(folder)]
    return Split(*([shard for part in parts for shard in part[k]] for k in (0, 1)))


def samples(folder: Path) -> list[Path]:
    """The samples that a path stands for: itself, or the folders of shards in it, in the order of their names.

    Args:
        folder: a Parquet file, a folder of them, or a folder of such folders.
    """
    inner = sorted({path.parent for path in folder.glob("*/*.parquet")}) if folder.is_dir() else []
    return inner if inner and not any(folder.glob("*.parquet")) else [folder]


def _split(folder: Path, fraction: float, piece: int) -> tuple[list[Shard], list[Shard]]:
    """Shards of one sample for training and for validation."""
    whole = [Shard(path, 0, _rows(path)) for path in parquet.shards(folder)]
    total = sum(map(len, whole))
    if total < 2:
        raise InputError(f"'{folder}' holds {total} event(s), but training and validation need at least one each.")
    border = max(total - math.ceil(fraction * total), 1)
    return _cut(_take(whole, 0, border), piece), _cut(_take(whole, border, total), piece)


def _take(shards: Sequence[Shard], start: int, stop: int) -> list[Shard]:
    """Rows `start` to `stop` of all shards in a row."""
    firsts = accumulate(map(len, shards), initial=0)
    taken = [
        (shard, max(start - first, 0), min(stop - first, len(shard)))
        for shard, first in zip(shards, firsts, strict=False)
    ]
    return [replace(shard, start=a, stop=b) for shard, a, b in taken if a < b]


def _cut(shards: Sequence[Shard], piece: int) -> list[Shard]:
    """The same rows in pieces."""
    return [part for shard in shards for part in _pieces(shard, math.ceil(len(shard) / piece))]


def _pieces(shard: Shard, count: int) -> list[Shard]:
    edges = [shard.start + len(shard) * i // count for i in range(count + 1)]
    return [replace(shard, start=a, stop=b) for a, b in pairwise(edges)]


def _rows(path: Path) -> int:
    parquet.read_run(path)  # explains what is wrong with a file that cannot be opened
    return int(pq.read_metadata(path).num_rows)
