"""Students in a chain: what they are taught, what is kept, and how a run goes on after an interruption."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from cloudchamber.cli.main import main
from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.formats import parquet
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.process.average import AverageVelocity
from cloudchamber.recipes.config import Process, Sampling
from cloudchamber.recipes.distillation import Method, distill
from cloudchamber.recipes.fit import FitOptions
from cloudchamber.recipes.generation import load
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
