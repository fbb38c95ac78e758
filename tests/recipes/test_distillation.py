"""Students in a chain: what they are taught, what is kept, and how a run goes on after an interruption."""

from dataclasses import replace
from pathlib import Path

import awkward as ak
import pytest
import torch
from pydantic import ValidationError

from cloudchamber.cli.main import main
from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.formats import parquet
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.process.average import AverageVelocity
from cloudchamber.recipes.config import Process, Sampling, load_preset
from cloudchamber.recipes.distillation import Method, distill
from cloudchamber.recipes.fit import FitOptions
from cloudchamber.recipes.generation import load
from cloudchamber.recipes.generation_setting import GenerationSetting
from cloudchamber.recipes.shower_generation import ShowerGenerator
from cloudchamber.recipes.shower_training import train_showers
from cloudchamber.recipes.store import load_model, read_card, save_model

OPTIONS = FitOptions(steps=2, device="cpu", precision="float32", seed=1)


def students(saved: Path, data: Path, out: Path, method: Method = "progressive", *, resume: bool = False) -> None:
    distill(str(saved), data, out, calls=1, method=method, start=4, options=OPTIONS, resume=resume)


def test_steps_are_halved_from_student_to_student(saved: Path, tiny_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "fast"
    students(saved, tiny_data, out)
    for folder, calls in ((out / "student-4", 4), (out / "student-2", 2), (out, 1)):
        assert read_card(folder / "card.json").preset.sampling == Sampling(calls=calls, sampler="ddim")
    phases = read_card(out / "card.json").training["phases"]
    assert [(phase["run"], phase["steps"]) for phase in phases] == [
        ("progressive-4", 2), ("progressive-2", 2), ("progressive-1", 2),
    ]  # fmt: skip
    teacher, student = load_model(str(saved)).model.state_dict(), load_model(str(out)).model.state_dict()
    for name, weights in teacher.items():
        kept = name.startswith("stages.species") or not weights.is_floating_point()
        assert torch.equal(weights, student[name]) == kept
    events = load(str(out)).sample(256, seed=1)
    assert "calls 1" in events.run.settings


@pytest.mark.parametrize("method", ["shortcut", "mean-flow"])
def test_average_velocities_start_from_the_teacher(
    saved: Path, tiny_data: Path, tmp_path: Path, method: Method
) -> None:
    out = tmp_path / "fast"
    students(saved, tiny_data, out, method)
    cloud = load_model(str(out)).model["cloud"]
    assert isinstance(cloud, Diffusion)
    assert isinstance(cloud.denoiser, AverageVelocity)
    assert read_card(out / "card.json").preset.sampling.sampler == "jump"
    assert len(load(str(out)).sample(256, seed=1)) == 256
    with pytest.raises(InputError, match="cannot be distilled: its stages are no plain denoisers"):
        students(out, tiny_data, tmp_path / "again")


def test_an_interrupted_chain_goes_on(
    saved: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    students(saved, tiny_data, whole)
    from cloudchamber.recipes import distillation

    usual, done = distillation.fit, []

    def fit(*arguments: object, **named: object) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return usual(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(distillation, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        students(saved, tiny_data, broken)
    monkeypatch.undo()
    students(saved, tiny_data, broken, resume=True)
    one, two = (load_model(str(folder)).model.state_dict() for folder in (whole, broken))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_bad_requests_get_one_sentence(
    saved: Path, tiny_data: Path, tmp_path: Path, stable_events: Events, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: object) -> str:
        with pytest.raises(SystemExit) as stop:
            main(["distill", *map(str, arguments)])
        output = capsys.readouterr().err.strip()
        assert stop.value.code == 2
        assert len(output.splitlines()) == 1
        return output

    usual = (saved, "--data", tiny_data, "--out", tmp_path / "fast")
    assert "--calls 0 is impossible" in refused(*usual, "--calls", 0)
    assert "--calls 64 is impossible" in refused(*usual, "--calls", 64)
    assert "the model 'nothing' is unknown" in refused("nothing", *usual[1:])
    assert "holds no run to continue" in refused(*usual, "--resume")
    assert "the preset 'nothing' is unknown" in refused(*usual, "--preset", "nothing")
    parquet.write(tmp_path / "stable.parquet", stable_events)
    assert "learns events of level primary" in refused(saved, "--data", tmp_path / "stable.parquet", *usual[3:])
    assert not (tmp_path / "fast").exists()


def test_average_velocities_are_taught_by_velocities_alone(saved: Path, tiny_data: Path, tmp_path: Path) -> None:
    teacher = load_model(str(saved))
    cloud = teacher.card.preset.cloud
    other = cloud.model_copy(update={"process": cloud.process.model_copy(update={"target": "x"})})
    card = teacher.card.model_copy(update={"preset": teacher.card.preset.model_copy(update={"cloud": other})})
    save_model(tmp_path / "other.safetensors", teacher.model, teacher.representation, card)
    with pytest.raises(InputError, match="needs a model whose target is the velocity"):
        students(tmp_path / "other.safetensors", tiny_data, tmp_path / "fast", "shortcut")


@pytest.mark.parametrize("wrong", [{"target": "eps"}, {"schedule": "edm"}, {"schedule": "ve"}])
def test_a_preset_of_averages_says_what_they_are(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="average velocities"):
        Process.model_validate({"kind": "average", **wrong})


def test_other_families_are_not_taught(
    saved: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloudchamber.recipes import distillation

    teacher = load_model(str(saved))
    images = teacher.card.preset.model_copy(update={"family": "image"})
    other = replace(teacher, card=teacher.card.model_copy(update={"preset": images}))
    monkeypatch.setattr(distillation, "load_model", lambda name: other)
    with pytest.raises(InputError, match="only models of the families cascade, calo, calo-voxels, calo-points can"):
        distill("images", tiny_data, tmp_path / "fast", options=OPTIONS)


def test_the_electron_is_sampled_as_before_where_only_the_cloud_is_taught(
    saved: Path, tiny_data: Path, tmp_path: Path
) -> None:
    """Jumps need average velocities, which the electron's stage has not learnt."""
    out = tmp_path / "fast"
    distill(str(saved), tiny_data, out, calls=1, method="shortcut", only="cloud", options=OPTIONS)
    sampling = read_card(out / "card.json").preset.sampling
    assert sampling == Sampling(
        calls=1, sampler="jump", stage_calls={"electron": 16}, stage_samplers={"electron": "adams-bashforth"}
    )
    one, two = (load(name).sample(256, seed=1).electron for name in (str(out), str(saved)))
    assert ak.array_equal(one, two)


@pytest.fixture(scope="module")
def shower_run(tiny_calo: Path, three_layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "showers"
    train_showers(load_preset(str(tiny_calo)), three_layers, out, options=OPTIONS)
    return out


def test_models_of_hits_are_taught_too(shower_run: Path, three_layers: Path, tmp_path: Path) -> None:
    distill(str(shower_run), three_layers, tmp_path / "fast", calls=2, start=4, options=OPTIONS)
    student, teacher = load_model(str(tmp_path / "fast")), load_model(str(shower_run))
    assert student.card.preset.sampling == Sampling(calls=2, sampler="ddim")
    changed = {
        name.split(".")[1]
        for name, value in student.model.state_dict().items()
        if not torch.equal(value, teacher.model.state_dict()[name])
    }
    assert changed == {"visible", "layers", "hits"}
    with pytest.raises(InputError, match="was distilled to few network calls"):
        train_showers(None, three_layers, tmp_path / "on", options=OPTIONS, init=str(tmp_path / "fast"))
    train_showers(None, three_layers, tmp_path / "on", options=OPTIONS, init=str(tmp_path / "fast"), only="counts")
    showers = ShowerGenerator("fast", student).sample([2.0, 3.0], seed=1)
    assert showers.incident_energy.tolist() == [2000.0, 3000.0]


@pytest.mark.parametrize("method", ["progressive", "shortcut"])
def test_one_stage_is_taught_and_the_others_are_sampled_as_before(
    shower_run: Path, three_layers: Path, tmp_path: Path, method: Method
) -> None:
    out = tmp_path / "fast"
    distill(str(shower_run), three_layers, out, calls=1, start=1, only="hits", method=method, options=OPTIONS)
    student, teacher = load_model(str(out)), load_model(str(shower_run))
    sampler = {"progressive": "ddim", "shortcut": "jump"}[method]
    others = {"visible": "adams-bashforth", "layers": "adams-bashforth"}
    calls = {"visible": 3, "layers": 3}
    assert student.card.preset.sampling == Sampling(calls=1, sampler=sampler, stage_calls=calls, stage_samplers=others)
    for name in ("visible", "counts", "layers"):
        one, two = student.model[name].state_dict(), teacher.model[name].state_dict()
        assert all(torch.equal(one[key], two[key]) for key in two)
    solver = ShowerGenerator("fast", student).solver(GenerationSetting())
    assert [solver.sampler_of(name) for name in ("hits", "layers")] == [sampler, "adams-bashforth"]
    assert [solver.calls_of(name) for name in ("hits", "layers")] == [1, 3]
    assert len(ShowerGenerator("fast", student).sample([2.0], seed=1)) == 1
