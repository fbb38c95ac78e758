"""A model of the family image from events to events, by the commands and functions that serve every family."""

from contextlib import nullcontext
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch

from cloudchamber.cli.main import main
from cloudchamber.errors import InputError
from cloudchamber.events import Events, Level
from cloudchamber.formats import files
from cloudchamber.nets.unet import UNet
from cloudchamber.physics.acceptance import Acceptance
from cloudchamber.process.precondition import LinearGuess
from cloudchamber.process.spike_slab import SpikeSlab
from cloudchamber.recipes.config import load_preset
from cloudchamber.recipes.export import export
from cloudchamber.recipes.families import FAMILIES
from cloudchamber.recipes.generation import GenerationSetting, load
from cloudchamber.recipes.packing import pack
from cloudchamber.recipes.store import load_model
from cloudchamber.represent.image import ImageRepresentation
from cloudchamber.tensors.rng import RowRng


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def run(tiny_image: Path, stable_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert command("train", tiny_image, "--data", stable_data, "--out", out, "--device", "cpu",
                   "--precision", "float32") == 0  # fmt: skip
    return out


def test_the_networks_are_those_of_the_preset(run: Path) -> None:
    trained = load_model(str(run))
    preset, representation = trained.card.preset, trained.representation
    assert isinstance(representation, ImageRepresentation)
    assert representation.shape == (8, 8, 3)
    assert isinstance(trained.model["image"].model.denoiser.net, SpikeSlab)
    for guess, kind in (("linear", LinearGuess), ("none", UNet)):
        other = preset.model_copy(update={"image": preset.image.model_copy(update={"guess": guess})})
        assert isinstance(FAMILIES["image"].build(other, representation)["image"].model.denoiser.net, kind)
    assert trained.card.domain["acceptance"] == Acceptance.named("image").description


def test_a_run_is_a_model_that_makes_events_and_files(run: Path, tmp_path: Path) -> None:
    generator = load(str(run))
    events = generator.sample(100, seed=3)
    assert len(events) == 100
    assert events.run.level is Level.STABLE
    assert events.run.provenance["acceptance"] == Acceptance.named("image").description
    assert (ak.to_numpy(events.electron.pdg_id) == 11).all()
    assert set(events.flat("pdg_id")) <= {11, 211, 321}
    for name in ("px", "py", "pz", "mass"):
        assert np.isfinite(events.flat(name)).all()
    for suffix in ("parquet", "hepmc3.gz"):
        out = tmp_path / f"events.{suffix}"
        assert command("generate", "--model", run, "--events", 100, "--seed", 3, "--out", out, "--workers", 1) == 0
        again = files.read(out)
        assert np.array_equal(again.counts, events.counts)
        np.testing.assert_allclose(again.flat("px"), events.flat("px"), rtol=1e-9)


def test_calls_are_as_asked(run: Path) -> None:
    generator, asked = load(str(run)), list[int]()
    net = generator.trained.model["image"].model.denoiser.net
    hook = net.net.register_forward_hook(lambda *_: asked.append(1))
    generator.pipeline(GenerationSetting(calls=5)).block(0, seed=1)
    hook.remove()
    assert len(asked) % 5 == 0  # several times where an image has no electron


def test_losses_teach_every_weight(tiny_image: Path, stable_events: Events) -> None:
    preset, family = load_preset(str(tiny_image)), FAMILIES["image"]
    representation = family.fit(preset, [stable_events])
    model, rows = family.build(preset, representation), representation.encode(stable_events[:20])
    losses = model.losses(rows, RowRng((1,), 20))
    assert set(losses) == {"image.denoising"}
    assert losses["image.denoising"].isfinite().all()
    losses["image.denoising"].sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_run_can_be_packed(run: Path, tmp_path: Path) -> None:
    pack(run, tmp_path / "m.safetensors")
    one, two = load_model(str(run)), load_model(str(tmp_path / "m.safetensors"))
    assert one.digest == two.digest
    weights = two.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in one.model.state_dict().items())


@pytest.mark.parametrize("tiny_image", ["ddpm"], indirect=True)
def test_what_this_family_cannot_do_is_said(
    run: Path, stable_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("distill", run, "--data", stable_data, "--out", tmp_path / "out") == 2
    assert "cannot be distilled: only models of the families cascade, calo" in capsys.readouterr().err
    with pytest.raises(InputError, match="only models of the family cascade can be exported"):
        export(str(run), tmp_path / "onnx")


@pytest.mark.parametrize("tiny_image", ["ddpm"], indirect=True)
def test_images_are_sampled_in_float32_on_the_cpu_unless_told_otherwise(run: Path) -> None:
    generator = load(str(run))
    assert generator.precision(GenerationSetting()) == "float32"
    assert generator.precision(GenerationSetting(precision="bfloat16")) == "bfloat16"


@pytest.mark.parametrize("name", ["ep-dis-10x275-image", "ep-dis-10x275-image-64", "ep-dis-10x275-image-flow",
                                  "ep-dis-10x275-image-hybrid"])  # fmt: skip
def test_shipped_presets_build(name: str, stable_events: Events) -> None:
    preset = load_preset(name)
    representation = FAMILIES["image"].fit(preset, [stable_events])
    with torch.device("meta") if preset.image.guess == "none" else nullcontext():  # weights that only have shapes
        model = FAMILIES["image"].build(preset, representation)
    assert sum(p.numel() for p in model.parameters()) > 1e6


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("rows = 10", "rows and columns must be multiples of 4"),
        ("widths = [16, 24]\nheads = 5", "every width must be a multiple of the number of heads"),
        ("channels = [211, 321]", "the electron, 11, must be one of them"),
        ('process = { kind = "average" }', "images cannot be trained on average velocities"),
    ],
)
def test_impossible_images_are_refused(tmp_path: Path, line: str, sentence: str) -> None:
    preset = 'name = "x"\ndescription = "x"\nlevel = "stable"\nfamily = "image"\n[image]\n'
    (tmp_path / "x.toml").write_text(preset + line + "\n")
    with pytest.raises(InputError, match=sentence):
        load_preset(str(tmp_path / "x.toml"))
