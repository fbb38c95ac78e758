"""ROOT: a TTree `events` of jagged branches, with the run metadata as JSON in the string `cloudchamber`.

Branches `pdg_id[n]/I, px[n], py[n], pz[n], mass[n]/F or D` in GeV and `weight/D`; optional `status[n],
mother[n]/I` and `vx[n], vy[n], vz[n], vt[n]/D` in mm where decays are kept. ROOT's own macros, RDataFrame and
uproot read it. It is not the HepMC3 tree that the EIC's simulation reads; `abconv` makes that from HepMC3
text.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo
from cloudchamber.events.events import HISTORY_COLUMNS, MOMENTUM_COLUMNS
from cloudchamber.formats.header import reading
from cloudchamber.formats.reader import collect
from cloudchamber.formats.writer import EventWriter

__all__ = ["METADATA_NAME", "TREE_NAME", "RootWriter", "iterate", "read", "read_run"]

TREE_NAME = "events"
METADATA_NAME = "cloudchamber"
REQUIRED = ("pdg_id", *MOMENTUM_COLUMNS)
_INTEGERS = ("pdg_id", "status", "mother")


class RootWriter(EventWriter):
    """Streams events into one ROOT file that appears under its name when the block ends well.

    Args:
        path: the file to make.
        run: metadata of the sample; `writer.run` may be replaced before the block ends.

    Raises:
        InputError: if the file cannot be written, or no event was.
    """

    def _begin(self, events: Events) -> None:
        import uproot

        self._file = uproot.recreate(self._temporary)
        dtypes = {name: values.dtype for name, values in _flat(events).items()}
        record = ak.types.RecordType([ak.types.NumpyType(d.name) for d in dtypes.values()], list(dtypes))
        self._tree = self._file.mktree(
            TREE_NAME,
            {"particles": ak.types.ListType(record), "weight": np.dtype(np.float64)},
            counter_name=lambda branch: "n",
            field_name=lambda outer, inner: inner,
        )

    def _append(self, events: Events) -> None:
        self._tree.extend({"particles": ak.unflatten(ak.zip(_flat(events)), events.counts), "weight": events.weight})

    def _close(self, whole: bool) -> None:
        with self._file:
            if whole:
                self._file[METADATA_NAME] = self.run.model_dump_json()


def read(path: Path, limit: int | None = None) -> Events:
    """Read a file.

    Args:
        path: a ROOT file with a tree `events`.
        limit: stop after this many events.

    Raises:
        InputError: if the file is missing, damaged, empty, or lacks a branch.
    """
    return collect(iterate(path), limit)


def iterate(path: Path, batch_size: int = 20_000) -> Iterator[Events]:
    """Read a file piece by piece, with bounded memory.

    Args:
        path: a ROOT file with a tree `events`.
        batch_size: most events in a piece.

    Yields:
        Consecutive events.

    Raises:
        InputError: if the file is missing, damaged, empty, or lacks a branch.
    """
    with _open(path) as file, _explained(path):
        run, tree = _run_of(file, path), _tree_of(file, path)
        names = [name for name in (*REQUIRED, *HISTORY_COLUMNS) if name in tree]
        weighted = ["weight"] if "weight" in tree else []
        for start in range(0, tree.num_entries, batch_size):
            stop = min(start + batch_size, tree.num_entries)
            yield _to_events(tree.arrays([*names, *weighted], entry_start=start, entry_stop=stop), names, run)


def read_run(path: Path) -> RunInfo:
    """Metadata of a file.

    Args:
        path: a ROOT file with a tree `events`.
    """
    with _open(path) as file, _explained(path):
        return _run_of(file, path)


def _flat(events: Events) -> dict[str, Any]:
    return {
        name: events.flat(name).astype(np.int32) if name in _INTEGERS else events.flat(name) for name in events.columns
    }


def _open(path: Path) -> Any:  # noqa: ANN401
    import uproot

    if not path.is_file():
        raise InputError(f"'{path}' does not exist; check the path.")
    try:
        file = uproot.open(path)
        if path.stat().st_size >= file.file.fEND:
            return file
        file.close()
        raise EOFError("the file is shorter than it says")
    except (OSError, ValueError, IndexError, KeyError, NotImplementedError, EOFError) as error:
        reason = "is empty" if path.stat().st_size == 0 else "is not a whole ROOT file"
        raise InputError(f"'{path}' {reason}; make or copy it again.") from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Whatever uproot raises on damaged bytes, as one sentence."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, zlib.error, struct.error) as error:
        raise InputError(f"'{path}' is damaged ({type(error).__name__}); make or copy it again.") from error


def _run_of(file: Any, path: Path) -> RunInfo:  # noqa: ANN401
    if METADATA_NAME not in file:
        return RunInfo()
    with reading("metadata", path):
        return RunInfo.model_validate_json(str(file[METADATA_NAME]))


def _tree_of(file: Any, path: Path) -> Any:  # noqa: ANN401
    if TREE_NAME not in file:
        raise InputError(f"'{path}' has no tree '{TREE_NAME}'; give a file that cloudchamber wrote.")
    tree = file[TREE_NAME]
    missing = [name for name in REQUIRED if name not in tree]
    if missing:
        raise InputError(f"the tree of '{path}' lacks {', '.join(missing)}; it needs {', '.join(REQUIRED)}.")
    if tree.num_entries == 0:
        raise InputError(f"'{path}' holds no events; make it again.")
    return tree


def _to_events(arrays: ak.Array, names: list[str], run: RunInfo) -> Events:
    counts = ak.num(arrays[names[0]])
    columns = {name: ak.to_numpy(ak.flatten(arrays[name])) for name in names}
    weight = ak.to_numpy(arrays["weight"]) if "weight" in arrays.fields else None
    return Events.from_flat(counts, columns, weight, run)
