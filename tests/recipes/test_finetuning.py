"""Training on from weights: the rate it learns with, and the events that the maps cannot hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events
from cloudchamber.formats import parquet
from cloudchamber.recipes.config import load_preset
from cloudchamber.recipes.finetuning import fine_tuning
from cloudchamber.recipes.store import load_model, read_card, write_card
from cloudchamber.recipes.training import train_preset


def tuned(saved: Path, data: Path, out: Path, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    train_preset(None, data, out, steps=1, device="cpu", precision="float32", init=str(saved), **options)
    card = read_card(out / "card.json")
    settings: dict[str, Any] = card.training["phases"][-1]["settings"]
    return settings


def test_the_model_says_what_to_train_and_the_rate_is_small(saved: Path, tiny_data: Path, tmp_path: Path) -> None:
    settings = tuned(saved, tiny_data, tmp_path / "run")
    base, found = load_model(str(saved)), load_model(str(tmp_path / "run"))
    assert (settings["learning_rate"], settings["warm_up_steps"], settings["batch_size"]) == (3e-4, 50, 32)
    assert found.card.preset == base.card.preset
    maps, kept = base.representation.state(), found.representation.state()
    assert all(np.array_equal(kept[name], value) for name, value in maps.items())


def test_a_preset_has_the_last_word(tmp_path: Path) -> None:
    text = 'name = "a"\ndescription = "b"\nlevel = "stable"\n'
    (tmp_path / "silent.toml").write_text(text)
    (tmp_path / "loud.toml").write_text(text + "[training]\nlearning_rate = 0.01\n")
    silent, loud = (fine_tuning(load_preset(str(tmp_path / f"{name}.toml"))) for name in ("silent", "loud"))
    assert (silent.training.learning_rate, loud.training.learning_rate) == (3e-4, 0.01)
    assert silent.training.warm_up_steps == loud.training.warm_up_steps == 50


def test_events_outside_of_the_maps_are_refused(saved: Path, tiny_events: Events, tmp_path: Path) -> None:
    def refused(events: Events, words: str) -> None:
        parquet.write(tmp_path / "x.parquet", events)
        with pytest.raises(InputError, match=words):
            tuned(saved, tmp_path / "x.parquet", tmp_path / "run")
        assert not (tmp_path / "run" / "card.json").exists()

    card = read_card(saved.with_suffix(".json"))
    write_card(saved.with_suffix(".json"), card.model_copy(update={"domain": {"Q2_GeV2": [30.0, 900.0]}}))
    refused(tiny_events.with_run(tiny_events.run.with_(beams=Beams.parse("5x41"))), "have beams 5x41.*--refit")
    refused(tiny_events, r"reach down to Q2 = 25\.\d+ GeV2, but the maps of the model end at 30; add --refit")
    write_card(saved.with_suffix(".json"), card)
    pdg_id = tiny_events.flat("pdg_id").copy()
    pdg_id[1] = 5554
    columns = {**{name: tiny_events.flat(name) for name in tiny_events.columns}, "pdg_id": pdg_id}
    other = Events.from_flat(tiny_events.counts, columns, tiny_events.weight, tiny_events.run)
    refused(other, "hold the species 5554, which the model does not know; add --refit")


def test_students_of_distillation_are_refused(saved: Path, tiny_data: Path, tmp_path: Path) -> None:
    card = read_card(saved.with_suffix(".json"))
    phases = {"phases": [{"run": "progressive-1", "stages": "electron, cloud", "method": "progressive"}]}
    write_card(saved.with_suffix(".json"), card.model_copy(update={"training": phases}))
    with pytest.raises(InputError, match="was distilled to few network calls"):
        tuned(saved, tiny_data, tmp_path / "run")
    assert tuned(saved, tiny_data, tmp_path / "run", only="species")["learning_rate"] == 3e-4


def test_something_must_be_named(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a preset, or a model to start from with --init"):
        train_preset(None, tiny_data, tmp_path / "run")
