"""`cloudchamber simulate dis`: byte identity, continuation, interruption, and one sentence for bad input."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloudchamber.cli.main import main
from cloudchamber.formats import parquet
from cloudchamber.recipes import simulation

SHARD = 300
ARGUMENTS = ["simulate", "dis", "--beams", "10x275", "--q2-min", "25", "--seed", "4"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "SHARD_EVENTS", SHARD)


def simulate(out: Path, events: int, *extra: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main([*ARGUMENTS, "--events", str(events), "--out", str(out), *extra])
    return int(stop.value.code or 0)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> None:
    output = capsys.readouterr().err.strip()
    assert code == 2
    assert len(output.splitlines()) == 1
    assert "Traceback" not in output
    for word in words:
        assert word in output


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "reference"
    patch = pytest.MonkeyPatch()
    patch.setattr(simulation, "SHARD_EVENTS", SHARD)
    assert simulate(folder, 700) == 0
    patch.undo()
    return folder


def test_files_are_the_same_for_any_number_of_workers(reference: Path, tmp_path: Path) -> None:
    assert simulate(tmp_path / "two", 700, "--workers", "2") == 0
    assert contents(tmp_path / "two") == contents(reference)
    assert list(contents(reference)) == [f"shard-{k:05d}.parquet" for k in range(3)]


def test_a_longer_run_begins_with_a_shorter_one(reference: Path, tmp_path: Path) -> None:
    assert simulate(tmp_path / "short", 300) == 0
    assert contents(tmp_path / "short")["shard-00000.parquet"] == contents(reference)["shard-00000.parquet"]


def test_the_sample_has_the_promised_length_and_provenance(reference: Path) -> None:
    assert len(parquet.read(reference)) == 700
    run = parquet.read_run(reference)
    assert run.provenance["command"] == ("cloudchamber simulate dis --beams 10x275 --q2-min 25 --level stable --seed 4")
    assert run.cross_section_pb is not None


def test_a_run_continues_with_the_shards_that_are_missing(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(tmp_path / "out", 700) == 0
    (tmp_path / "out" / "shard-00001.parquet").unlink()
    (tmp_path / "out" / ".shard-00001.parquet.999999999.part").touch()
    kept = (tmp_path / "out" / "shard-00000.parquet").stat().st_mtime_ns
    assert simulate(tmp_path / "out", 700) == 0
    assert contents(tmp_path / "out") == contents(reference)
    assert (tmp_path / "out" / "shard-00000.parquet").stat().st_mtime_ns == kept
    assert "2 of them from before" in capsys.readouterr().out


def test_a_shorter_sample_can_be_made_longer(reference: Path, tmp_path: Path) -> None:
    assert simulate(tmp_path / "out", 400) == 0
    assert simulate(tmp_path / "out", 700) == 0
    assert contents(tmp_path / "out") == contents(reference)


@pytest.mark.parametrize(
    ("events", "extra", "word"),
    [(700, ("--seed", "5"), "seed"), (700, ("--level", "primary"), "level"), (400, (), "longer sample"),
     (700, ("--q2-max", "90"), "cuts"), (650, (), "length")],
)  # fmt: skip
def test_a_folder_with_another_sample_is_left_alone(
    reference: Path, capsys: pytest.CaptureFixture[str], events: int, extra: tuple[str, ...], word: str
) -> None:
    before = contents(reference)
    refused(capsys, simulate(reference, events, *extra), "another", word, "empty folder")
    assert contents(reference) == before


def test_a_damaged_shard_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(tmp_path / "out", 100) == 0
    shard = tmp_path / "out" / "shard-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-20])
    capsys.readouterr()
    refused(capsys, simulate(tmp_path / "out", 100), "shard-00000.parquet")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["--events", "0"], "--events"), (["--events", "-5"], "--events"), (["--workers", "0"], "--workers"),
     (["--seed", "-1"], "--seed"), (["--beams", "ten"], "10x275"), (["--beams", "0x0"], "beams"),
     (["--q2-min", "0"], "--q2-min"), (["--q2-min", "1e9"], "--q2-min"), (["--q2-max", "1"], "--q2-max"),
     (["--level", "half"], "level"), (["--q2-min", "nan"], "--q2-min")],
)  # fmt: skip
def test_bad_input_is_told_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    refused(capsys, simulate(tmp_path / "out", 10, *arguments), word)
    assert not (tmp_path / "out").exists()


def test_folders_above_the_sample_are_made(tmp_path: Path) -> None:
    assert simulate(tmp_path / "new" / "out", 10) == 0
    assert (tmp_path / "new" / "out" / "shard-00000.parquet").is_file()


def test_bad_outputs_are_told_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, simulate(tmp_path / "out.parquet", 10), "folder", "suffix")
    (tmp_path / "file").touch()
    refused(capsys, simulate(tmp_path / "file" / "out", 10), "not a folder")
    refused(capsys, simulate(tmp_path / "file", 10), "is a file")


def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / f".shard-00000.parquet.{os.getpid()}.part"
    target.symlink_to("/dev/full")
    refused(capsys, simulate(tmp_path / "out", 10), "disk is full")
    assert not (tmp_path / "out" / "shard-00000.parquet").exists()


def start(out: Path, events: int) -> "subprocess.Popen[bytes]":
    arguments = [*ARGUMENTS, "--events", str(events), "--workers", "2", "--out", str(out)]
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # a background shell ignores it
        "from cloudchamber.cli.main import main; from cloudchamber.recipes import simulation; "
        f"simulation.SHARD_EVENTS = {SHARD}; main({arguments!r})"
    )
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, start_new_session=True)


def wait_for(condition: str, out: Path, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not any(out.glob(condition)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_members(session: int) -> bool:
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_whole_shards_and_continues(
    reference: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out, events = tmp_path / "out", 40 * SHARD
    running = start(out, events)
    wait_for("shard-*.parquet", out)
    running.send_signal(number)
    _, errors = running.communicate(timeout=300)
    assert running.returncode != 0
    assert b"Traceback" not in errors
    deadline = time.monotonic() + 30
    while has_members(running.pid):
        assert time.monotonic() < deadline, "a worker outlives its parent"
        time.sleep(0.05)
    whole = sorted(out.glob("*.parquet"))
    assert 0 < len(whole) < 40
    for path in whole:
        assert len(parquet.read(path)) == SHARD
    if number is not signal.SIGKILL:
        assert not list(out.glob(".*"))
    for path in whole:
        if int(path.stem[-5:]) > 1:
            path.unlink()
    assert simulate(out, 700) == 0
    assert contents(out) == contents(reference)


def test_the_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["simulate", "dis", "--help"])
    assert not stop.value.code
    assert "cloudchamber simulate dis --beams 10x275" in capsys.readouterr().out


def test_pythia_can_be_detuned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(tmp_path / "a", 50, "--set", "StringZ:aLund = 0.4", "--set", "StringPT:sigma = 0.4") == 0
    run = parquet.read_run(tmp_path / "a")
    assert run.settings[-2:] == ("StringZ:aLund = 0.4", "StringPT:sigma = 0.4")
    assert "--set 'StringZ:aLund = 0.4' --set 'StringPT:sigma = 0.4'" in run.provenance["command"]
    capsys.readouterr()
    refused(capsys, simulate(tmp_path / "b", 50, "--set", "StringZ:aLun = 0.4"), "does not understand", "aLun = 0.4")
