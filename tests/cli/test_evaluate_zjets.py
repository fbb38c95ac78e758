"""`cloudchamber evaluate` of muons and jets: recognised by their beams, one report, one sentence for bad input."""

import json
from pathlib import Path

import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.formats import files, parquet
from cloudchamber.recipes.comparison import read_metrics
from cloudchamber.recipes.packing import summary


def evaluate(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *[str(word) for word in words]])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def sample(zjets_events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,000 events drawn from 400."""
    rows = np.random.default_rng(0).integers(0, len(zjets_events), 4_000)
    folder = tmp_path_factory.mktemp("zjets-evaluation")
    parquet.write(folder / "events.parquet", zjets_events[rows])
    return folder / "events.parquet"


def test_a_report_is_written(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report"
    assert evaluate(sample, "--reference", sample, "--out", out, "--budget", "quick", "--events", 1000) == 0
    assert "nothing tells the sample from the reference" in capsys.readouterr().out
    document = json.loads((out / "metrics.json").read_text())
    assert document["kind"] == "zjets"
    assert [one["jets"] for one in document["jets"]] == [1]
    page = (out / "index.html").read_text()
    assert "Spectra of 1 jet" in page
    assert "http" not in page.replace("Content-Security-Policy", "").replace("http-equiv", "")
    assert (out / "figures" / "spectra-1.png").stat().st_size > 10_000
    kept = summary(out / "metrics.json")
    assert kept["classifier_auc"]["value"] == pytest.approx(document["jets"][0]["auc"]["value"], rel=1e-4)
    assert kept["jets"]["1"]["events"] == 1000
    with pytest.raises(InputError, match="compare does not know"):
        read_metrics(out)


def test_draws_of_a_model_make_a_band(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events, rng = files.read(sample), np.random.default_rng(1)
    for k in range(3):
        drawn = events[rng.integers(0, len(events), 3_000)]
        run = drawn.run.with_(seed=k, provenance={"model": "m"})
        parquet.write(tmp_path / f"draw-{k}.parquet", drawn.with_run(run))
    members = [("--ensemble", tmp_path / f"draw-{k}.parquet") for k in (1, 2)]
    words = (tmp_path / "draw-0.parquet", "--reference", sample, "--budget", "quick", "--events", 1000)
    more = [word for pair in members for word in pair]
    assert evaluate(*words, *more, "--training", sample, "--out", tmp_path / "report") == 0
    assert "3 members: one standard deviation covers" in capsys.readouterr().out
    found = json.loads((tmp_path / "report" / "metrics.json").read_text())["ensemble"]
    assert found["members"] == 3
    assert found["training_sample"]
    assert {band["species"] for band in found["bands"]} == {"1j"}
    assert found["covered"] > 0.5
    assert evaluate(*words, "--training", sample, "--out", tmp_path / "other") == 2
    assert evaluate(*words, *more[:2], "--out", tmp_path / "other") == 2


def test_bad_input_is_one_sentence(
    sample: Path, stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parquet.write(tmp_path / "dis.parquet", stable_events)
    out = ("--out", tmp_path / "report")
    for words, sentence in (
        ((sample, "--reference", tmp_path / "dis.parquet", *out), "give samples of one kind"),
        ((tmp_path / "dis.parquet", "--reference", sample, *out), "give samples of one kind"),
        ((sample, "--reference", sample, "--accept", "paper", *out), "--accept does not apply"),
        ((sample, "--reference", sample, "--events", 10, *out), "--events 10 is too few"),
    ):
        assert evaluate(*words) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
    assert not (tmp_path / "report").exists()
