"""`cloudchamber decay`: the result does not depend on how a file is cut, and bad input gets one sentence."""

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.events import Beams, Events, Level
from cloudchamber.formats import files, parquet
from cloudchamber.recipes import decays
from cloudchamber.simulate.decay import BLOCK, Decayer
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

N = 2 * BLOCK + 50


@pytest.fixture(scope="module")
def primary() -> Events:
    return simulate_shard(DISSetting(Beams.parse("10x275"), 25.0, level=Level.PRIMARY), N, seed=2, shard=0)


@pytest.fixture(scope="module")
def source(primary: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("decay") / "primary.parquet"
    parquet.write(path, primary)
    return path


def decay(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["decay", *map(str, arguments)])
    return int(stop.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> None:
    output = capsys.readouterr().err.strip()
    assert code == 2
    assert len(output.splitlines()) == 1
    for word in words:
        assert word in output


def test_blocks_are_those_of_the_decayer(source: Path, primary: Events, tmp_path: Path) -> None:
    assert decay(source, tmp_path / "stable.parquet", "--seed", "7") == 0
    result = parquet.read(tmp_path / "stable.parquet")
    expected = Decayer().decay(primary[BLOCK : 2 * BLOCK], seed=7, block=1).events
    assert ak.array_equal(result[BLOCK : 2 * BLOCK].particles, expected.particles)
    assert len(result) == N
    assert result.run.level is Level.STABLE
    assert result.flat("px").dtype == np.float64


def test_the_source_is_kept(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = source.read_bytes()
    refused(capsys, decay(source, source), "both source and target")
    refused(capsys, decay(source.parent, source.parent / "stable.parquet"), "would be one of the shards")
    assert source.read_bytes() == before


def test_shards_give_the_same_as_one_file(source: Path, primary: Events, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for number, start in enumerate(range(0, N, 97)):
        parquet.write(tmp_path / "shards" / f"shard-{number:05d}.parquet", primary[start : start + 97])
    assert decay(source, tmp_path / "one.parquet") == 0
    assert decay(tmp_path / "shards", tmp_path / "many.parquet") == 0
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "many.parquet").read_bytes()


@pytest.mark.parametrize("name", ["stable.parquet", "stable.hepmc3"])
def test_history_is_written_where_asked(source: Path, tmp_path: Path, name: str) -> None:
    assert decay(source, tmp_path / name, "--history") == 0
    record = files.read(tmp_path / name)
    assert len(record) == N
    assert record.run.level is Level.STABLE
    if name.endswith(".parquet"):
        assert set(np.unique(record.flat("status")).tolist()) == {1, 2}
        assert {"mother", "vx", "vy", "vz", "vt"} <= set(record.columns)


def test_events_that_fail_once_are_decayed_again(primary: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decayer that refuses row 3 at first: that row comes from the next attempt, all others as before."""
    decayer, events = Decayer(), primary[:10]
    plain = Decayer.decay

    def reluctant(self: Decayer, given: Events, **options: int) -> object:
        result = plain(self, given, **options)
        return result._replace(failed=np.array([3])) if not options.get("attempt") else result

    monkeypatch.setattr(Decayer, "decay", reluctant)
    result = decays.decay_block(decayer, events, seed=1, block=0, history=False)
    monkeypatch.undo()
    first = decayer.decay(events, seed=1).events
    second = decayer.decay(events[np.array([3])], seed=1, attempt=1).events
    assert ak.array_equal(result[:3].particles, first[:3].particles)
    assert ak.array_equal(result[3:4].particles, second.particles)
    assert ak.array_equal(result[4:].particles, first[4:].particles)


def test_an_event_that_cannot_decay_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"pdg_id": np.array([211, 113], np.int32), "mass": np.array([0.13957, 0.05])}
    columns |= {name: np.zeros(2) for name in ("px", "py", "pz")}
    parquet.write(tmp_path / "light.parquet", Events.from_flat([1, 1], columns))
    refused(capsys, decay(tmp_path / "light.parquet", tmp_path / "out.parquet"), "event 1 ", "too light")
    assert not (tmp_path / "out.parquet").exists()


def test_bad_input_is_told_in_one_sentence(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, decay(tmp_path / "none.parquet", tmp_path / "out.parquet"), "does not exist")
    refused(capsys, decay(source, tmp_path / "no" / "out.parquet"), "does not exist")
    refused(capsys, decay(source, tmp_path / "out.txt"), "suffix")
    refused(capsys, decay(source, tmp_path / "out.parquet", "--seed", "-1"), "--seed")
    assert decay(source, tmp_path / "stable.parquet") == 0
    capsys.readouterr()
    refused(capsys, decay(tmp_path / "stable.parquet", tmp_path / "out.parquet"), "finished already")
