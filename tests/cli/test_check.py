from pathlib import Path

import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.events import Events
from cloudchamber.formats import files

SUFFIXES = (".parquet", ".hepmc3.gz")


def run(path: Path) -> int:
    with pytest.raises(SystemExit) as left:
        main(["check", str(path)])
    assert isinstance(left.value.code, int)
    return left.value.code


def write(path: Path, events: Events) -> Path:
    with files.open_writer(path, events.run) as writer:
        writer.write(events)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("level", ["stable_events", "primary_events"])
def test_good_events_pass(
    suffix: str,
    level: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(tmp_path / f"a{suffix}", request.getfixturevalue(level))
    assert run(path) == 0
    output = capsys.readouterr().out
    assert "FAIL" not in output
    assert "300 events" in output
    assert "four-momentum" in output


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_violation_fails_and_names_the_event(
    suffix: str, stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {name: stable_events.flat(name).copy() for name in stable_events.columns}
    columns["py"][stable_events.offsets[217]] += 1.0
    broken = Events.from_flat(stable_events.counts, columns, stable_events.weight, stable_events.run)
    assert run(write(tmp_path / f"a{suffix}", broken)) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "FAIL" in line]
    assert "four-momentum" in line
    assert " 217 " in line


def test_nan_is_a_failure_not_a_crash(
    stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {name: stable_events.flat(name).copy() for name in stable_events.columns}
    columns["py"][5] = np.nan
    broken = Events.from_flat(stable_events.counts, columns, stable_events.weight, stable_events.run)
    assert run(write(tmp_path / "a.parquet", broken)) == 1
    assert "finite" in capsys.readouterr().out


def test_truncated_file_is_bad_input(stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.hepmc3", stable_events)
    path.write_bytes(path.read_bytes()[:100_000])
    assert run(path) == 2
    error = capsys.readouterr().err
    assert "truncated" in error
    assert error.count("\n") == 1
