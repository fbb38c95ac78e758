import errno
import os
from collections.abc import Iterator
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo
from cloudchamber.formats import files, parquet, root
from cloudchamber.formats.atomic import atomic_path

SUFFIXES = (".parquet", ".root", ".hepmc3", ".hepmc3.gz", ".hepmc3.zst", ".hepmc", ".hepmc.gz")


def write(path: Path, *parts: Events) -> Path:
    with files.open_writer(path, parts[0].run) as writer:
        for part in parts:
            writer.write(part)
    return path


def write_all(path: Path, run: RunInfo, parts: Iterator[Events]) -> None:
    with files.open_writer(path, run) as writer:
        for part in parts:
            writer.write(part)


def same(first: Events, second: Events) -> bool:
    return first.columns == second.columns and all(
        np.array_equal(first.flat(name), second.flat(name)) for name in first.columns
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(suffix: str, stable_events: Events, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{suffix}", stable_events[:100], stable_events[100:])
    again = files.read(path)
    assert same(again, stable_events)
    assert np.array_equal(again.weight, stable_events.weight)
    assert again.run == stable_events.run == files.read_run(path)
    assert len(files.read(path, 17)) == 17
    assert [len(piece) for piece in files.iterate(path, 128)] == [128, 128, 44]
    assert [record.first for record in files.iterate_records(path, 128)] == [0, 128, 256]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_root_file_holds_a_tree(stable_events: Events, tmp_path: Path) -> None:
    with uproot.open(write(tmp_path / "a.root", stable_events)) as file:
        assert file.classnames() == {"events;1": "TTree", "cloudchamber;1": "TObjString"}
        assert file["events"].keys() == ["n", "pdg_id", "px", "py", "pz", "mass", "weight"]
        assert ak.num(file["events"]["px"].array()).to_list() == stable_events.counts.tolist()


def test_folder_of_shards(stable_events: Events, tmp_path: Path) -> None:
    parquet.write(tmp_path / "b.parquet", stable_events[100:])
    parquet.write(tmp_path / "a.parquet", stable_events[:100])
    assert same(files.read(tmp_path), stable_events)
    assert same(files.read(tmp_path, 150), stable_events[:150])


@pytest.mark.parametrize("name", ["a.txt", "a", "a.h5", "a.gz"])
def test_unknown_suffix(name: str, stable_events: Events, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="no suffix of a known format"):
        files.read(tmp_path / name)
    with pytest.raises(InputError, match=r"use one of \.hepmc3"):
        files.open_writer(tmp_path / name, stable_events.run)


def test_hepmc_tree_is_refused_with_the_way_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"abconv run1\.hepmc3 --ab-off --plot-off -f treeroot"):
        files.open_writer(tmp_path / "run1.hepmc3.tree.root", RunInfo())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_empty_and_damaged(suffix: str, stable_events: Events, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(InputError, match="does not exist"):
        files.read(path)
    path.touch()
    with pytest.raises(InputError, match="is empty"):
        files.read(path)
    whole = write(path, stable_events).read_bytes()
    for place in (3, len(whole) // 3, len(whole) - 30):
        path.write_bytes(whole[:place])
        with pytest.raises(InputError):
            files.read(path)
    with pytest.raises(InputError, match="no events to write"), files.open_writer(path, stable_events.run):
        pass


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.parquet file"):
        files.read(tmp_path)


@pytest.mark.parametrize("suffix", [".parquet", ".root"])
@pytest.mark.parametrize(("column", "value"), [("px", np.nan), ("pz", np.inf), ("mass", -np.inf)])
def test_numbers_must_be_finite(suffix: str, column: str, value: float, tmp_path: Path) -> None:
    n = 12
    flat = {name: np.ones(n) for name in ("px", "py", "pz", "mass")} | {"pdg_id": np.full(n, 211, dtype=np.int32)}
    flat[column][7] = value
    path = write(tmp_path / f"a{suffix}", Events.from_flat([3, 3, 3, 3], flat))
    with pytest.raises(InputError, match=rf"event 2 of .*a{suffix}' has a value of {column} that is not finite"):
        files.read(path)
    assert sum(len(piece) for piece in files.iterate(path, require_finite=False)) == 4


def test_weights_must_be_finite(stable_events: Events, tmp_path: Path) -> None:
    weight = stable_events.weight.copy()
    weight[250] = np.nan
    path = write(tmp_path / "a.parquet", Events(stable_events.particles, weight, stable_events.run))
    with pytest.raises(InputError, match="weight of event 250"):
        list(files.iterate(path, 100))


LISTS = {"pdg_id": [[11]], "px": [[1.0]], "py": [[1.0]], "pz": [[1.0]], "mass": [[0.0]], "weight": [1.0]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"px": None}, "lacks the column px;"),
        ({"px": None, "mass": None}, "lacks the columns px, mass;"),
        ({"px": [1.0]}, "px of .* not a list of floating-point numbers"),
        ({"px": [["a"]]}, "px of .* not a list of floating-point numbers"),
        ({"pdg_id": [[1.5]]}, "pdg_id of .* not a list of whole numbers"),
        ({"px": [[1.0, 2.0]]}, "differ in length"),
        ({"pdg_id": [[2**40]]}, "event 0 of .* has a number beyond 32 bits in the column pdg_id"),
        ({"status": [1]}, "status of .* not a list of whole numbers"),
        ({"mother": [["a"]]}, "mother of .* not a list of whole numbers"),
        ({"vx": [["a"]]}, "vx of .* not a list of floating-point numbers"),
        ({"weight": ["heavy"]}, "the column weight of .* is not a number per event"),
        ({"weight": pa.array([None], pa.float64())}, "weight of event 0 of .* is not finite"),
    ],
)
def test_parquet_columns(changes: dict[str, list[object] | None], sentence: str, tmp_path: Path) -> None:
    columns = {name: values for name, values in (LISTS | changes).items() if values is not None}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=sentence):
        files.read(tmp_path / "a.parquet")


