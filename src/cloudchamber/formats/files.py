"""Any file of events: the suffix picks the format.

`.hepmc3` and `.hepmc` (HepMC3 text, also with `.gz` or `.zst`), `.parquet` (or a folder of such shards),
`.root`.
"""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo
from cloudchamber.events.events import MOMENTUM_COLUMNS
from cloudchamber.formats.reader import collect
from cloudchamber.formats.writer import EventWriter
from cloudchamber.physics.record import Record

__all__ = ["SUFFIXES", "iterate", "iterate_records", "open_writer", "read", "read_run", "require_other_path"]

SUFFIXES = (".hepmc3", ".hepmc3.gz", ".hepmc3.zst", ".parquet", ".root")
_HEPMC_SUFFIXES = tuple(f"{stem}{packed}" for stem in (".hepmc3", ".hepmc") for packed in ("", ".gz", ".zst"))
_HEPMC_TREE = ".hepmc3.tree.root"
_SHARD_SUFFIXES = (".parquet", ".h5", ".hdf5")


def open_writer(path: Path, run: RunInfo) -> EventWriter:
    """A writer for the format that the suffix names; use it in a `with` block.

    Args:
        path: the file to make.
        run: metadata of the sample.

    Raises:
        InputError: if no format has this suffix.
    """
    if path.name.endswith(_HEPMC_TREE):
        text = path.name.removesuffix(_HEPMC_TREE) + ".hepmc3"
        raise InputError(
            f"'{path.name}' is written by HepMC3's ROOT library only: write '{text}' here, then run "
            f"'abconv {text} --ab-off --plot-off -f treeroot' in eic-shell."
        )
    if path.name.endswith(_HEPMC_SUFFIXES):
        from cloudchamber.formats.hepmc import HepMCWriter

        return HepMCWriter(path, run)
    if path.suffix == ".parquet":
        from cloudchamber.formats.parquet import ParquetWriter

        return ParquetWriter(path, run)
    if path.suffix == ".root":
        from cloudchamber.formats.root import RootWriter

        return RootWriter(path, run)
    raise _unknown(path)


def require_other_path(source: Path, target: Path) -> None:
    """Refuse a target that would replace its own source, or would become one of the shards of a folder.

    Args:
        source: the file or folder that is read.
        target: the file to make.

    Raises:
        InputError: if the target is the source, or a shard in it.
    """
    if target.exists() and target.resolve() == source.resolve():
        raise InputError(f"'{target}' is both source and target; give the target another name.")
    inside = source.is_dir() and source.resolve() == target.resolve().parent
    if inside and target.suffix in _SHARD_SUFFIXES:
        raise InputError(f"'{target}' would be one of the shards of its source '{source}'; make it in another folder.")


def read(path: Path, limit: int | None = None) -> Events:
    """Read a file, or a folder of Parquet shards.

    Args:
        path: a file of any format, or a folder of Parquet shards.
        limit: stop after this many events.

    Raises:
        InputError: if the file is missing, damaged, empty or of no known format, or a number is not finite.
    """
    return collect(iterate(path), limit)


def iterate(path: Path, batch_size: int = 20_000, *, require_finite: bool = True) -> Iterator[Events]:
    """Read a file, or a folder of Parquet shards, piece by piece, with bounded memory.

    Args:
        path: a file of any format, or a folder of Parquet shards.
        batch_size: most events in a piece.
        require_finite: refuse momenta, masses and weights that are not finite.

    Yields:
        Consecutive events.

    Raises:
        InputError: if the file is missing, damaged, empty or of no known format, or a number is not finite.
    """
    first = 0
    for events in _reader(path).iterate(path, batch_size):
        if require_finite:
            _require_finite(events, first, path)
        first += len(events)
        yield events


def iterate_records(path: Path, batch_size: int = 20_000) -> Iterator[Record]:
    """Read a file piece by piece with all that `check` judges; numbers may be anything.

    Args:
        path: a file of any format, or a folder of Parquet shards.
        batch_size: most events in a piece.

    Yields:
        Records of consecutive events.

    Raises:
        InputError: if the file is missing, damaged, empty or of no known format.
    """
    reader = _reader(path)
    if hasattr(reader, "iterate_records"):
        yield from reader.iterate_records(path, batch_size)
        return
    first = 0
    for events in reader.iterate(path, batch_size):
        yield Record(events, first)
        first += len(events)


def read_run(path: Path) -> RunInfo:
    """Metadata of a file, or of the first shard of a folder.

    Args:
        path: a file of any format, or a folder of Parquet shards.
    """
    run: RunInfo = _reader(path).read_run(path)
    return run


def _reader(path: Path) -> ModuleType:
    """The module that reads this file."""
    from cloudchamber.formats import hepmc, parquet, root

    if path.is_dir() or path.suffix == ".parquet":
        return parquet
    if path.name.endswith(_HEPMC_SUFFIXES):
        return hepmc
    if path.suffix == ".root" and not path.name.endswith(_HEPMC_TREE):
        return root
    raise _unknown(path)


def _unknown(path: Path) -> InputError:
    return InputError(f"'{path.name}' has no suffix of a known format; use one of {', '.join(SUFFIXES)}.")


def _require_finite(events: Events, first: int, path: Path) -> None:
    bad = np.flatnonzero(~np.isfinite(events.weight))
    if len(bad):
        raise InputError(f"the weight of event {first + bad[0]} of '{path}' is not finite; remove the event.")
    for name in MOMENTUM_COLUMNS:
        rows = np.flatnonzero(~np.isfinite(events.flat(name)))
        if len(rows):
            event = first + np.searchsorted(events.offsets, rows[0], side="right") - 1
            raise InputError(f"event {event} of '{path}' has a value of {name} that is not finite; remove the event.")
