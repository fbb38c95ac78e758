"""The wiring of a run: what lands in its folder, exact continuation, and refusals before any work."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cloudchamber.data.split import split
from cloudchamber.errors import InputError
from cloudchamber.events import Events, Level
from cloudchamber.formats import parquet
from cloudchamber.recipes.config import Preset, load_preset
from cloudchamber.recipes.store import load_model, read_card
from cloudchamber.recipes.training import fingerprint, train_preset


@pytest.fixture
def preset(tiny_toml: Path) -> Preset:
    return load_preset(str(tiny_toml))


def train(preset: Preset, data: Path, out: Path, *, resume: bool = False, steps: int | None = None) -> None:
    train_preset(preset, data, out, resume=resume, steps=steps, device="cpu", precision="float32", seed=3)


def test_a_run_becomes_a_model(preset: Preset, tiny_data: Path, tmp_path: Path, tiny_events: Events) -> None:
    out = tmp_path / "deep" / "run"
    train(preset, tiny_data, out)
    names = {path.name for path in out.iterdir()}
    assert {"card.json", "maps.safetensors", "last.pt", "log.csv"} <= names
    assert not [name for name in names if name.endswith(".part")]
    card = read_card(out / "card.json")
    assert card.preset == preset
    assert card.events == sum(map(len, split(tiny_data).train))
    assert card.data.beams == tiny_events.run.beams
    assert card.fingerprint == fingerprint(split(tiny_data).train)
    trained = load_model(str(out))
    assert trained.card == card
    weights = trained.model.state_dict()
    averages = torch.load(out / "last.pt", weights_only=True)["ema"]["averages"]
    assert all(torch.equal(weights[name], value) for name, value in averages.items())
    assert sum(p.numel() for p in trained.model.parameters()) == sum(v.numel() for v in averages.values())


def test_a_run_is_a_function_of_its_seed_and_continues(preset: Preset, tiny_data: Path, tmp_path: Path) -> None:
    def state(name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = torch.load(tmp_path / name / "last.pt", weights_only=True)
        return loaded

    train(preset, tiny_data, tmp_path / "one", steps=3)
    train(preset, tiny_data, tmp_path / "two", steps=3)
    one, two = state("one"), state("two")
    assert one["step"] == 3
    assert all(torch.equal(two["model"][name], value) for name, value in one["model"].items())
    train(preset, tiny_data, tmp_path / "two", resume=True, steps=5)
    longer = state("two")
    assert longer["step"] == 5
    assert longer["stream"] != one["stream"]
    assert any(not torch.equal(longer["model"][name], value) for name, value in one["model"].items())


def test_a_run_is_never_overwritten(preset: Preset, tiny_data: Path, tmp_path: Path) -> None:
    train(preset, tiny_data, tmp_path / "run", steps=1)
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    with pytest.raises(InputError, match="already holds a run; continue it with --resume"):
        train(preset, tiny_data, tmp_path / "run")
    assert before == {path: path.read_bytes() for path in before}


def test_the_wrong_level_is_refused(preset: Preset, tiny_data: Path, tmp_path: Path) -> None:
    other = preset.model_copy(update={"level": Level.STABLE})
    with pytest.raises(InputError, match=r"learns events of level stable, but .* holds level primary"):
        train(other, tiny_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_events_without_beams_are_refused(preset: Preset, tiny_events: Events, tmp_path: Path) -> None:
    parquet.write(tmp_path / "x.parquet", tiny_events.with_run(tiny_events.run.with_(beams=None)))
    with pytest.raises(InputError, match="do not say their beams"):
        train(preset, tmp_path / "x.parquet", tmp_path / "run")


def test_a_run_continues_with_the_networks_it_began_with(preset: Preset, tiny_data: Path, tmp_path: Path) -> None:
    train(preset, tiny_data, tmp_path / "run", steps=1)
    wider = preset.model_copy(update={"cloud": preset.cloud.model_copy(update={"width": 16})})
    train(wider, tiny_data, tmp_path / "run", resume=True, steps=2)
    assert load_model(str(tmp_path / "run")).card.preset.cloud.width == 8


def test_the_fingerprint_knows_the_data(tiny_data: Path, tmp_path: Path) -> None:
    shards = split(tiny_data).train
    assert fingerprint(shards) == fingerprint(split(tiny_data).train)
    assert fingerprint(shards) != fingerprint(shards[1:])
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tiny_data.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert fingerprint(split(copy).train) == fingerprint(shards)
    parquet.write(copy / "shard-00000.parquet", parquet.read(copy / "shard-00001.parquet"))
    assert fingerprint(split(copy).train) != fingerprint(shards)


def test_a_card_is_plain_json(preset: Preset, tiny_data: Path, tmp_path: Path) -> None:
    train(preset, tiny_data, tmp_path / "run", steps=1)
    card = json.loads((tmp_path / "run" / "card.json").read_text())
    assert card["preset"]["name"] == "tiny"
    assert card["sha256"] is None
    assert set(card["versions"]) >= {"cloudchamber", "torch", "numpy"}


def test_a_stage_can_be_trained_further_from_a_model(
    preset: Preset, saved: Path, tiny_data: Path, tmp_path: Path
) -> None:
    train_preset(preset, tiny_data, tmp_path / "further", steps=2, device="cpu", precision="float32",
                 init=str(saved), only="cloud")  # fmt: skip
    before, after = (load_model(str(path)) for path in (saved, tmp_path / "further"))
    assert after.card.sha256 is None
    weights = after.model.state_dict()
    changed = {name for name, value in before.model.state_dict().items() if not torch.equal(value, weights[name])}
    assert changed
    assert all(name.startswith("stages.cloud") for name in changed)


def test_a_stage_can_start_anew_in_another_size(preset: Preset, saved: Path, tiny_data: Path, tmp_path: Path) -> None:
    smaller = preset.model_copy(update={"species": preset.species.model_copy(update={"width": 12, "depth": 2})})
    train_preset(smaller, tiny_data, tmp_path / "small", steps=2, device="cpu", precision="float32",
                 init=str(saved), only="species", anew=True)  # fmt: skip
    before, after = (load_model(str(path)) for path in (saved, tmp_path / "small"))
    assert after.card.preset.species.width == 12
    assert after.card.preset.cloud == before.card.preset.cloud
    for name in ("electron", "cloud"):
        kept = after.model[name].state_dict()
        assert all(torch.equal(value, kept[key]) for key, value in before.model[name].state_dict().items())


def test_networks_are_taken_over_species_by_species(
    preset: Preset, saved: Path, tiny_events: Events, tmp_path: Path
) -> None:
    """Other events hold other species in another order; what both know keeps its rows, and momenta get new maps."""
    data = tmp_path / "other"
    data.mkdir()
    fewer = tiny_events.select((tiny_events.particles.pdg_id != 211) & (tiny_events.particles.pdg_id != 2112))
    for k in range(4):
        parquet.write(data / f"shard-{k:05d}.parquet", fewer[100 * k : 100 * (k + 1)])
    still = preset.model_copy(update={"training": preset.training.model_copy(update={"learning_rate": 1e-30})})
    train_preset(still, data, tmp_path / "run", steps=1, device="cpu", precision="float32", init=str(saved), refit=True)
    before, after = (load_model(str(path)) for path in (saved, tmp_path / "run"))
    old, new = (m.representation.species.pdg_ids.tolist() for m in (before, after))
    assert set(new) < set(old)
    assert after.card.training["phases"][:-1] == before.card.training.get("phases", [])
    rows = [old.index(number) for number in new]
    for name, key in (("cloud", "denoiser.net.kinds.weight"), ("species", "net.outputs.weight")):
        theirs, ours = (m.model[name].state_dict()[key] for m in (before, after))
        torch.testing.assert_close(ours[: len(new)], theirs[rows])
        torch.testing.assert_close(ours[len(new) :], theirs[len(old) :])
    for name in ("electron", "cloud"):
        for key, value in before.model[name].state_dict().items():
            if key != "denoiser.net.kinds.weight":
                torch.testing.assert_close(after.model[name].state_dict()[key], value)


@pytest.mark.parametrize("changed", [("cloud", "width", 16), ("cloud", "depth", 2), ("species", "width", 16)])
def test_networks_of_another_size_are_not_taken_over(
    preset: Preset, saved: Path, tiny_data: Path, tmp_path: Path, changed: tuple[str, str, int]
) -> None:
    stage, what, size = changed
    wider = preset.model_copy(update={stage: getattr(preset, stage).model_copy(update={what: size})})
    with pytest.raises(InputError, match=f"the stage '{stage}' of the model has another size"):
        train_preset(wider, tiny_data, tmp_path / "run", steps=1, device="cpu", init=str(saved), refit=True)
    with pytest.raises(InputError, match="name it with --init"):
        train_preset(preset, tiny_data, tmp_path / "run", steps=1, refit=True)


@pytest.mark.parametrize("given", ["init", "only", "unknown"])
def test_a_stage_that_starts_anew_is_named(
    preset: Preset, saved: Path, tiny_data: Path, tmp_path: Path, given: str
) -> None:
    init = None if given == "only" else str(saved)
    only = {"init": None, "only": "species", "unknown": "nothing"}[given]
    with pytest.raises(InputError, match=r"--anew|--only"):
        train_preset(preset, tiny_data, tmp_path / "run", init=init, only=only, anew=True)
    assert not (tmp_path / "run").exists()


def test_species_of_held_out_events_are_known(preset: Preset, tiny_data: Path, tmp_path: Path) -> None:
    train(preset, tiny_data, tmp_path / "run", steps=1)
    table = load_model(str(tmp_path / "run")).representation.species
    assert set(table.pdg_ids.tolist()) >= set(parquet.read(tiny_data).flat("pdg_id").tolist()) - {11}


def test_damaged_maps_are_named(preset: Preset, tiny_data: Path, tmp_path: Path) -> None:
    train(preset, tiny_data, tmp_path / "run", steps=1)
    maps = tmp_path / "run" / "maps.safetensors"
    maps.write_bytes(maps.read_bytes()[:100])
    with pytest.raises(InputError, match=r"maps.safetensors' are damaged"):
        train(preset, tiny_data, tmp_path / "run", resume=True)
