import csv
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from toy_training import Regression, ToyStream, held_out, settings

from cloudchamber.errors import InputError
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng
from cloudchamber.train import progress
from cloudchamber.train.checkpoint import averaged_weights, read_checkpoint
from cloudchamber.train.trainer import train

_PATIENCE = 120.0


class InterruptedStream(ToyStream):
    """Sends a signal before one of its batches."""

    def __init__(self, at: int, number: signal.Signals = signal.SIGTERM) -> None:
        super().__init__()
        self.at, self.number = at, number

    def __next__(self) -> Batch:
        if self.position == self.at:
            signal.raise_signal(self.number)
        return super().__next__()


def without_clock(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in ("elapsed", "stream")}


def assert_same(a: object, b: object) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for name in a:
            assert_same(a[name], b[name])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b


@pytest.mark.parametrize("optimizer", ["adamw", "lion"])
def test_an_interrupted_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path, optimizer: str) -> None:
    config = settings(steps=40, optimizer=optimizer)
    torch.manual_seed(5)
    whole = train(Regression(dropout=0.5), ToyStream(), held_out(), config, tmp_path / "whole")
    torch.manual_seed(5)
    part = train(Regression(dropout=0.5), InterruptedStream(16), held_out(), config, tmp_path / "parts")
    assert (part.step, part.signal, whole.step, whole.signal) == (17, "SIGTERM", 40, None)
    torch.manual_seed(99)
    resumed = train(Regression(seed=3, dropout=0.5), ToyStream(), held_out(), config, tmp_path / "parts", resume=True)
    assert_same(without_clock(read_checkpoint(whole.checkpoint)), without_clock(read_checkpoint(resumed.checkpoint)))
    assert resumed.elapsed > part.elapsed


def test_training_lowers_the_loss_and_the_best_is_kept(tmp_path: Path) -> None:
    result = train(
        Regression(),
        ToyStream(64),
        held_out(),
        settings(steps=100, learning_rate=0.05, validation_steps=50),
        tmp_path,
    )
    with (tmp_path / "log.csv").open() as file:
        first = float(next(csv.DictReader(file))["loss"])
    assert result.loss < 0.5 * first
    assert result.best_validation_loss <= result.validation_loss < first


def test_log_has_every_entry_once_after_a_resumption(tmp_path: Path) -> None:
    config = settings(steps=40, checkpoint_minutes=0)

    class BrokenStream(ToyStream):
        def __next__(self) -> Batch:
            if self.position == 23:
                raise RuntimeError("power cut")
            return super().__next__()

    with pytest.raises(RuntimeError, match="power cut"):
        train(Regression(), BrokenStream(), held_out(), config, tmp_path)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("25,1,1,1,1,1,1,1,1,1,1,1,1\n")
    train(Regression(), ToyStream(), held_out(), config, tmp_path, resume=True)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert [bool(row["validation_loss"]) for row in rows] == [False, True] * 4
    assert {"loss_first", "loss_second", "norm_first", "norm_second", "learning_rate", "events"} <= rows[0].keys()
    assert float(rows[-1]["events"]) == 40 * 16
    assert list((tmp_path / "tensorboard").iterdir())


def test_time_ends_a_run_and_is_counted_over_resumptions(tmp_path: Path) -> None:
    config = settings(max_time=0.4, schedule="time")
    first = train(Regression(), ToyStream(), held_out(), config, tmp_path)
    assert first.elapsed >= 0.4
    assert first.signal is None
    again = train(Regression(), ToyStream(), held_out(), config, tmp_path, resume=True)
    assert again.step == first.step


def test_snapshots_hold_averaged_weights(tmp_path: Path) -> None:
    result = train(Regression(), ToyStream(), held_out(), settings(steps=7, snapshot_minutes=0), tmp_path)
    snapshots = sorted(tmp_path.glob("ema-*.safetensors"))
    assert snapshots[-1].name == "ema-00000007.safetensors"
    assert_same(averaged_weights(snapshots[-1]), averaged_weights(result.checkpoint))
    Regression().load_state_dict(averaged_weights(snapshots[0]))


@pytest.mark.parametrize("checkpoint_minutes", [0, 60])
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(
    tmp_path: Path, checkpoint_minutes: float
) -> None:
    class BadStream(ToyStream):
        def __next__(self) -> Batch:
            rows = super().__next__()
            return Batch(rows.x / (0 if self.position == 9 else 1), rows.weight)

    config = settings(steps=20, checkpoint_minutes=checkpoint_minutes)
    with pytest.raises(InputError, match=r"broke down at step 8, where .* became (nan|inf)"):
        train(Regression(), BadStream(), held_out(), config, tmp_path)
    assert (tmp_path / "last.pt").exists() == (checkpoint_minutes == 0)
    if checkpoint_minutes == 0:
        state = read_checkpoint(tmp_path / "last.pt")
        assert state["step"] == 8
        assert all(values.isfinite().all() for values in state["model"].values())


