"""Ensembles: members that differ, and files that belong together."""

from pathlib import Path

import numpy as np
import pytest

from cloudchamber.data.split import split
from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.formats import parquet
from cloudchamber.recipes.config import load_preset
from cloudchamber.recipes.ensemble import member_split, members_of
from cloudchamber.recipes.store import load_model, read_card
from cloudchamber.recipes.training import train_ensemble


def test_members_have_their_own_events_maps_and_weights(tiny_toml: Path, tiny_data: Path, tmp_path: Path) -> None:
    options = {"seed": 4, "steps": 1, "device": "cpu", "precision": "float32"}
    train_ensemble(load_preset(str(tiny_toml)), tiny_data, tmp_path / "runs", 3, **options)
    models = [load_model(str(tmp_path / "runs" / f"member-{k}")) for k in range(3)]
    assert len({model.digest for model in models}) == 3
    phases = [read_card(tmp_path / "runs" / f"member-{k}" / "card.json").training["phases"][0] for k in range(3)]
    assert [phase.get("bootstrap_seed") for phase in phases] == [None, 5, 6]
    knots = [model.representation.state()["electron.knots"] for model in models]
    assert not any(np.array_equal(knots[0], other) for other in knots[1:])
    again = train_ensemble(load_preset(str(tiny_toml)), tiny_data, tmp_path / "runs", 3, resume=True, **options)
    assert [result.step for result in again] == [1, 1, 1]
    assert load_model(str(tmp_path / "runs" / "member-2")).digest == models[2].digest


def test_the_first_member_sees_everything(tiny_data: Path) -> None:
    parts = split(tiny_data)
    assert member_split(parts, 0, 9) is parts
    other = member_split(parts, 1, 9)
    assert other.validation == parts.validation
    assert len(other.train) == len(parts.train)


def test_two_members_are_no_ensemble(tiny_toml: Path, tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--members 2 is too few: an ensemble needs at least 3"):
        train_ensemble(load_preset(str(tiny_toml)), tiny_data, tmp_path / "runs", 2)


def write(folder: Path, name: str, events: Events, seed: int) -> Path:
    run = events.run.with_(seed=seed, provenance={"model": "tiny"})
    parquet.write(folder / name, events.with_run(run))
    return folder / name


def test_a_folder_holds_the_other_members(stable_events: Events, tmp_path: Path) -> None:
    paths = [write(tmp_path, f"{k}.parquet", stable_events[:5], k) for k in range(3)]
    (tmp_path / "notes.txt").write_text("not a sample")
    assert members_of([tmp_path], paths[1]) == [paths[0], paths[2]]
    assert members_of(paths[:2], paths[2]) == paths[:2]
    assert members_of([], paths[0]) == []


def test_members_that_share_their_chance_are_refused(stable_events: Events, tmp_path: Path) -> None:
    paths = [write(tmp_path, f"{k}.parquet", stable_events[:5], min(k, 1)) for k in range(3)]
    with pytest.raises(InputError, match="both generated with --seed 1"):
        members_of([tmp_path], paths[0])
    with pytest.raises(InputError, match=r"names 1 other member\(s\), but needs at least 2"):
        members_of(paths[1:2], paths[0])
