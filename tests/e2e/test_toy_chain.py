"""The whole chain on a toy: simulate, train, generate, convert, check, evaluate, each by its command."""

from pathlib import Path

import pytest

from cloudchamber.cli.main import main
from cloudchamber.formats import files

TOY = """
name = "toy"
description = "A model that learns in seconds"
level = "stable"
electron = { width = 16, depth = 1, repeats = 1 }
species = { width = 32, depth = 1 }
cloud = { width = 16, depth = 1, heads = 2, expansion = 1 }
training = { batch_size = 64, steps = 120, warm_up_steps = 10, learning_rate = 1e-2, ema_decay = 0.9 }
sampling = { calls = 4, sampler = "heun" }
"""
N = 1_024


def run(command: str, *arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), *map(str, arguments)])
    return int(stop.value.code or 0)


@pytest.mark.slow
def test_a_toy_goes_all_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, test, model = (tmp_path / name for name in ("data", "test", "run"))
    simulate = "simulate dis --beams 10x275 --q2-min 25 --level stable"
    assert run(f"{simulate} --events 3000 --seed 1 --out", data) == 0
    assert run(f"{simulate} --events 6000 --seed 2 --out", test) == 0

    (tmp_path / "toy.toml").write_text(TOY)
    assert run("train --precision float32 --device cpu", tmp_path / "toy.toml", "--data", data, "--out", model) == 0
    assert "done: step 120" in capsys.readouterr().out

    events = tmp_path / "events.parquet"
    assert run(f"generate --events {N} --seed 1 --workers 1 --model", model, "--out", events) == 0
    assert f"{N:,} events" in capsys.readouterr().out
    assert len(files.read(events)) == N
    assert files.read(events).run.provenance["model"] == "toy"

    assert run("convert", events, tmp_path / "events.hepmc3.gz") == 0
    for name in ("events.parquet", "events.hepmc3.gz"):
        assert run("check", tmp_path / name) == 0
        assert "pass" in capsys.readouterr().out

    assert run("evaluate --budget quick", events, "--reference", test, "--out", tmp_path / "report") == 0
    assert (tmp_path / "report" / "metrics.json").is_file()
