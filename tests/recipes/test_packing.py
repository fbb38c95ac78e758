"""Packing: what is given another name tells it in its card and in its events."""

from pathlib import Path

import pytest

from cloudchamber.errors import InputError
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
