"""`cloudchamber evaluate`: bad input gives one clear sentence and exit code 2."""

from pathlib import Path

import pytest

from cloudchamber.cli.main import main
from cloudchamber.events import Events, Level
from cloudchamber.formats import parquet


@pytest.fixture
def sample(stable_events: Events, tmp_path: Path) -> Path:
    path = tmp_path / "events.parquet"
    parquet.write(path, stable_events)
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as left:
        main(["evaluate", *map(str, words)])
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.count("\n") == 1
    return said.err


def test_missing_files(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = tmp_path / "absent.parquet"
    for words in ((absent, "--reference", sample), (sample, "--reference", absent)):
        assert "absent.parquet" in refused(capsys, *words, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_options(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--reference" in refused(capsys, sample)


def test_an_unknown_budget(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = sample, "--reference", sample, "--out", tmp_path / "out", "--budget", "lavish"
    assert "quick, standard, full" in refused(capsys, *words)


def test_an_unknown_acceptance(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = sample, "--reference", sample, "--out", tmp_path / "out", "--accept", "everything"
    assert "choose one of paper" in refused(capsys, *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("events", [-5, 0, 999])
def test_impossible_numbers_of_events(
    events: int, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = sample, "--reference", sample, "--out", tmp_path / "out", f"--events={events}"
    assert "at least 1000" in refused(capsys, *words)


def test_too_small_an_ensemble(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.parquet"
    other.write_bytes(sample.read_bytes())
    words = (sample, "--reference", sample, "--out", tmp_path / "out", "--ensemble", other)
    assert "needs at least 2" in refused(capsys, *words)
    assert not (tmp_path / "out").exists()


def test_too_few_events(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, sample, "--reference", sample, "--out", tmp_path / "out")
    assert "holds 300 events; evaluate needs at least 1000" in said


def test_another_level_of_decays(
    sample: Path, stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "primary.parquet"
    parquet.write(other, stable_events.with_run(stable_events.run.with_(level=Level.PRIMARY)))
    said = refused(capsys, other, "--reference", sample, "--out", tmp_path / "out")
    assert "cloudchamber decay" in said


def test_a_folder_that_cannot_be_made(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out in (sample / "where", sample):
        assert str(out) in refused(capsys, sample, "--reference", sample, "--out", out)


def test_a_damaged_file(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(sample.read_bytes()[:-100])
    assert "damaged.parquet" in refused(capsys, damaged, "--reference", sample, "--out", tmp_path / "out")


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    assert "cloudchamber evaluate events.parquet" in capsys.readouterr().out