def test_the_event_with_a_gap_is_named(tmp_path: Path) -> None:
    columns = {"pdg_id": [[11], [], [211, None]]} | {n: [[1.0], [], [1.0, 1.0]] for n in ("px", "py", "pz", "mass")}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"event 2 of .* has a gap"):
        files.read(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"event 2 of .* has a gap"):
        list(files.iterate(tmp_path / "a.parquet", 2))


def test_large_lists_are_read(stable_events: Events, tmp_path: Path) -> None:
    parquet.write(tmp_path / "a.parquet", stable_events)
    table = pq.read_table(tmp_path / "a.parquet")
    large = [f.with_type(pa.large_list(f.type.value_type)) if pa.types.is_list(f.type) else f for f in table.schema]
    pq.write_table(table.cast(pa.schema(large, table.schema.metadata)), tmp_path / "large.parquet")
    assert same(files.read(tmp_path / "large.parquet"), stable_events)


def test_a_target_must_not_replace_its_source(stable_events: Events, tmp_path: Path) -> None:
    parquet.write(tmp_path / "a.parquet", stable_events)
    with pytest.raises(InputError, match="both source and target"):
        files.require_other_path(tmp_path / "a.parquet", tmp_path / "." / "a.parquet")
    with pytest.raises(InputError, match="would be one of the shards"):
        files.require_other_path(tmp_path, tmp_path / "b.parquet")
    files.require_other_path(tmp_path, tmp_path / "b.hepmc3")
    files.require_other_path(tmp_path / "a.parquet", tmp_path / "b.parquet")


def test_foreign_parquet_without_metadata_or_weight(tmp_path: Path) -> None:
    pq.write_table(pa.table({k: v for k, v in LISTS.items() if k != "weight"}), tmp_path / "a.parquet")
    events = files.read(tmp_path / "a.parquet")
    assert events.run == RunInfo()
    assert events.weight.tolist() == [1.0]


def test_metadata_is_validated(tmp_path: Path) -> None:
    table = pa.table(LISTS).replace_schema_metadata({"cloudchamber": '{"seed": "x", "extra": 1}'})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"metadata of .* is not valid \(2 errors\)"):
        files.read(tmp_path / "a.parquet")


def test_root_without_tree_or_branch(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file["other"] = "text"
    with pytest.raises(InputError, match="has no tree 'events'"):
        root.read(tmp_path / "a.root")
    with uproot.recreate(tmp_path / "b.root") as file:
        file.mktree("events", {"px": "float64"}).extend({"px": np.ones(2)})
    with pytest.raises(InputError, match="lacks pdg_id, py, pz, mass"):
        root.read(tmp_path / "b.root")


@pytest.mark.parametrize("suffix", [".parquet", ".hepmc3", ".hepmc3.gz", ".hepmc3.zst"])
def test_full_disk(suffix: str, stable_events: Events, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    (tmp_path / f".{path.name}.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match="the disk is full; free some space"):
        write(path, stable_events)
    assert not list(tmp_path.iterdir())


def test_full_disk_under_root(stable_events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(uproot.writing.WritableTree, "extend", refuse)
    with pytest.raises(InputError, match="the disk is full; free some space"):
        write(tmp_path / "a.root", stable_events)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".parquet", ".root", ".hepmc3.gz"])
def test_an_interrupted_writer_leaves_nothing(suffix: str, stable_events: Events, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("old")

    def stop() -> Iterator[Events]:
        yield stable_events
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_all(path, stable_events.run, stop())
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".parquet", ".root", ".hepmc3"])
def test_folder_of_the_target(suffix: str, stable_events: Events, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; create it first"):
        write(tmp_path / "no" / f"a{suffix}", stable_events)
    (tmp_path / f"a{suffix}").mkdir()
    with pytest.raises(InputError, match="it is a folder"):
        write(tmp_path / f"a{suffix}", stable_events)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=rf"cannot write '.*/file/a{suffix}': '.*/file' is not a folder"):
        write(tmp_path / "file" / f"a{suffix}", stable_events)


def test_a_folder_as_target_is_told_before_the_work(tmp_path: Path) -> None:
    worked = False
    with pytest.raises(InputError, match="it is a folder"), atomic_path(tmp_path):
        worked = True
    assert not worked


def test_atomic_path_explains_permissions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="permission is denied"), atomic_path(tmp_path / "a"):
        raise PermissionError(13, "Permission denied")