def test_a_gradient_that_is_not_finite_stops(tmp_path: Path) -> None:
    class Cusp(Regression):
        def losses(self, rows: Batch, rng: Rng) -> dict[str, Tensor]:
            flat = self.second(rows.x).square().sum(-1) * 0.0
            return {"cusp": flat.sqrt()}

    with pytest.raises(InputError, match="norm_second became nan"):
        train(Cusp(), ToyStream(), [], settings(steps=3), tmp_path)


def test_automatic_precision_is_chosen_once_and_kept(tmp_path: Path) -> None:
    config = settings(steps=4, precision="auto")
    result = train(Regression(), ToyStream(), held_out(), config, tmp_path)
    precision = read_checkpoint(result.checkpoint)["precision"]
    assert precision in ("float32", "bfloat16")
    train(Regression(), ToyStream(), held_out(), settings(steps=6, precision="auto"), tmp_path, resume=True)
    assert read_checkpoint(result.checkpoint)["precision"] == precision


def test_measuring_the_precision_does_not_change_the_run(tmp_path: Path) -> None:
    states = []
    for wanted in ("auto", None):
        torch.manual_seed(1)
        precision = wanted or states[0]["precision"]
        result = train(
            Regression(dropout=0.5),
            ToyStream(),
            [],
            settings(steps=3, precision=precision),
            tmp_path / str(wanted),
        )
        states.append(read_checkpoint(result.checkpoint))
    assert_same(states[0]["model"], states[1]["model"])


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(Regression(), ToyStream(), [], settings(steps=1), tmp_path)
    with pytest.raises(InputError, match="holds a training run already; add --resume"):
        train(Regression(), ToyStream(), [], settings(steps=1), tmp_path)


def test_bad_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no checkpoint .* start without --resume"):
        train(Regression(), ToyStream(), [], settings(steps=1), tmp_path, resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot make the folder"):
        train(Regression(), ToyStream(), [], settings(steps=1), tmp_path / "file" / "run")


def test_another_model_or_optimizer_cannot_continue(tmp_path: Path) -> None:
    train(Regression(), ToyStream(), [], settings(steps=1), tmp_path)
    with pytest.raises(InputError, match="trained with adamw and cannot continue with lion"):
        train(Regression(), ToyStream(), [], settings(steps=2, optimizer="lion"), tmp_path, resume=True)
    other = Regression()
    other.second = torch.nn.Linear(3, 1)
    with pytest.raises(InputError, match="a model of another shape"):
        train(other, ToyStream(), [], settings(steps=2), tmp_path, resume=True)


def test_outside_a_terminal_lines_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    train(Regression(), ToyStream(), held_out(), settings(steps=12), tmp_path)
    captured = capsys.readouterr()
    assert "training 50.0%: step 6, loss " in captured.err
    assert "events/s, 0:00:0" in captured.err
    assert "validation" in captured.err.splitlines()[-1]
    assert captured.out == ""


def test_signals_are_left_alone_in_other_threads(tmp_path: Path) -> None:
    results = []
    usual = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(
        target=lambda: results.append(train(Regression(), ToyStream(), [], settings(steps=2), tmp_path))
    )
    thread.start()
    thread.join()
    assert results[0].step == 2
    assert signal.getsignal(signal.SIGTERM) == usual


@contextmanager
def start(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    program = Path(__file__).with_name("toy_training.py")
    process = subprocess.Popen(
        [sys.executable, str(program), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends_the_process_well(tmp_path: Path, number: signal.Signals) -> None:
    with start("long", str(tmp_path)) as process:
        deadline = time.monotonic() + _PATIENCE
        while not (tmp_path / "log.csv").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, err
    name, step = out.split()
    assert name == number.name
    assert read_checkpoint(tmp_path / "last.pt")["step"] == int(step)


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    import socket

    from toy_training import two_processes

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    with (
        start("share", str(tmp_path / "two"), RANK="0", LOCAL_RANK="0", **shared) as first,
        start("share", str(tmp_path / "two"), RANK="1", LOCAL_RANK="1", **shared) as second,
    ):
        two_processes(tmp_path / "one")
        for process in (first, second):
            _, err = process.communicate(timeout=_PATIENCE)
            assert process.returncode == 0, err
    gradients = [torch.load(tmp_path / name / "gradients.pt") for name in ("one", "two")]
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=0, atol=1e-6)
    weights = [averaged_weights(tmp_path / name / "run" / "last.pt") for name in ("one", "two")]
    states = [read_checkpoint(tmp_path / name / "run" / "last.pt") for name in ("one", "two")]
    for name, weight in states[0]["model"].items():
        torch.testing.assert_close(states[1]["model"][name], weight, rtol=0, atol=1e-4)
        torch.testing.assert_close(weights[1][name], weights[0][name], rtol=0, atol=1e-4)
    assert states[1]["best_validation_loss"] == pytest.approx(states[0]["best_validation_loss"], abs=1e-4)
    assert len((tmp_path / "two" / "run" / "log.csv").read_text().splitlines()) == 5
