"""A model of the family omnilearn from events to events, by the commands and functions that serve every family."""

import hashlib
from collections import Counter
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch

from cloudchamber.cli.main import main
from cloudchamber.errors import InputError
from cloudchamber.events import Events, Level
from cloudchamber.formats import files
from cloudchamber.nets.pet import PointEdgeTransformer
from cloudchamber.physics.acceptance import Acceptance
from cloudchamber.recipes.config import DIFFUSION_STAGES, load_preset
from cloudchamber.recipes.export import export
from cloudchamber.recipes.families import FAMILIES
from cloudchamber.recipes.generation import GenerationSetting, Generator, load
from cloudchamber.recipes.packing import pack
from cloudchamber.recipes.store import load_model
from cloudchamber.represent.published import PublishedRepresentation
from cloudchamber.tensors.rng import RowRng


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def run(tiny_omnilearn: Path, stable_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run; module-wide, since both paddings are trained once."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert command("train", tiny_omnilearn, "--data", stable_data, "--out", out, "--device", "cpu",
                   "--precision", "float32") == 0  # fmt: skip
    return out


@pytest.fixture(scope="module")
def generator(run: Path) -> Generator:
    return load(str(run))


def test_every_family_has_its_stages(tiny_omnilearn: Path, stable_events: Events) -> None:
    assert set(FAMILIES) == set(DIFFUSION_STAGES)
    preset, family = load_preset(str(tiny_omnilearn)), FAMILIES["omnilearn"]
    representation = family.fit(preset, [stable_events])
    model, rows = family.build(preset, representation), representation.encode(stable_events[:20])
    assert tuple(model.parts()) == DIFFUSION_STAGES["omnilearn"]
    losses = model.losses(rows, RowRng((1,), 20))
    assert set(losses) == {"event.denoising", "particles.denoising"}
    assert all(loss.shape == (20,) and loss.isfinite().all() for loss in losses.values())


def test_the_loss_of_particles_is_that_of_the_public_code(tiny_omnilearn: Path, stable_events: Events) -> None:
    """All squared errors over the number of particles: 13 or 14 times the mean over features."""
    preset, family = load_preset(str(tiny_omnilearn)), FAMILIES["omnilearn"]
    representation = family.fit(preset, [stable_events])
    stage, rows = family.build(preset, representation)["particles"], representation.encode(stable_events[:20])
    part, rng = rows["particles"], RowRng((1,), 20)
    t, eps = rng.uniform(), rng.normal(*part.x.shape[1:])
    at = stage.denoiser.schedule(t[:, None, None])
    mask = part.mask[..., None]
    v = stage.denoiser((at.alpha * part.x + at.sigma * eps) * mask, t, part)
    squares = ((v - at.alpha * eps + at.sigma * part.x) * mask).square()
    loss = stage.losses(part, RowRng((1,), 20))["denoising"].mean()
    torch.testing.assert_close(loss, squares.sum() / part.mask.sum())


def test_a_run_is_a_model_that_makes_accepted_events(generator: Generator, stable_events: Events) -> None:
    events = generator.sample(300, seed=3)
    assert len(events) == 300
    assert events.run.level is Level.STABLE
    assert events.run.provenance["acceptance"] == Acceptance.named("paper").description
    assert generator.trained.card.domain["acceptance"] == Acceptance.named("paper").description
    assert (ak.to_numpy(events.electron.pdg_id) == 11).all()
    assert ((events.counts >= 2) & (events.counts <= 50)).all()
    assert set(np.abs(events.flat("pdg_id"))) <= set(Acceptance.named("paper").species)
    for name in ("px", "py", "pz", "mass"):
        assert np.isfinite(events.flat(name)).all()
    kept = Acceptance.named("paper").apply(stable_events)
    assert events.counts.mean() == pytest.approx(kept.counts.mean(), rel=0.5)  # untrained, but standardised


def test_the_networks_are_those_of_the_preset(generator: Generator) -> None:
    net, representation = generator.trained.model["particles"].denoiser.net, generator.trained.representation
    assert isinstance(net, PointEdgeTransformer)
    assert isinstance(representation, PublishedRepresentation)
    hides = generator.trained.card.preset.particles.hide_padding
    assert (net.padding, net.body.points, representation.features) == ((None, 3, 14) if hides else (49, 2, 13))


