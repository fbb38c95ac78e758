"""Bayesian models by the commands that serve every family: train, generate draws, start from ordinary weights."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from cloudchamber.cli.main import main
from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.formats import files, parquet
from cloudchamber.models.bayesian import Bayesian, LogVariance
from cloudchamber.models.present import Present
from cloudchamber.recipes.config import load_preset
from cloudchamber.recipes.draws import draw_file
from cloudchamber.recipes.ensemble import members_of
from cloudchamber.recipes.families import family_of
from cloudchamber.recipes.generation import load
from cloudchamber.recipes.packing import pack
from cloudchamber.recipes.posterior import with_posterior
from cloudchamber.recipes.store import TrainedModel, load_model, load_stored, read_card

SECTION = """
[bayesian]
{stages}
log_variance = -9.0
precision = 10.0
temperature = 0.5
"""
ZJETS = """
name = "tiny-zjets"
description = "A model for tests"
level = "stable"
family = "zjets"
training = { batch_size = 64, steps = 3, warm_up_steps = 1, window = 1 }
sampling = { calls = 2, sampler = "heun" }
[vector]
width = 8
depth = 1
"""


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


def written(path: Path, ordinary: str, stages: str = "") -> Path:
    path.write_text(ordinary + SECTION.format(stages=stages))
    return path


@pytest.fixture
def bayesian_toml(tiny_toml: Path) -> Path:
    """The cloud stage of the tiny ep model with distributions of weights."""
    return written(tiny_toml.with_name("bayesian.toml"), tiny_toml.read_text(), 'stages = ["cloud"]')


@pytest.fixture(scope="module")
def zjets_run(zjets_events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zjets")
    written(folder / "tiny.toml", ZJETS)
    parquet.write(folder / "events.parquet", zjets_events)
    assert command("train", folder / "tiny.toml", "--data", folder / "events.parquet", "--out", folder / "run",
                   "--device", "cpu", "--precision", "float32") == 0  # fmt: skip
    return folder / "run"


def weights(trained: TrainedModel) -> torch.Tensor:
    return torch.cat([p.flatten() for p in trained.model.parameters()])


def test_the_cloud_stage_trains_and_samples_by_the_two_commands(
    bayesian_toml: Path, tiny_data: Path, tmp_path: Path
) -> None:
    run, how = tmp_path / "run", ("--device", "cpu", "--precision", "float32", "--steps", 2)
    assert command("train", bayesian_toml, "--data", tiny_data, "--out", run, *how) == 0
    stored = load_stored(str(run))
    assert [name for name, stage in stored.model.stages.items() if isinstance(stage, Bayesian)] == ["cloud"]
    assert stored.model["cloud"].events == read_card(run / "card.json").events
    assert "loss_cloud.kl" in (run / "log.csv").read_text()
    for name, draw in (("draw", ["--draw", 3]), ("means", [])):
        assert command("generate", "--model", run, "--events", 3, "--calls", 2, "--workers", 1, "--no-decay",
                       "--no-project", "--out", tmp_path / f"{name}.parquet", *draw) == 0  # fmt: skip
    one, means = (files.read(tmp_path / f"{name}.parquet") for name in ("draw", "means"))
    assert np.array_equal(np.asarray(one.electron.px), np.asarray(means.electron.px))
    assert not np.array_equal(one.flat("px"), means.flat("px"))
    assert "weights draw 3" in one.run.settings
    assert "weights means" in means.run.settings
    assert "--draw 3" in one.run.provenance["command"]


def test_the_first_events_of_a_longer_run_are_the_shorter_run(zjets_run: Path) -> None:
    generator = load(str(zjets_run))
    few, many = (generator.sample(n, seed=4, draw=1) for n in (30, 300))
    assert np.array_equal(few.flat("px"), many[:30].flat("px"))
    other = generator.sample(30, seed=4, draw=2)
    assert not np.array_equal(few.flat("px"), other.flat("px"))


def test_a_draw_is_one_model_whatever_the_seed_and_whoever_makes_its_events(zjets_run: Path, tmp_path: Path) -> None:
    stored = load_stored(str(zjets_run))
    assert torch.equal(weights(stored.drawn(1)), weights(load_stored(str(zjets_run)).drawn(1)))
    assert not torch.equal(weights(stored.drawn(1)), weights(stored.drawn(2)))
    assert torch.equal(weights(load_model(str(zjets_run))), weights(stored.drawn(None)))
    for workers in (1, 2):
        out = tmp_path / f"{workers}.parquet"
        assert command("generate", "--model", zjets_run, "--events", 300, "--draw", 1, "--workers", workers,
                       "--out", out) == 0  # fmt: skip
    one, two = (files.read(tmp_path / f"{workers}.parquet") for workers in (1, 2))
    assert np.array_equal(one.flat("px"), two.flat("px"))


def test_a_stage_is_divided_by_the_events_that_have_it(zjets_run: Path, zjets_events: Events) -> None:
    stages = load_stored(str(zjets_run)).model.stages
    events = read_card(zjets_run / "card.json").events
    for place, stage in enumerate(stages.values()):
        assert isinstance(stage, Present)
        share = float(np.mean(zjets_events.counts - 2 > place))
        assert stage.model.events == pytest.approx(events * share, rel=1e-6)


def test_a_dry_run_of_draws_makes_nothing(zjets_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    how = ("--model", zjets_run, "--events", 20, "--draws", 3, "--workers", 1, "--dry-run", "--out", tmp_path / "dd")
    assert command("generate", *how) == 0
    assert "60 events would take" in capsys.readouterr().out
    assert not (tmp_path / "dd").exists()


def test_draws_fill_a_folder_that_evaluate_takes(zjets_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "draws"
    how = ("--model", zjets_run, "--events", 20, "--seed", 5, "--draws", 3, "--workers", 1, "--out", folder)
    assert command("generate", *how) == 0
    assert len(members_of([folder], draw_file(folder, 0))) == 2
    runs = [files.read_run(draw_file(folder, k)) for k in range(3)]
    assert [run.seed for run in runs] == [5, 6, 7]
    before = draw_file(folder, 1).read_bytes()
    draw_file(folder, 2).unlink()
    assert command("generate", *how) == 2
    assert command("generate", *how, "--resume") == 0
    assert draw_file(folder, 1).read_bytes() == before
    assert len(files.read(draw_file(folder, 2))) == 20
    assert command("generate", *how[:-6], "--seed", 6, *how[-4:], "--resume") == 2


def test_ordinary_weights_become_means(tiny_toml: Path, bayesian_toml: Path, saved: Path, tmp_path: Path) -> None:
    trained = load_model(str(saved))
    preset = load_preset(str(bayesian_toml))
    family = family_of(preset)
    model = family.build(preset, trained.representation)
    model.load_state_dict(trained.model.state_dict())
    with_posterior(model, trained.representation, preset, 100)
    variances = [p for p in model.parameters() if isinstance(p, LogVariance)]
    assert all(bool((p == -9.0).all()) for p in variances)
    means = {k.replace(".model.", ".").replace(".mean.", "."): v for k, v in model.state_dict().items()}
    assert all(torch.equal(means[name], value) for name, value in trained.model.state_dict().items())


def test_training_starts_from_an_ordinary_model_and_goes_on_from_a_bayesian_one(
    tiny_toml: Path, bayesian_toml: Path, tiny_data: Path, tmp_path: Path
) -> None:
    how = ("--data", tiny_data, "--device", "cpu", "--precision", "float32", "--steps", 1)
    assert command("train", tiny_toml, *how, "--out", tmp_path / "ordinary") == 0
    init = ("--init", tmp_path / "ordinary", "--only", "cloud")
    assert command("train", bayesian_toml, *how, *init, "--out", tmp_path / "bayesian") == 0
    old, new = (load_model(str(tmp_path / name)) for name in ("ordinary", "bayesian"))
    assert torch.equal(old.model["species"].net.outputs.weight, new.model["species"].net.outputs.weight)
    outputs = [trained.model["cloud"].denoiser.net.inputs.weight for trained in (old, new)]
    assert torch.allclose(*outputs, atol=0.01)
    assert not torch.equal(*outputs)
    assert command("train", *how, "--init", tmp_path / "bayesian", "--out", tmp_path / "further") == 0
    further = load_stored(str(tmp_path / "further"))
    assert further.card.preset.bayesian is not None
    assert len(further.card.training["phases"]) == 3
    assert command("train", *how, "--init", tmp_path / "bayesian", "--refit", "--out", tmp_path / "no") == 2
    last = written(tmp_path / "last.toml", tiny_toml.read_text(), 'layers = "last"')
    assert command("train", last, *how, "--init", tmp_path / "bayesian", "--out", tmp_path / "other") == 2


def test_a_packed_model_keeps_its_distributions(zjets_run: Path, tmp_path: Path) -> None:
    pack(zjets_run, tmp_path / "model.safetensors")
    one, other = load_stored(str(tmp_path / "model.safetensors")), load_stored(str(zjets_run))
    assert one.card.preset.bayesian == other.card.preset.bayesian
    assert torch.equal(weights(one.drawn(2)), weights(other.drawn(2)))
    assert one.digest == other.digest


def test_what_cannot_be_drawn_is_one_sentence(saved: Path, tiny_toml: Path, tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none to draw"):
        load_stored(str(saved)).drawn(0)
    for option in ("--draw", "--draws"):
        assert command("generate", "--model", saved, option, 2, "--out", tmp_path / "events") == 2
    assert command("generate", "--model", saved, "--draw", -1, "--out", tmp_path / "events.parquet") == 2
    wrong = written(tmp_path / "wrong.toml", tiny_toml.read_text(), 'stages = ["muons"]')
    assert command("train", wrong, "--data", tiny_data, "--out", tmp_path / "run", "--steps", 1) == 2
    assert math.isfinite(float(weights(load_stored(str(saved))).sum()))


def test_an_ordinary_model_is_used_as_it_is(saved: Path) -> None:
    stored = load_stored(str(saved))
    assert stored.drawn(None) is stored
