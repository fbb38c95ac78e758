"""Models of voxels from showers to showers, by the commands that serve every family."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cloudchamber.cli.main import main
from cloudchamber.errors import InputError
from cloudchamber.events import Merging
from cloudchamber.formats import showers as files
from cloudchamber.recipes.config import load_preset
from cloudchamber.recipes.distillation import distill
from cloudchamber.recipes.families import family_of
from cloudchamber.recipes.fit import FitOptions
from cloudchamber.recipes.packing import pack
from cloudchamber.recipes.store import load_model, read_card
from cloudchamber.tensors.rng import RowRng

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"
OPTIONS = FitOptions(steps=2, device="cpu", precision="float32", seed=1)


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def run(tiny_voxels: Path, three_layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    how = ("--device", "cpu", "--precision", "float32")
    assert command("train", tiny_voxels, "--data", three_layers, "--out", out, *how) == 0
    return out


def test_showers_of_voxels_have_the_energies_that_were_asked_for(run: Path, tmp_path: Path) -> None:
    asked = np.linspace(1.0, 19.0, 270) / 1.1
    (tmp_path / "energies.txt").write_text("".join(f"{value!r}\n" for value in asked.tolist()))
    for name, number in (("all", 270), ("some", 20)):
        how = ("--energies", tmp_path / "energies.txt", "--events", number, "--workers", 1)
        out = tmp_path / f"{name}.h5"
        assert command("generate", "--model", run, *how, "--precision", "float32", "--out", out) == 0
    whole, some = (files.read(tmp_path / f"{name}.h5") for name in ("all", "some"))
    assert np.array_equal(whole.incident_energy, asked * 1e3)
    assert np.array_equal(whole[:20].voxels(), some.voxels())
    assert whole.geometry.cells == 3 * 8 * 8
    assert whole.geometry.layers[0].first[:2] == (-80.0, -60.0)
    if "layers" in load_model(str(run)).model.stages:
        assert whole.counts.min() > 0
    assert whole.energy.min() >= np.float32(0.02 * (1 - 2e-4))


def test_losses_teach_every_weight(tiny_voxels: Path) -> None:
    preset, showers = load_preset(str(tiny_voxels)), files.read(SAMPLE, limit=40)
    family = family_of(preset)
    representation = family.fit(preset, [showers])
    model, rows = family.build(preset, representation), representation.encode(showers)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)  # what starts as zero hides what stands before it
    losses = model.losses(rows, RowRng((1,), len(showers)))
    assert all(loss.shape == (40,) for loss in losses.values())
    sum(loss.sum() for loss in losses.values()).backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in model.parameters())


def test_a_run_is_packed_and_one_stage_of_it_trained_on(run: Path, three_layers: Path, tmp_path: Path) -> None:
    pack(run, tmp_path / "m.safetensors")
    packed = str(tmp_path / "m.safetensors")
    assert load_model(packed).digest == load_model(str(run)).digest
    how = ("--data", three_layers, "--device", "cpu", "--precision", "float32", "--steps", 1)
    assert command("train", "--init", packed, "--out", tmp_path / "more", "--only", "voxels", *how) == 0
    before, after = (load_model(name).model.state_dict() for name in (packed, str(tmp_path / "more")))
    changed = {name.split(".")[1] for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"voxels"}


def test_steps_are_halved_from_student_to_student(run: Path, three_layers: Path, tmp_path: Path) -> None:
    out, teacher = tmp_path / "fast", load_model(str(run))
    distill(str(run), three_layers, out, calls=1, start=4, options=OPTIONS)
    straight = all(process.process.schedule == "rectified" for process in (
        teacher.card.preset.voxels.layers, teacher.card.preset.voxels.voxels
    ))  # fmt: skip
    for folder, calls in ((out / "student-4", 4), (out / "student-2", 2), (out, 1)):
        sampling = read_card(folder / "card.json").preset.sampling
        assert (sampling.calls, sampling.sampler) == (calls, "ddim" if straight else "ddim-last")
    student = load_model(str(out))
    for name, stage in teacher.model.stages.items():
        assert any(not torch.equal(a, b) for a, b in zip(stage.parameters(), student.model[name].parameters(),
                                                         strict=True))  # fmt: skip
    assert command("generate", "--model", out, "--energy", 5, "--events", 3, "--workers", 1, "--out",
                   tmp_path / "o.parquet") == 0  # fmt: skip
    assert "calls 1" in files.read_run(tmp_path / "o.parquet").settings


def test_what_cannot_be_taught_is_told(run: Path, three_layers: Path, tmp_path: Path) -> None:
    kind = load_model(str(run)).card.preset.voxels
    with pytest.raises(InputError, match="--only 'hits' is no stage that can be distilled; choose one of"):
        distill(str(run), three_layers, tmp_path / "o", only="hits", options=OPTIONS)
    if kind.voxels.net == "transformer":
        distill(str(run), three_layers, tmp_path / "o", calls=2, method="shortcut", options=OPTIONS)
        student = load_model(str(tmp_path / "o")).card.preset
        assert student.voxels.voxels.process.kind == "average"
        assert student.sampling.sampler == "jump"
    else:
        with pytest.raises(InputError, match="can be told two times"):
            distill(str(run), three_layers, tmp_path / "o", method="shortcut", options=OPTIONS)


@pytest.mark.parametrize(("name", "shape"), [("calo-voxels", (30, 32, 32)), ("calo-voxels-coarse", (10, 11, 11))])
def test_our_presets_are_small_enough_to_ship(name: str, shape: tuple[int, int, int]) -> None:
    preset, showers = load_preset(name), files.read(SAMPLE, limit=40)
    family = family_of(preset)
    representation = family.fit(preset, [showers])
    assert representation.shape == shape
    assert 4 * sum(p.numel() for p in family.build(preset, representation).parameters()) < 8e6


@pytest.mark.parametrize(
    ("name", "layers", "voxels"),
    [("caloscore-v2", 10_609_034, 3_753_217), ("caloscore-v2-full", 10_650_014, 3_754_497),
     *((f"caloscore-{sde}", 0, 1_357_601) for sde in ("vp", "ve", "sub-vp"))],
)  # fmt: skip
def test_published_presets_have_the_sizes_of_their_layers(name: str, layers: int, voxels: int) -> None:
    """Sums over the layers that the public code names, worked out in `counted`."""
    preset, showers = load_preset(name), files.read(SAMPLE, limit=40)
    family = family_of(preset)
    model = family.build(preset, family.fit(preset, [showers]))
    sizes = {stage: sum(p.numel() for p in part.parameters()) for stage, part in model.parts().items()}
    number = len(Merging(*preset.voxels.merge).geometry(showers.geometry).layers)
    expected = {"voxels": counted_v1()} if layers == 0 else counted_v2(number)
    assert sizes == expected
    assert sizes.get("layers", 0) == layers
    assert sizes["voxels"] == voxels


def dense(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def conv(inputs: int, outputs: int, kernel: int = 3) -> int:
    return kernel**3 * inputs * outputs + outputs


def counted_v2(layers: int) -> dict[str, int]:
    time = dense(64, 128) + dense(128, 64)

    def block(inputs: int, width: int, attention: bool = False) -> int:
        short_cut = 0 if inputs == width else conv(inputs, width, 1)
        mixing = 4 * dense(width, width) if attention else 0
        return short_cut + dense(64, width) + conv(inputs, width) + conv(width, width) + mixing

    down = 3 * block(32, 32) + block(32, 64) + 2 * block(64, 64)
    bottom = block(64, 96, True) + 2 * block(96, 96, True)
    up = block(96 + 64, 64) + 2 * block(64 + 64, 64) + block(64 + 32, 32) + 2 * block(32 + 32, 32)
    told = time + dense(1, 64) + dense(layers, 64) + dense(192, 64)
    voxels = told + conv(1, 32, 1) + down + bottom + up + conv(32, 1, 1)
    residual = 3 * dense(1024, 1024) + dense(1024, 2048)
    net = time + dense(1, 64) + dense(128, 64) + dense(64, 1024) + dense(layers, 1024)
    return {"layers": net + 2 * residual + dense(1024, layers), "voxels": voxels}


def counted_v1() -> int:
    def block(inputs: int, width: int) -> int:
        return 128 * width + 27 * inputs * width + dense(width, width) + 2 * width

    def ascent(inputs: int, width: int) -> int:
        return block(inputs, width) + conv(width, width) + conv(width, width, 1)

    told = 2 * dense(128, 128) + dense(256, 128) + dense(128, 128)
    down = block(1, 32) + block(32, 64) + block(64, 128) + block(128, 128)
    return told + down + ascent(128, 64) + ascent(64, 32) + block(32, 32) + conv(32, 1)
