"""A model of the family calo from showers to showers, by the commands that serve every family."""

from pathlib import Path

import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.errors import InputError
from cloudchamber.events import Cells, Geometry, Showers
from cloudchamber.formats import showers as files
from cloudchamber.generate.showers import BLOCK
from cloudchamber.recipes.config import load_preset
from cloudchamber.recipes.families import family_of
from cloudchamber.recipes.packing import pack
from cloudchamber.recipes.shower_generation import Energies, ShowerGenerator, read_energies
from cloudchamber.recipes.shower_simulation import ShowerSetting
from cloudchamber.recipes.store import load_model
from cloudchamber.tensors.rng import RowRng

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layers of the sample's showers, as a calorimeter of its own, which are quick to make."""
    showers = files.read(SAMPLE)
    few_layers = (showers.layer >= 7) & (showers.layer < 10)
    kept = np.bincount(showers.row[few_layers], minlength=len(showers))
    filled = kept > 0
    layer, first, second = (column[few_layers] for column in showers.cells)
    geometry = Geometry(layers=showers.geometry.layers[7:10], threshold=showers.geometry.threshold)
    cells = Cells(layer - 7, first, second)
    few = Showers.of(
        showers.incident_energy[filled], kept[filled], cells, showers.energy[few_layers], geometry=geometry
    )
    path = tmp_path_factory.mktemp("showers") / "layers.parquet"
    with files.open_writer(path, showers.run) as writer:
        writer.write(few)
    return path


@pytest.fixture(scope="module")
def tiny_cells(tiny_calo: Path) -> Path:
    """A preset file of a tiny model that makes layers and hits one after the other."""
    stages = """
shares = { width = 8, depth = 1, heads = 2, bins = 8 }
cells = { width = 8, depth = 1, heads = 2, hidden = 16, bins = 8 }
"""
    path = tiny_calo.parent / "cells.toml"
    path.write_text(tiny_calo.read_text() + stages)
    return path


