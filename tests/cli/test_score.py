"""`cloudchamber score`: a row for every event, the same for any number of workers, and one sentence for bad input."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cloudchamber.cli import main as cli
from cloudchamber.events import Beams, Events
from cloudchamber.formats import parquet
from cloudchamber.formats.scores import METADATA_KEY

MODEL = "ep-dis-10x275-stable"
QUICK = ("--draws", 100, "--steps", 1, "--probes", 1)


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main([str(word) for word in words])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture(scope="module")
def source(stable_events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """280 events in two blocks, of which the third has a momentum that is not a number."""
    columns = {name: stable_events.flat(name).copy() for name in stable_events.columns}
    columns["px"][stable_events.offsets[2] + 1] = np.nan
    spoilt = Events.from_flat(stable_events.counts, columns, stable_events.weight, stable_events.run)
    path = tmp_path_factory.mktemp("scored") / "events.parquet"
    parquet.write(path, spoilt[:280])
    return path


@pytest.fixture(scope="module")
def scores(source: Path) -> Path:
    out = source.with_name("scores.parquet")
    assert run("score", source, "--model", MODEL, "--out", out, "--workers", 1, *QUICK) == 0
    return out


def test_every_event_has_a_row_and_the_columns_sum_up(scores: Path) -> None:
    table = pq.read_table(scores).to_pydict()
    assert table["event"] == list(range(280))
    columns = {name: np.array(values) for name, values in table.items()}
    parts = sum(columns[name] for name in ("electron", "species", "conservation", "cloud", "folding"))
    np.testing.assert_allclose(columns["log_density"], parts)
    assert np.flatnonzero(np.isnan(columns["log_density"])).tolist() == [2]
    assert np.isfinite(columns["log_density"]).sum() > 270


def test_the_metadata_tell_what_the_numbers_are(scores: Path) -> None:
    told = json.loads(pq.read_metadata(scores).metadata[METADATA_KEY])
    assert told["model"] == MODEL
    assert len(told["model_sha256"]) == 64
    assert told["setting"]["steps"] == 1
    assert "GeV2" in told["columns"]["cloud"]
    assert set(pq.read_schema(scores).names) < set(told["columns"]) | {"event"}


def test_two_workers_write_the_same_file(source: Path, scores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = source.with_name("two.parquet")
    assert run("score", source, "--model", MODEL, "--out", out, "--workers", 2, *QUICK) == 0
    assert out.read_bytes() == scores.read_bytes()
    output = capsys.readouterr()
    assert "280 events" in output.out
    assert "1 NaN" in output.out
    assert output.err == ""


def test_the_first_events_are_those_of_a_shorter_run(source: Path, scores: Path) -> None:
    out = source.with_name("short.parquet")
    assert run("score", source, "--model", MODEL, "--out", out, "--events", 20, "--workers", 1, *QUICK) == 0
    short, whole = (pq.read_table(path)["log_density"].to_numpy() for path in (out, scores))
    np.testing.assert_allclose(short, whole[:20], atol=1e-3)  # blocks of other sizes round otherwise


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--model", "ep-dis-10x275"), ("holds level stable", "knows level primary")),
        (("--model", "ep-dis-10x275-image"), ("has no density of events",)),
        (("--model", "ep-dis"), ("is of any beams", "cannot be scored", "such as ep-dis-10x275-stable")),
        (("--model", "nothing"), ("'nothing' is unknown",)),
        (("--model", MODEL, "--steps", 0), ("--steps 0 is impossible",)),
        (("--model", MODEL, "--out", "scores.csv"), ("must end in .parquet",)),
        (("--model", MODEL, "--workers", 0), ("--workers 0 is impossible",)),
    ],
)
def test_bad_input_gets_one_sentence(
    words: tuple[object, ...], parts: tuple[str, ...], source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = () if "--out" in words else ("--out", source.with_name("refused.parquet"))
    assert run("score", source, *words, *out, *(() if "--steps" in words else QUICK[:4])) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for part in parts:
        assert part in error
    assert not source.with_name("refused.parquet").exists()
    assert not list(source.parent.glob(".*part"))


def test_the_source_is_kept(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = source.read_bytes()
    assert run("score", source, "--model", MODEL, "--out", source, "--workers", 1, *QUICK) == 2
    assert "both source and target" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_without_the_cloud_only_unreadable_events_count_as_such(
    stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {name: stable_events.flat(name) for name in stable_events.columns}
    columns["status"] = np.ones(len(columns["px"]), dtype=np.int32)
    some = Events.from_flat(stable_events.counts, columns, None, stable_events.run)[:5]
    empty = Events.from_flat([0], {name: values[:0] for name, values in columns.items()})
    parquet.write(tmp_path / "events.parquet", Events.concatenate([some, empty]))
    words = ("--model", MODEL, "--out", tmp_path / "scores.parquet", "--workers", 1, "--no-cloud", *QUICK)
    assert run("score", tmp_path / "events.parquet", *words) == 0
    output = capsys.readouterr().out
    assert "6 events" in output
    assert " 1 NaN" in output
    species = pq.read_table(tmp_path / "scores.parquet")["species"].to_numpy()
    assert np.flatnonzero(np.isnan(species)).tolist() == [5]


def test_other_beams_are_refused(stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = stable_events[:5].with_run(stable_events.run.with_(beams=Beams.parse("18x275")))
    parquet.write(tmp_path / "other.parquet", other)
    out = tmp_path / "scores.parquet"
    assert run("score", tmp_path / "other.parquet", "--model", MODEL, "--out", out, "--workers", 1, *QUICK) == 2
    assert "has beams 18x275, but the model was trained at 10x275" in capsys.readouterr().err
    assert not out.exists()
