"""Model files: what is saved is loaded, and what is damaged is refused in one sentence."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.recipes.store import TrainedModel, load_model, read_card, save_model
from cloudchamber.tensors.rng import RowRng


def refused(path: Path, word: str) -> None:
    with pytest.raises(InputError, match=word) as error:
        load_model(str(path))
    assert len(str(error.value).splitlines()) == 1


def resave(trained: TrainedModel, path: Path) -> Path:
    save_model(path, trained.model, trained.representation, trained.card)
    return path


def test_what_is_saved_is_loaded(saved: Path, tiny_events: Events) -> None:
    trained = load_model(str(saved))
    again = load_model(str(resave(trained, saved.with_name("again.safetensors"))))
    assert again.digest == trained.digest == trained.card.sha256
    assert again.card == trained.card
    before, after = (
        made.model.losses(made.representation.encode(tiny_events[:10]), RowRng((1,), 10)) for made in (trained, again)
    )
    for name, loss in before.items():
        assert torch.equal(after[name], loss)
    assert not trained.model.training
    assert not any(p.requires_grad for p in trained.model.parameters())


def test_the_digest_is_of_weights_and_maps(saved: Path) -> None:
    trained = load_model(str(saved))
    weight = trained.model.state_dict()["stages.electron.denoiser.net.outputs.bias"]
    weight[0] += 1
    assert load_model(str(resave(trained, saved.with_name("other.safetensors")))).digest != trained.digest


@pytest.mark.parametrize("seed", range(8))
def test_a_changed_byte_is_noticed(saved: Path, seed: int) -> None:
    """In the header or in the numbers."""
    content = bytearray(saved.read_bytes())
    rng = np.random.default_rng(seed)
    place = int(rng.integers(8, 2_000)) if seed % 2 else int(rng.integers(len(content)))
    content[place] ^= int(rng.integers(1, 256))
    saved.write_bytes(content)
    refused(saved, "damaged|copy|fit")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999])
def test_a_truncated_file_is_refused(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    refused(saved, "damaged")


def test_numbers_that_are_not_finite_are_refused(saved: Path) -> None:
    trained = load_model(str(saved))
    trained.model.state_dict()["stages.cloud.denoiser.net.outputs.bias"][0] = float("nan")
    refused(resave(trained, saved), "not all finite")


@pytest.mark.parametrize("name", ["weights.stages.species.net.outputs.bias", "maps.pool", "maps.species.masses"])
def test_a_missing_tensor_is_refused(saved: Path, name: str) -> None:
    tensors = safetensors.torch.load_file(saved)
    del tensors[name]
    safetensors.torch.save_file(tensors, saved)
    refused(saved, "not those of their card")
    card = json.loads(saved.with_suffix(".json").read_text())
    saved.with_suffix(".json").write_text(json.dumps(card | {"sha256": None}))
    refused(saved, "do not fit their card")


def test_weights_of_another_size_are_refused(saved: Path) -> None:
    card = json.loads(saved.with_suffix(".json").read_text())
    card["preset"]["cloud"]["width"] = 16
    saved.with_suffix(".json").write_text(json.dumps(card))
    refused(saved, "do not fit their card")


@pytest.mark.parametrize("change", [b"", b"{", b"[]", b"\xff\xfe", b'{"preset": 3}'])
def test_a_malformed_card_is_refused(saved: Path, change: bytes) -> None:
    saved.with_suffix(".json").write_bytes(change)
    refused(saved, "card .* is not valid")


def test_a_card_with_an_unknown_entry_is_refused(saved: Path) -> None:
    card = json.loads(saved.with_suffix(".json").read_text())
    saved.with_suffix(".json").write_text(json.dumps(card | {"colour": "red"}))
    refused(saved, "card .* is not valid")


def test_a_missing_card_is_named(saved: Path) -> None:
    saved.with_suffix(".json").unlink()
    refused(saved, r"tiny.json' does not exist")


def test_unknown_models_are_refused(tmp_path: Path) -> None:
    refused(Path("gpt"), "the model 'gpt' is unknown")
    refused(tmp_path / "none.safetensors", "is unknown")
    refused(tmp_path, "card")
    (tmp_path / "weights.pt").touch()
    refused(tmp_path / "weights.pt", "is unknown")


def test_a_folder_without_a_card_does_not_hide_a_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ep-dis-10x275").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_model("ep-dis-10x275").card.preset.name == "ep-dis-10x275"


class _Trap:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_nothing_is_ever_unpickled(saved: Path, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    content = pickle.dumps(_Trap(trap), protocol=2)
    maps = load_model(str(saved)).representation.state()
    saved.write_bytes(content)
    refused(saved, "damaged")
    run = tmp_path / "run"
    run.mkdir()
    (run / "card.json").write_bytes(saved.with_suffix(".json").read_bytes())
    safetensors.torch.save_file(maps, run / "maps.safetensors")
    (run / "last.pt").write_bytes(content)
    refused(run, "damaged")
    torch.save({"model": _Trap(trap)}, run / "last.pt")
    refused(run, "damaged")
    assert not trap.exists()
    pickle.loads(content)
    assert trap.exists()  # the trap works


def test_the_card_tells_what_the_model_is(saved: Path, tiny_events: Events) -> None:
    card = read_card(saved.with_suffix(".json"))
    assert card.preset.name == "tiny"
    assert card.data == tiny_events.run
    assert card.events == 400


def test_a_model_can_be_read_by_whoever_may_read_new_files(saved: Path) -> None:
    (saved.parent / "new").touch()
    assert saved.stat().st_mode == (saved.parent / "new").stat().st_mode


def test_a_full_disk_is_told_and_leaves_no_file(saved: Path) -> None:
    target = saved.with_name("other.safetensors")
    target.with_name(f".{target.name}.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match="disk is full"):
        resave(load_model(str(saved)), target)
    assert not list(saved.parent.glob("*other*"))
