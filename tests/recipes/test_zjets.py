"""Models of muons and jets by the commands that serve every family: train, generate, check."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from cloudchamber.cli.main import main
from cloudchamber.errors import InputError
from cloudchamber.events import Events, ProtonBeams
from cloudchamber.formats import files, parquet
from cloudchamber.physics.zjets import faults
from cloudchamber.recipes import store
from cloudchamber.recipes.config import load_preset
from cloudchamber.recipes.generation import load
from cloudchamber.recipes.store import load_model, save_model
from cloudchamber.represent.vector import VectorRepresentation, values_of
from cloudchamber.tensors.batch import Batch

TINY = """
name = "tiny-zjets"
description = "A model for tests"
level = "stable"
family = "zjets"
training = { batch_size = 64, steps = 3, warm_up_steps = 1, window = 1 }
sampling = { calls = 4, sampler = "heun" }
[vector]
width = 8
depth = 1
"""
MODELS = {
    "flow matching": "",
    "ddpm": '[vector.process]\nschedule = "ddpm-linear"\ntarget = "v"\ntimes = "uniform"\nsteps = 1000\n',
    "flow": 'model = "flow"\ncouplings = 2\nbins = 4\n',
    "jetgpt": 'model = "jetgpt"\nazimuth = "circle"\nmuons = "mass"\nthreshold = "edge"\ncomponents = 4\n',
}


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module", params=MODELS)
def run(request: pytest.FixtureRequest, zjets_events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zjets")
    (folder / "tiny.toml").write_text(TINY + MODELS[request.param])
    parquet.write(folder / "events.parquet", zjets_events)
    assert command("train", folder / "tiny.toml", "--data", folder / "events.parquet", "--out", folder / "run",
                   "--device", "cpu") == 0  # fmt: skip
    return folder / "run"


def test_a_run_makes_events_of_the_number_of_jets_that_is_asked_for(run: Path, tmp_path: Path) -> None:
    for suffix in ("parquet", "hepmc3"):
        out = tmp_path / f"events.{suffix}"
        assert command("generate", "--model", run, "--jets", 2, "--events", 20, "--out", out, "--workers", 1) == 0
        assert set(files.read(out).counts) == {4}
    made = files.read(tmp_path / "events.parquet")
    assert "--jets 2" in made.run.provenance["command"]
    trained = load_model(str(run))
    representation, whole = trained.representation, trained.card.data.cross_section_pb
    assert isinstance(representation, VectorRepresentation)
    assert whole is not None
    assert made.run.cross_section_pb == pytest.approx(whole * float(representation.shares[1]))
    assert (values_of(made).values[:, [5, 9]] > 20).all()


def test_the_first_events_of_a_longer_run_are_the_shorter_run(run: Path, zjets_events: Events) -> None:
    generator = load(str(run))
    few, many = generator.sample(30, seed=4), generator.sample(300, seed=4)
    assert np.array_equal(few.flat("px"), many[:30].flat("px"))
    share = np.mean(many.counts == 3)
    expected = np.mean(zjets_events.counts == 3)
    assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / 300)


def test_every_stage_has_a_loss_and_a_density(run: Path, zjets_events: Events) -> None:
    trained = load_model(str(run))
    rows = trained.representation.encode(zjets_events[:20])
    with torch.no_grad():
        density = trained.model.log_prob(rows)
    assert density.shape == (20,)
    assert density.isfinite().all()


def test_what_cannot_be_made_is_said(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, sentence in ((("--jets", 4), "--jets 4 is impossible"), (("--q2-min", 30), "no cuts")):
        assert command("generate", "--model", run, *words, "--events", 5, "--out", tmp_path / "x.parquet") == 2
        assert sentence in capsys.readouterr().err


def test_a_model_is_not_trained_on_at_other_energies(
    run: Path, zjets_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = zjets_events.with_run(zjets_events.run.with_(protons=ProtonBeams(energy=4000)))
    parquet.write(tmp_path / "events.parquet", other)
    for data in ("events.parquet", "mixture"):
        arguments = ("--init", run, "--data", tmp_path / data, "--out", tmp_path / "run", "--device", "cpu")
        assert command("train", run.parent / "tiny.toml", *arguments) == 2
        assert "protons of 4000 GeV, but the model learnt those of 6500 GeV" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
        (tmp_path / "mixture").mkdir(exist_ok=True)
        parquet.write(tmp_path / "mixture" / "shard-00000.parquet", zjets_events)
        parquet.write(tmp_path / "mixture" / "shard-00001.parquet", other)
    assert command("train", run.parent / "tiny.toml", "--data", tmp_path / "mixture", "--out", tmp_path / "run",
                   "--device", "cpu") == 2  # fmt: skip
    assert "several beams" in capsys.readouterr().err


def test_every_event_is_scored(run: Path, zjets_events: Events, tmp_path: Path) -> None:
    columns = {name: zjets_events[:20].flat(name).copy() for name in zjets_events.columns}
    offsets = zjets_events[:20].offsets
    columns["px"][offsets[2]] = np.nan
    columns["pdg_id"][offsets[4] + 1] = 13
    jet = offsets[6] + 2
    columns["px"][jet], columns["py"][jet] = 3.0, 4.0
    spoilt = Events.from_flat(zjets_events[:20].counts, columns, run=zjets_events.run)
    parquet.write(tmp_path / "events.parquet", spoilt)
    out = tmp_path / "scores.parquet"
    assert command("score", tmp_path / "events.parquet", "--model", run, "--out", out, "--workers", 1) == 0
    table = pq.read_table(out)
    density = table["log_density"].to_numpy()
    assert np.flatnonzero(np.isnan(density)).tolist() == [2, 4]
    assert np.flatnonzero(np.isneginf(density)).tolist() == [6]
    both = table["number"].to_numpy() + table["kinematics"].to_numpy()
    assert np.array_equal(both, density, equal_nan=True)
    trained = load_model(str(run))
    whole = [k for k in range(20) if k not in (2, 4, 6)]
    with torch.no_grad():
        inner = trained.model.log_prob(trained.representation.encode(zjets_events[np.array(whole)])).double()
    found = values_of(zjets_events[np.array(whole)])
    expected = inner + trained.representation.log_det(found) - np.log(2 * np.pi)
    np.testing.assert_allclose(table["kinematics"].to_numpy()[whole], expected.numpy(), rtol=1e-3, atol=1e-2)


def test_what_no_model_of_jets_can_do_is_refused_in_one_sentence(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, sentence in (
        (("export", run), "only models of the family cascade can be exported"),
        (("distill", run, "--data", run.parent / "events.parquet"), "only models of the families cascade"),
        (("generate", "--model", run, "--events", 5, "--electrons", run.parent / "events.parquet"), "electron"),
    ):
        out = tmp_path / ("x.parquet" if words[0] == "generate" else "x")
        assert command(*words, "--out", out) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
        assert "Traceback" not in error
    assert command("generate", "--model", run, "--events", 5, "--out", tmp_path / "x.lhe") == 2


def test_calls_are_for_models_with_diffusion_stages(run: Path, tmp_path: Path) -> None:
    preset = load_model(str(run)).card.preset
    out = tmp_path / "x.parquet"
    assert command("generate", "--model", run, "--events", 5, "--calls", 2, "--out", out) == (
        0 if preset.takes_calls else 2
    )
    assert preset.takes_calls == (preset.vector.model == "diffusion")
    made = load(str(run)).sample(5)
    assert ("--calls" in made.run.provenance["command"]) == preset.takes_calls


def test_jetgpt_keeps_every_cut_before_it_is_trained(run: Path) -> None:
    if load_model(str(run)).card.preset.vector.model != "jetgpt":
        pytest.skip("other models blur the cut on Delta R")
    for jets in (2, 3):
        made = load(str(run)).sample(600, seed=3, jets=jets)
        assert not faults(made).any()


def test_no_event_is_outside_of_the_cuts_where_that_is_asked_for(run: Path, tmp_path: Path) -> None:
    """Only the events outside are others."""
    out = tmp_path / "x.parquet"
    assert command("generate", "--model", run, "--jets", 2, "--events", 300, "--inside-cuts", "--out", out) == 0
    made = files.read(out)
    assert not faults(made).any()
    assert "--inside-cuts" in made.run.provenance["command"]
    as_drawn = load(str(run)).sample(300, seed=1, jets=2)
    kept = faults(as_drawn) == 0
    np.testing.assert_allclose(made[kept].flat("px"), as_drawn[kept].flat("px"), rtol=1e-6, atol=1e-4)


def test_a_model_that_is_never_inside_of_the_cuts_is_told(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cloudchamber.generate.vector.faults", lambda events: np.ones(len(events)))
    monkeypatch.setattr("cloudchamber.generate.vector._ATTEMPTS", 2)
    words = ("--jets", 2, "--events", 5, "--inside-cuts", "--workers", 1)
    assert command("generate", "--model", run, *words, "--out", tmp_path / "x.parquet") == 2
    assert "nothing inside of the cuts in 2 attempts; train it longer" in capsys.readouterr().err
    assert not (tmp_path / "x.parquet").exists()


def test_the_density_of_jetgpt_integrates_to_one_beside_the_cuts(run: Path, zjets_events: Events) -> None:
    trained = load_model(str(run))
    if trained.card.preset.vector.model != "jetgpt":
        pytest.skip("other models have no edges")
    event = zjets_events[np.flatnonzero(zjets_events.counts == 5)[:1]]
    batch, n = trained.representation.encode(event)["event"], 8_000
    edges = {9: (-12.0, 12.0), 13: (-12.0, 12.0), 12: (-np.pi, np.pi), 16: (-np.pi, np.pi)}
    for column, (low, high) in edges.items():
        grid = torch.linspace(low, high, n + 1, dtype=torch.float64)
        x = batch.x.double().repeat(n, 1, 1)
        x[:, column, 0] = (grid[1:] + grid[:-1]) / 2
        so_far = torch.arange(17) < column
        rows = [Batch(one, torch.ones(len(one)), batch.context.expand(len(one), -1), mask.expand(len(one), -1))
                for one, mask in ((x, torch.arange(17) <= column), (x[:1], so_far))]  # fmt: skip
        with torch.no_grad():
            whole, before = (trained.model["event"].log_prob(one) for one in rows)
        density = (whole - before).exp()
        assert float(density.sum() * (grid[1] - grid[0])) == pytest.approx(1, abs=0.01)
        if column == 16:
            assert (density == 0).any()


def test_a_model_of_jets_is_listed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = load_model(str(run))
    card = trained.card.model_copy(update={"sha256": None})
    save_model(tmp_path / "zjets.safetensors", trained.model, trained.representation, card)
    monkeypatch.setattr(store, "pretrained_folder", lambda: tmp_path)
    assert command("models") == 0
    assert "pp, 13 TeV" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("near = 6", "near is only known to model = 'jetgpt'"),
        ('model = "flow"\ncomponents = 8', "components is only known to model = 'jetgpt'"),
        ('model = "jetgpt"\nazimuth = "circle"\nbins = 4', "bins is only known to model = 'flow'"),
        ('threshold = "edge"', "threshold = 'edge' needs model = 'jetgpt'"),
        ('azimuth = "circle"', "need each other"),
        ('model = "jetgpt"\nazimuth = "circle"\nwidth = 20\nheads = 8', "a multiple of the number of heads"),
    ],
)
def test_what_a_model_of_vectors_does_not_know_is_refused(tmp_path: Path, lines: str, sentence: str) -> None:
    head = 'name = "x"\ndescription = "x"\nlevel = "stable"\nfamily = "zjets"\n[vector]\n'
    (tmp_path / "x.toml").write_text(head + lines + "\n")
    with pytest.raises(InputError, match=sentence):
        load_preset(str(tmp_path / "x.toml"))
