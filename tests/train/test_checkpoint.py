import errno
from pathlib import Path

import pytest
import torch
from toy_training import Regression, ToyStream, settings

from cloudchamber.errors import InputError
from cloudchamber.train.checkpoint import averaged_weights, read_checkpoint, write_checkpoint, write_weights
from cloudchamber.train.precision import faster_precision
from cloudchamber.train.trainer import train


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return train(Regression(), ToyStream(), [], settings(steps=2), tmp_path).checkpoint


@pytest.mark.parametrize("kept", [0, 1, 10, 100, 1000, -1])
def test_a_truncated_checkpoint_is_explained(checkpoint: Path, kept: int) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:kept])
    with pytest.raises(InputError, match="is damaged; restore it or start a new run"):
        read_checkpoint(checkpoint)


def test_other_files_are_not_checkpoints(tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="is not a training checkpoint"):
        read_checkpoint(tmp_path / "last.pt")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": Path("x")}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="is damaged"):
        read_checkpoint(tmp_path / "last.pt")


def test_a_full_disk_keeps_the_last_checkpoint(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checkpoint.read_bytes()

    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_checkpoint(checkpoint, {})
    assert checkpoint.read_bytes() == before
    assert not list(checkpoint.parent.glob(".*"))


def test_averaged_weights_come_back(tmp_path: Path) -> None:
    weights = {"a": torch.arange(6.0).view(2, 3).T, "b": torch.tensor([True])}
    write_weights(tmp_path / "ema.safetensors", weights, {"step": "1"})
    back = averaged_weights(tmp_path / "ema.safetensors")
    assert all(torch.equal(back[name], weights[name]) for name in weights)


def test_damaged_or_missing_weights_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        averaged_weights(tmp_path / "no.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(InputError, match="are damaged"):
        averaged_weights(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("fast", ["float32", "bfloat16"])
def test_the_faster_precision_is_found(fast: str) -> None:
    import time

    chosen = faster_precision(lambda precision: time.sleep(0.02 * (precision != fast)), torch.device("cpu"))
    assert chosen == fast