@pytest.mark.parametrize("tiny_omnilearn", ["seen"], indirect=True)  # worker processes take seconds to start
def test_files_are_the_same_for_any_workers_and_batch_size(run: Path, tmp_path: Path) -> None:
    files_made = set()
    for workers, size in ((1, 64), (2, 1024)):
        out = tmp_path / f"{workers}.parquet"
        assert command("generate", "--model", run, "--events", 300, "--calls", 2, "--seed", 7, "--out", out,
                       "--workers", workers, "--batch-size", size) == 0  # fmt: skip
        files_made.add(hashlib.sha256(out.read_bytes()).hexdigest())
    assert len(files_made) == 1
    made, again = files.read(tmp_path / "1.parquet"), load(str(run)).sample(100, seed=7, calls=2)
    assert np.array_equal(made[:100].flat("px"), again.flat("px"))
    assert not np.intersect1d(load(str(run)).sample(256, seed=8, calls=2).flat("px"), made.flat("px")).size


@pytest.mark.parametrize(
    ("calls", "expected"), [(None, {"event": 6, "particles": 4}), (2, {"event": 2, "particles": 2})]
)
def test_calls_are_the_presets_for_each_stage_or_one_number_for_all(
    generator: Generator, calls: int | None, expected: dict[str, int]
) -> None:
    asked: Counter[str] = Counter()
    nets = {name: generator.trained.model[name].denoiser.net for name in expected}
    hooks = [net.register_forward_hook(lambda *_, name=name: asked.update([name])) for name, net in nets.items()]
    generator.pipeline(GenerationSetting(calls=calls)).block(0, seed=1)
    for hook in hooks:
        hook.remove()
    assert asked["particles"] == expected["particles"]
    assert asked["event"] % expected["event"] == 0  # several times where an electron is drawn again
    assert 0 < asked["event"] // expected["event"] < 30


def test_the_published_chain_is_not_exported(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only models of the family cascade can be exported"):
        export(str(run), tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()


def test_the_published_chain_is_sampled_with_float32(generator: Generator) -> None:
    """Its sampler divides by alpha(1) = 4.5e-5 at first, which bfloat16 does not survive."""
    assert generator.precision(GenerationSetting()) == "float32"
    with pytest.raises(InputError, match="sampled with float32 only"):
        generator.precision(GenerationSetting(precision="bfloat16"))


def test_the_metadata_say_the_calls_of_each_stage(generator: Generator) -> None:
    run = generator.run_info(GenerationSetting())
    assert {"calls 4", "calls of event 6"} <= set(run.settings)
    assert "--calls" not in run.provenance["command"]
    assert "--calls 2 " in generator.run_info(GenerationSetting(calls=2)).provenance["command"]


def test_a_run_can_be_packed_and_continued(run: Path, stable_data: Path, tmp_path: Path, tiny_omnilearn: Path) -> None:
    pack(run, tmp_path / "m.safetensors")
    one, two = load_model(str(run)), load_model(str(tmp_path / "m.safetensors"))
    assert one.digest == two.digest
    assert command("train", tiny_omnilearn, "--data", stable_data, "--out", tmp_path / "on", "--init", run,
                   "--only", "event", "--device", "cpu", "--precision", "float32") == 0  # fmt: skip
    weights = load_model(str(tmp_path / "on")).model.state_dict()
    changed = {name for name, value in one.model.state_dict().items() if not torch.equal(value, weights[name])}
    assert changed
    assert all(name.startswith("stages.event") for name in changed)


def test_what_this_family_cannot_do_is_said(
    run: Path, stable_data: Path, tmp_path: Path, tiny_omnilearn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = ("--data", stable_data, "--out", tmp_path / "out")
    for words, sentence in (
        (("distill", run, *usual), "cannot be distilled: only models of the families cascade, calo"),
        (("train", tiny_omnilearn, *usual, "--only", "cloud"), "'cloud' is no stage of this model; choose one of"),
    ):
        assert command(*words) == 2
        error = capsys.readouterr().err.strip()
        assert len(error.splitlines()) == 1
        assert sentence in error
