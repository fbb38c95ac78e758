"""`cloudchamber mcmc`: files, resumption after a kill, and one clear sentence on bad input."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import arviz as az
import pytest

from cloudchamber.cli.main import main

SMALL = ["--walkers", "8", "--warmup", "20", "--rounds", "1", "--steps", "30", "--seed", "4", "--proposal", "mixture"]


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["mcmc", *words])
    return int(stop.value.code or 0)


def chain(folder: Path) -> az.InferenceData:
    return az.from_netcdf(str(folder / "chain.nc"), engine="h5netcdf")


def test_a_run_leaves_chain_summary_and_plots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("himmelblau", "--out", str(tmp_path / "a"), *SMALL) == 0
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "chain.nc", "summary.json", "corner.png", "traces.png", "rounds.png", "checkpoint.pt",
    }  # fmt: skip
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    data = chain(tmp_path / "a")
    assert summary["parameters"]["x"]["mean"] == pytest.approx(float(data.posterior["x"].mean()))
    assert summary["evaluations"] == 8 * (1 + 20 + 50 + 10 + 30)
    assert "evaluations of the target" in capsys.readouterr().out
    assert run("himmelblau", "--out", str(tmp_path / "a"), *SMALL) == 2
    assert "continue it with --resume" in capsys.readouterr().err
    assert run("himmelblau", "--out", str(tmp_path / "b"), *SMALL) == 0
    assert chain(tmp_path / "b").posterior.equals(data.posterior)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """A target that kills its own process at some evaluation, with signal 9, stands for a power cut."""
    module = tmp_path / "suicidal.py"
    module.write_text(
        "import os, signal\ncount = 0\n"
        "def log_prob(x):\n    global count\n    count += 1\n"
        "    if count == int(os.environ.get('KILL_AT', -1)):\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return -float((x**2).sum()) / 2\n"
    )
    words = [sys.executable, "-m", "cloudchamber", "mcmc", "suicidal:log_prob", "--box=-9:9,-9:9", *SMALL]

    def start(out: str, *extra: str, kill_at: int | None = None) -> int:
        environment = {**os.environ, **({} if kill_at is None else {"KILL_AT": str(kill_at)})}
        return subprocess.run([*words, "--out", out, *extra], cwd=tmp_path, env=environment, check=False).returncode

    assert start("whole") == 0
    assert start("cut", kill_at=8 * 45) == -signal.SIGKILL
    assert start("cut", "--resume") == 0
    assert chain(tmp_path / "cut").posterior.equals(chain(tmp_path / "whole").posterior)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["nothing"], "'nothing' is unknown"), (["himmelblau", "--proposal", "gan"], "'gan' is unknown"),
     (["himmelblau", "--steps", "0"], "0 steps are impossible"), (["himmelblau", "--resume"], "to resume from"),
     (["himmelblau", "--walkers", "2"], "walkers 2 is impossible")],
)  # fmt: skip
def test_bad_input(words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words, "--out", str(tmp_path / "out")) == 2
    output = capsys.readouterr().err.strip()
    assert sentence in output
    assert len(output.splitlines()) == 1


def test_nothing_is_written_where_nothing_can_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run("himmelblau", "--out", str(tmp_path / "file")) == 2
    assert run("himmelblau", "--out", str(tmp_path / "file" / "where")) == 2
    assert "is not a folder" in capsys.readouterr().err
