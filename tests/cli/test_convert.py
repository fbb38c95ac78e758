import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloudchamber.cli import main as cli
from cloudchamber.events import Beams, Events
from cloudchamber.formats import files, parquet


@pytest.fixture
def source(stable_events: Events, tmp_path: Path) -> Path:
    parquet.write(tmp_path / "events.parquet", stable_events)
    return tmp_path / "events.parquet"


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main([str(word) for word in words])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_converts_to_every_format(
    suffix: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / f"other{suffix}"
    assert run("convert", source, target) == 0
    output = capsys.readouterr()
    assert "300 events written" in output.out
    assert output.err == ""
    assert (files.read(target).flat("px") == files.read(source).flat("px")).all()


def test_there_and_back_is_the_identity(source: Path, tmp_path: Path) -> None:
    assert run("convert", source, tmp_path / "a.hepmc3.gz") == 0
    assert run("convert", tmp_path / "a.hepmc3.gz", tmp_path / "b.parquet") == 0
    assert run("convert", tmp_path / "b.parquet", tmp_path / "b.hepmc3.gz") == 0
    assert (tmp_path / "a.hepmc3.gz").read_bytes() == (tmp_path / "b.hepmc3.gz").read_bytes()


def test_beams_are_told_where_the_source_does_not_say_them(source: Path, tmp_path: Path) -> None:
    unnamed = files.read(source)
    parquet.write(tmp_path / "unnamed.parquet", unnamed.with_run(unnamed.run.with_(beams=None)))
    assert run("convert", tmp_path / "unnamed.parquet", tmp_path / "named.parquet", "--beams", "10x275") == 0
    named = files.read(tmp_path / "named.parquet")
    assert named.run.beams == Beams(electron=10.0, hadron=275.0)
    assert (named.flat("pz") == unnamed.flat("pz")).all()


def test_other_beams_than_the_source_says_are_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", source, tmp_path / "a.parquet", "--beams", "18x275") == 2
    assert "so --beams 18x275 is wrong" in capsys.readouterr().err
    assert not (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize(
    ("source_name", "target_name", "sentence"),
    [
        ("none.parquet", "a.hepmc3", "does not exist"),
        ("events.parquet", "a.txt", "no suffix of a known format"),
        ("events.parquet", "a.hepmc3.tree.root", "abconv a.hepmc3"),
        ("events.parquet", "no/a.root", "does not exist; create it first"),
        ("events.parquet", "events.parquet", "both source and target"),
    ],
)
def test_bad_input_is_one_sentence(
    source_name: str, target_name: str, sentence: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", source.parent / source_name, source.parent / target_name) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert [entry.name for entry in source.parent.iterdir()] == [source.name]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["convert"], "cloudchamber convert: Missing argument"),
        (["convert", "a", "b", "c"], "cloudchamber convert: Got unexpected extra argument"),
        (["convert", "--no"], "cloudchamber convert: No such option: --no"),
        (["konvert"], "cloudchamber: No such command 'konvert'"),
    ],
)
def test_usage_errors_are_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert error.startswith(sentence)
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("failure", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, ""),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x"), 2, "cannot write 'x': the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2, "refuses 'x': Permission denied"),
    ],
)
def test_failures_have_codes(
    failure: BaseException, code: int, sentence: str, *, source: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(files, "open_writer", fail)
    assert run("convert", source, source.with_suffix(".root")) == code
    assert sentence in capsys.readouterr().err


def test_a_bug_is_not_hidden(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "open_writer", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["convert", str(source), str(tmp_path / "a.root")])


def test_help_lists_all_commands_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom cloudchamber.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pythia8mc', 'pyhepmc', 'matplotlib', 'awkward', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    for command in cli.COMMANDS:
        assert command.split()[0] in result.stdout


def test_a_closed_pipe_is_no_error(source: Path) -> None:
    program = f"{sys.executable} -c 'from cloudchamber.cli.main import main; main()'"
    command = f"{program} check {source} | true; test ${{PIPESTATUS[0]}} = 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("command", ["check", "convert"])
def test_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    output = capsys.readouterr().out
    assert f"cloudchamber {command} events" in output
    assert "Args:" not in output
