"""Packing: what is given another name tells it in its card and in its events."""

from pathlib import Path

import pytest

from cloudchamber.errors import InputError
from cloudchamber.evaluate.showers.document import ShowerDocument
from cloudchamber.recipes.generation import load
from cloudchamber.recipes.packing import pack
from cloudchamber.recipes.store import load_model


def test_a_packed_model_is_the_run_under_its_own_name(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    pack(saved, out, name="my-model", about="Mine")
    before, after = load_model(str(saved)), load_model(str(out))
    assert (after.card.preset.name, after.card.preset.description) == ("my-model", "Mine")
    assert after.card.preset.cloud == before.card.preset.cloud
    weights = after.model.state_dict()
    assert all((value == weights[name]).all() for name, value in before.model.state_dict().items())
    assert "model my-model" in load(str(out)).sample(2, seed=1).run.settings


def test_names_that_no_file_should_have_are_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot name a model"):
        pack(saved, tmp_path / "mine.safetensors", name="My model/../x")
    assert not list(tmp_path.glob("mine*"))


def test_a_card_keeps_what_was_measured_of_showers(saved: Path, tmp_path: Path) -> None:
    score = {"value": 0.51, "error": 0.01, "floor": 0.5, "floor_spread": 0.01, "ratio": 1.02, "p_value": 0.2, "n": 9,
             "n_pairs": 3, "pair_size": 9, "floor_scale": 1.0, "unit": "", "description": ""}  # fmt: skip
    document = ShowerDocument.model_validate({
        "settings": {
            "version": "0", "budget": "quick", "n": 9, "n_reference": 9, "n_pairs": 3, "pair_size": 9,
            "calorimeter": "toy", "layers": 1, "cells": 4, "threshold": 0.0, "energies_agree": True,
            "candidate": {"name": "/somewhere/a.h5"}, "reference": {"name": "b"},
        },
        "verdict": {"indistinguishable": True, "p_value": 0.2, "sentence": "Good.", "reasons": (), "tests": ()},
        "metrics": [score | {"name": "AUC, observables", "group": "classifiers", "sizes": ""}],
        "separations": [
            score | {"name": name, "group": "", "value": value} for name, value in (("a", 1e-3), ("b", 2e-3))
        ],
        "response": (), "importance": (),
    })  # fmt: skip
    (tmp_path / "metrics.json").write_text(document.model_dump_json())
    pack(saved, tmp_path / "mine.safetensors", metrics=tmp_path / "metrics.json")
    metrics = load_model(str(tmp_path / "mine.safetensors")).card.metrics
    assert metrics["classifier_auc"] == {"value": 0.51, "error": 0.01, "floor": 0.5, "ratio": 1.02}
    assert metrics["largest_separation_power"]["histogram"] == "b"
    assert metrics["sample"]["candidate"]["name"] == "a.h5"
    assert metrics["verdict"] == "Good."