@pytest.fixture(scope="module", params=["tiny_calo", "tiny_cells"])
def preset(request: pytest.FixtureRequest) -> Path:
    """Both ways to make layers and hits."""
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.fixture(scope="module")
def run(data: Path, preset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    how = ("--device", "cpu", "--precision", "float32")
    assert command("train", preset, "--data", data, "--out", out, *how) == 0
    return out


@pytest.fixture(scope="module")
def energies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred odd energies, more than a block."""
    path = tmp_path_factory.mktemp("energies") / "energies.txt"
    path.write_text("".join(f"{value!r}\n" for value in (np.linspace(1.0, 19.0, 300) / 1.1).tolist()))
    return path


@pytest.mark.parametrize("suffix", ["parquet", "h5"])
def test_incident_energies_are_those_that_were_asked_for(
    run: Path, energies: Path, suffix: str, tmp_path: Path
) -> None:
    out = tmp_path / f"showers.{suffix}"
    assert (
        command("generate", "--model", run, "--energies", energies, "--events", 20, "--out", out, "--workers", 1) == 0
    )
    showers = files.read(out)
    asked = np.array([float(line) for line in energies.read_text().splitlines()])
    assert np.array_equal(showers.incident_energy, asked[:20] * 1e3)
    assert showers.geometry.cells == 3 * 32 * 32
    assert showers.run.generator == "cloudchamber"
    assert showers.run.provenance["command"].startswith("cloudchamber generate --model")
    assert showers.counts.min() > 0
    assert showers.energy.min() >= np.float32(showers.geometry.threshold)


def test_a_longer_run_begins_with_a_shorter_one_whoever_makes_it(run: Path, energies: Path, tmp_path: Path) -> None:
    for name, number, workers in (("all", 200, 2), ("again", 200, 1), ("some", 140, 1)):
        how = ("--energies", energies, "--events", number, "--workers", workers, "--precision", "float32")
        assert command("generate", "--model", run, *how, "--out", tmp_path / f"{name}.parquet") == 0
    whole, some = (files.read(tmp_path / f"{name}.parquet") for name in ("all", "some"))
    assert (tmp_path / "all.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()
    assert np.array_equal(whole[:140].voxels(), some.voxels())
    sample = ShowerGenerator(str(run), load_model(str(run))).sample(whole.incident_energy / 1e3, 1, precision="float32")
    np.testing.assert_array_equal(sample.counts[:BLOCK], whole.counts[:BLOCK])  # the next block ends differently


def test_flags_tell_energies_exactly() -> None:
    assert Energies.constant(10.1234567, 1).flag == "--energy 10.1234567"
    assert ShowerSetting.of(10.1234567, None, 1, 1).flag == "--energy 10.1234567"
    assert ShowerSetting.of(None, (1.0, 10.1234567), 1, 1).flag == "--energy-range 1 10.1234567"


def test_one_energy_for_all(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "ten.parquet"
    assert command("generate", "--model", run, "--energy", 10, "--events", 5, "--out", out, "--workers", 1) == 0
    assert files.read(out).incident_energy.tolist() == [10_000.0] * 5


@pytest.mark.parametrize(("name", "loss"), [("tiny_calo", "denoising"), ("tiny_cells", "nll")])
def test_losses_teach_every_weight(request: pytest.FixtureRequest, name: str, loss: str) -> None:
    preset, showers = load_preset(str(request.getfixturevalue(name))), files.read(SAMPLE, limit=40)
    family = family_of(preset)
    representation = family.fit(preset, [showers])
    model, rows = family.build(preset, representation), representation.encode(showers)
    losses = model.losses(rows, RowRng((1,), len(showers)))
    assert set(losses) == {"visible.denoising", "counts.nll", f"layers.{loss}", f"hits.{loss}"}
    sum(loss.sum() for loss in losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_run_is_continued_and_packed(run: Path, data: Path, tmp_path: Path) -> None:
    pack(run, tmp_path / "m.safetensors")
    packed = str(tmp_path / "m.safetensors")
    assert load_model(packed).digest == load_model(str(run)).digest
    how = ("--data", data, "--device", "cpu", "--precision", "float32", "--steps", 1)
    assert command("train", "--init", packed, "--out", tmp_path / "more", "--only", "counts", *how) == 0
    before, after = (load_model(name).model.state_dict() for name in (packed, str(tmp_path / "more")))
    changed = {name.split(".")[1] for name, value in before.items() if not bool((value == after[name]).all())}
    assert changed == {"counts"}
    card = load_model(str(tmp_path / "more")).card
    assert [phase["stages"] for phase in card.training["phases"]] == ["all", "counts"]
    assert card.domain["cells"] == 3 * 32 * 32


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give their incident energy"),
        (("--energy", 10, "--energies", "x.txt"), "give their incident energy"),
        (("--energy", -1), "give GeV above 0"),
        (("--energy", 500), "outside of what the model has learnt"),
        (("--energies", "nothing.txt"), "cannot be read"),
        (("--energy", 10, "--slices", 5), "are for models of events"),
        (("--energy", 10, "--jets", 2), "are for models of events"),
        (("--energy", 10, "--q2-min", 30), "are for models of events"),
        (("--energy", 10, "--workers", 0), "give a positive number"),
        (("--energy", 10, "--events", 0), "--events 0 is impossible"),
        (("--energy", 10, "--events", -3), "--events -3 is impossible"),
    ],
)
def test_bad_options_are_told_in_one_sentence(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[object, ...], says: str
) -> None:
    assert command("generate", "--model", run, "--events", 5, "--out", tmp_path / "o.parquet", *words) == 2
    output = capsys.readouterr().err.strip()
    assert len(output.splitlines()) == 1
    assert says in output
    assert not list(tmp_path.iterdir())


def test_bad_energies_are_told_by_their_line(tmp_path: Path) -> None:
    path = tmp_path / "energies.txt"
    for text, says in (("1.0\n\nten\n", "line 3"), ("0\n", "line 1"), ("\n", "holds no energies")):
        path.write_text(text)
        with pytest.raises(InputError, match=says):
            read_energies(path)


def test_models_of_events_take_no_energies(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("generate", "--model", saved, "--energy", 10, "--out", tmp_path / "o.parquet") == 2
    assert "are for models of showers" in capsys.readouterr().err


def test_stages_that_belong_together_come_together(tiny_cells: Path, tmp_path: Path) -> None:
    lines = [line for line in tiny_cells.read_text().splitlines() if not line.startswith("shares")]
    (tmp_path / "half.toml").write_text("\n".join(lines))
    with pytest.raises(InputError, match="come together"):
        load_preset(str(tmp_path / "half.toml"))


@pytest.mark.parametrize("name", ["calo-wsi", "calo-wsi-fast", "calo-wsi-flow"])
def test_shipped_presets_build(name: str) -> None:
    preset, showers = load_preset(name), files.read(SAMPLE, limit=40)
    family = family_of(preset)
    model = family.build(preset, family.fit(preset, [showers]))
    assert 4 * sum(p.numel() for p in model.parameters()) < 10e6
