"""`cloudchamber export`: bad input gives one clear sentence and exit code 2, and leaves nothing behind."""

import sys
from pathlib import Path

import pytest

from cloudchamber.cli.main import main


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as left:
        main(["export", *map(str, words)])
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_an_unknown_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'nothing' is unknown; choose one of" in refused(capsys, "nothing", "--out", tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()


def test_a_folder_that_cannot_be_made(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("kept")
    assert "is not a folder" in refused(capsys, saved, "--out", tmp_path / "file" / "onnx")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_missing_package_is_named(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "pip install '.[onnx]'" in refused(capsys, saved, "--out", tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()
