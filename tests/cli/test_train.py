"""`cloudchamber train`: a run that becomes a model, and one sentence for bad input."""

from pathlib import Path

import pytest

from cloudchamber.cli.main import main
from cloudchamber.cli.train import duration
from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.formats import parquet


def train(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["train", *map(str, arguments)])
    return int(stop.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> None:
    output = capsys.readouterr().err.strip()
    assert code == 2
    assert len(output.splitlines()) == 1
    assert "Traceback" not in output
    for word in words:
        assert word in output


def test_a_run_is_made_and_continued(
    tiny_toml: Path, tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = [tiny_toml, "--data", tiny_data, "--out", tmp_path / "run", "--precision", "float32", "--device", "cpu"]
    assert train(*usual) == 0
    output = capsys.readouterr()
    assert "done: step 3 after" in output.out
    assert "validation loss" in output.out
    assert output.err == ""  # no bar where there is no terminal
    assert train(*usual, "--resume", "--steps", "4") == 0
    assert "done: step 4 after" in capsys.readouterr().out
    refused(capsys, train(*usual), "already holds a run", "--resume")


def test_time_can_be_the_limit(tiny_toml: Path, tiny_data: Path, tmp_path: Path) -> None:
    assert train(tiny_toml, "--data", tiny_data, "--out", tmp_path / "run", "--precision", "float32",
                 "--max-time", "0.5s", "--snapshots", "1h") == 0  # fmt: skip
    assert list((tmp_path / "run").glob("ema-*.safetensors"))


def test_durations_are_understood() -> None:
    for text, seconds in {"90m": 5400, "2h": 7200, "45s": 45, "600": 600, " 1.5 h ": 5400}.items():
        assert duration(text, "--max-time") == seconds
    for text in ("", "soon", "-5m", "0", "3d", "1e3"):
        with pytest.raises(InputError, match=r"--max-time .* is not a time"):
            duration(text, "--max-time")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-time", "soon"], ("--max-time 'soon'", "90m")),
        (["--snapshots", "often"], ("--snapshots 'often'",)),
        (["--resume"], ("holds no run to continue",)),
        (["--steps", "0"], ("steps = 0",)),
        (["--steps", "many"], ("--steps",)),
        (["--seed", "-1"], ("seed",)),
        (["--precision", "float8"], ("precision", "bfloat16")),
        (["--device", "abacus"], ("device",)),
        (["--colour", "red"], ("--colour",)),
    ],
)
def test_bad_options_are_told_in_one_sentence(
    tiny_toml: Path, tiny_data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: tuple[str, ...]
) -> None:
    out = tiny_toml.parent / "run"
    code = train(tiny_toml, "--data", tiny_data, "--out", out, "--precision", "float32", *arguments)
    refused(capsys, code, *words)
    assert not (out / "last.pt").exists()


def test_bad_presets_are_told_in_one_sentence(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--data", tiny_data, "--out", tmp_path / "run"]
    refused(capsys, train("ep-dis", *rest), "'ep-dis' is unknown", "ep-dis-10x275")
    refused(capsys, train(tmp_path / "none.toml", *rest), "does not exist")
    (tmp_path / "bad.toml").write_text("name = ")
    refused(capsys, train(tmp_path / "bad.toml", *rest), "bad.toml", "TOML")
    refused(capsys, train("ep-dis-10x275-stable", *rest), "level stable", "level primary")
    refused(capsys, train(*rest), "name a preset", "--init")


def test_bad_data_are_told_in_one_sentence(
    tiny_toml: Path, tiny_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", tmp_path / "run", "--precision", "float32"]
    refused(capsys, train(tiny_toml, "--data", tmp_path / "none", *out), "does not exist")
    (tmp_path / "empty").mkdir()
    refused(capsys, train(tiny_toml, "--data", tmp_path / "empty", *out), "no .parquet file")
    (tmp_path / "noise.parquet").write_bytes(b"noise" * 100)
    refused(capsys, train(tiny_toml, "--data", tmp_path / "noise.parquet", *out), "noise.parquet")
    parquet.write(tmp_path / "one.parquet", tiny_events[:1])
    refused(capsys, train(tiny_toml, "--data", tmp_path / "one.parquet", *out), "at least one each")
    refused(capsys, train(tiny_toml, *out), "--data")


def test_a_folder_that_cannot_be_made_is_told(
    tiny_toml: Path, tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file" / "run", tmp_path / "file", Path("/proc/run")):
        refused(capsys, train(tiny_toml, "--data", tiny_data, "--out", out, "--precision", "float32"), str(out))


def test_the_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--help") == 0
    assert "cloudchamber train ep-dis-10x275 --data data/train --out runs/a --max-time 90m" in " ".join(
        capsys.readouterr().out.split()
    )
