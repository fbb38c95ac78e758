"""The tutorial of docs/own-events.md, run as it is written."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.evaluate.document import MetricsDocument
from cloudchamber.events import Beams, Level
from cloudchamber.formats import parquet

TUTORIAL = Path(__file__).parents[2] / "docs" / "own-events.md"


def block(text: str, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(found)


def test_the_tutorial_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = TUTORIAL.read_text(encoding="utf-8")
    exec(compile(block(text, "python"), TUTORIAL.name, "exec"), {})
    Path("mine.toml").write_text(block(text, "toml"), encoding="utf-8")
    model = text[text.index("## A model for it") : text.index("## From a shipped model")]
    commands = re.findall(r"^    cloudchamber (.*)$", model, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["train", "generate", "evaluate"]
    for command in commands:
        with pytest.raises(SystemExit) as stop:
            main(shlex.split(command))
        assert not stop.value.code
    shards = parquet.read(Path("run/events"))
    assert len(shards) == 2500
    assert (shards.run.beams, shards.run.level) == (Beams.parse("5x100"), Level.STABLE)
    assert (np.asarray(shards.electron.pdg_id) == 11).all()
    events = parquet.read(Path("model.parquet"))
    assert len(events) == 1000
    assert events.run.beams == shards.run.beams
    document = MetricsDocument.model_validate_json(Path("report/metrics.json").read_bytes())
    assert max(law.candidate_max for law in document.conservation if law.unit != "GeV") == 0
