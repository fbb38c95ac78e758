"""The point-cloud model of showers from showers to showers, by the commands that serve every family."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cloudchamber.cli.main import main
from cloudchamber.formats import showers as files
from cloudchamber.recipes.config import load_preset
from cloudchamber.recipes.distillation import distill
from cloudchamber.recipes.families import family_of
from cloudchamber.recipes.fit import FitOptions
from cloudchamber.recipes.store import read_card
from cloudchamber.tensors.rng import RowRng

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"
TINY = """
name = "tiny-points"
description = "A model for tests"
family = "calo-points"
training = { batch_size = 32, steps = 3, warm_up_steps = 1, optimizer = "adamax", weight_decay = 0 }
sampling = { calls = 3, sampler = "ancestral" }
[points]
cluster = { width = 8, blocks = 1 }
hits = { width = 8, depth = 1 }
"""


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def run(three_layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points")
    (folder / "tiny.toml").write_text(TINY)
    how = ("--data", three_layers, "--out", folder / "run", "--device", "cpu", "--precision", "float32")
    assert command("train", folder / "tiny.toml", *how) == 0
    return folder / "run"


def test_showers_of_points_have_the_energies_that_were_asked_for(run: Path, tmp_path: Path) -> None:
    for name, number in (("all", 260), ("some", 20)):
        how = ("--energy", 7.5, "--events", number, "--workers", 1, "--precision", "float32")
        assert command("generate", "--model", run, *how, "--out", tmp_path / f"{name}.parquet") == 0
    whole, some = (files.read(tmp_path / f"{name}.parquet") for name in ("all", "some"))
    assert np.array_equal(whole.incident_energy, np.full(260, 7500.0))
    assert np.array_equal(whole[:20].voxels(), some.voxels())
    assert whole.geometry.cells == 3 * 32 * 32


def test_students_take_fewer_steps(run: Path, three_layers: Path, tmp_path: Path) -> None:
    options = FitOptions(steps=2, device="cpu", precision="float32", seed=1)
    distill(str(run), three_layers, tmp_path / "fast", calls=1, start=2, options=options)
    assert read_card(tmp_path / "fast" / "card.json").preset.sampling.sampler == "ddim-last"
    assert command("generate", "--model", tmp_path / "fast", "--energy", 5, "--events", 3, "--workers", 1, "--out",
                   tmp_path / "o.parquet") == 0  # fmt: skip


def test_the_published_preset_has_the_published_size() -> None:
    """620,678 parameters, as the table that compares images with point clouds says (arXiv:2307.04780)."""
    preset, showers = load_preset("calo-points"), files.read(SAMPLE, limit=40)
    family = family_of(preset)
    model = family.build(preset, family.fit(preset, [showers]))
    sizes = {stage: sum(p.numel() for p in part.parameters()) for stage, part in model.parts().items()}
    assert sizes == {"cluster": 306_370, "hits": 314_308}


def test_the_loss_is_that_of_the_public_code() -> None:
    """Squared errors of the hits, averaged over features and over the padded length of the longest shower."""
    preset, showers = load_preset("calo-points"), files.read(SAMPLE, limit=40)
    family = family_of(preset)
    representation = family.fit(preset, [showers])
    model, rows = family.build(preset, representation), representation.encode(showers)
    model.eval()
    stage, part, rng = model["hits"], rows["hits"], RowRng((1,), 40)
    torch.nn.init.normal_(stage.denoiser.net.outputs.weight)
    t, eps = rng.uniform() * (stage.denoiser.schedule.span.high), rng.normal(*part.x.shape[1:])
    at, mask = stage.denoiser.schedule(t[:, None, None]), part.mask[..., None]
    v = stage.denoiser((at.alpha * part.x + at.sigma * eps) * mask, t, part)
    squares = ((v - at.alpha * eps + at.sigma * part.x) * mask).square()
    padded = torch.zeros(40, representation.most, 4)
    padded[:, : squares.shape[1]] = squares
    loss = stage.losses(part, RowRng((1,), 40))["denoising"]
    torch.testing.assert_close(loss, padded.mean((1, 2)), rtol=1e-4, atol=1e-6)
