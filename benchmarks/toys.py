"""Processes and distillations on two-dimensional toys: sliced W1 in units of its truth-against-truth floor.

    python benchmarks/toys.py --out toys

Trains a small network under every process of the literature (DDPM, score SDE, EDM, flow matching) for the same number
of steps, samples it, and then teaches the flow-matching model to take 4 calls and 1 call: by progressive distillation,
by shortcuts and by mean flow, each for the same number of steps. The table gives the sliced W1 distance to fresh data
in units of the mean distance between two samples of the truth (n = 10,000 each); `toys.png` shows the samples.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray
from ot import sliced_wasserstein_distance
from rich.console import Console
from rich.table import Table

from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.process.average import AverageVelocity, MeanFlow, Shortcut
from cloudchamber.process.distill import Progressive, halvings
from cloudchamber.process.schedule import Rectified
from cloudchamber.recipes.config import Process
from cloudchamber.recipes.process import make_denoiser, make_objective, net_outputs, net_times
from cloudchamber.simulate.toys import TOYS, Toy
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng
from cloudchamber.train.checkpoint import averaged_weights
from cloudchamber.train.config import TrainingConfig
from cloudchamber.train.trainer import train

Array = NDArray[np.float64]
N, DIRECTIONS, FLOOR_PAIRS, BATCH = 10_000, 128, 10, 512
_ANGLES = np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
sliced_w1 = partial(sliced_wasserstein_distance, projections=np.stack([np.cos(_ANGLES), np.sin(_ANGLES)]), p=1)

PROCESSES: Mapping[str, tuple[Process, str, int]] = {
    "DDPM": (Process(kind="variance", schedule="ddpm-cosine", target="eps", steps=200), "ancestral", 200),
    "score SDE": (Process(schedule="vp", target="eps", times="uniform"), "predictor-corrector", 400),
    "EDM": (Process(schedule="edm", target="edm", times="log-normal"), "heun", 72),
    "flow matching": (Process(), "heun", 32),
}


class Draws:
    """Fresh data without end."""

    def __init__(self, toy: Toy) -> None:
        self.toy, self.position = toy, 0

    def __next__(self) -> Batch:
        """The next batch."""
        self.position += 1
        x = self.toy.sample(BATCH, np.random.default_rng([7, self.position]))
        return Batch(torch.from_numpy(x).float(), torch.ones(BATCH))

    def state_dict(self) -> dict[str, int]:
        """The position."""
        return {"position": self.position}

    def load_state_dict(self, state: Any) -> None:  # noqa: ANN401
        """Continue at a position.

        Args:
            state: what `state_dict` gave.
        """
        self.position = state["position"]


def fitted(model: Diffusion, toy: Toy, *, steps: int, rate: float) -> Diffusion:
    """The model with averaged weights after training.

    Args:
        model: what to train.
        toy: where the data come from.
        steps: optimiser steps.
        rate: highest learning rate.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = TrainingConfig(steps=steps, learning_rate=rate, warm_up_steps=100, clip_norm=1.0, ema_decay=0.998,
                                weight_decay=0.0, precision="float32", device="cpu", log_steps=10**6,
                                validation_steps=10**6)  # fmt: skip
        if train(model, Draws(toy), [], config, Path(folder) / "run").signal:
            raise KeyboardInterrupt
        model.load_state_dict(averaged_weights(Path(folder) / "run" / "last.pt"))
    return model.eval()


def network(process: Process) -> VectorNet:
    """The network of all models.

    Args:
        process: how many times and outputs it needs.
    """
    return VectorNet(2, width=64, depth=3, outputs=net_outputs(process, 2), times=net_times(process))


def progressive(teacher: Diffusion, toy: Toy, calls: int, steps: int) -> Diffusion:
    """A chain of students from 16 steps down.

    Args:
        teacher: the first.
        toy: where the data come from.
        calls: of the last student.
        steps: optimiser steps of all students together.
    """
    students = halvings(16, calls)
    for number in students:
        objective = Progressive(teacher.denoiser, number, second_order=number == students[0])
        student = Diffusion(copy.deepcopy(teacher.denoiser).requires_grad_(True), objective)
        teacher = fitted(student, toy, steps=steps // len(students), rate=1e-3)
    return teacher


def averages(teacher: Diffusion, toy: Toy, kind: Callable[..., Any], steps: int) -> Diffusion:
    """A student of average velocities.

    Args:
        teacher: gives velocity and first weights.
        toy: where the data come from.
        kind: MeanFlow or Shortcut.
        steps: optimiser steps.
    """
    net = network(Process(kind="average"))
    net.adopt(teacher.denoiser.net.state_dict())
    return fitted(Diffusion(AverageVelocity(net, Rectified()), kind(teacher.denoiser)), toy, steps=steps, rate=1e-3)


@torch.no_grad()
def drawn(model: Diffusion, calls: int, sampler: str) -> Array:
    """A sample of a model.

    Args:
        model: what to sample.
        calls: network calls.
        sampler: its name.
    """
    given = Batch(torch.zeros(N, 2), torch.ones(N))
    return model.sample(given, RowRng((99,), N), calls, sampler).double().numpy()


def main() -> None:
    """Train, sample, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6_000, help="of each process")
    parser.add_argument("--distill-steps", type=int, default=10_000, help="of each distillation")
    parser.add_argument("--toys", nargs="*", default=list(TOYS))
    parser.add_argument("--out", type=Path, default=Path("toys"))
    chosen = parser.parse_args()
    chosen.out.mkdir(exist_ok=True)
    table = Table("toy", "model", "sampler", "calls", "sliced W1", "floor", "ratio", "training [s]",
                  title=f"n = {N:,} on either side, {DIRECTIONS} directions, {FLOOR_PAIRS} pairs")  # fmt: skip
    pictures: dict[str, list[tuple[str, Array]]] = {}
    for name in chosen.toys:
        toy, rng = TOYS[name], np.random.default_rng(2)
        truth = toy.sample(N, rng)
        pairs = [sliced_w1(toy.sample(N, rng), toy.sample(N, rng)) for _ in range(FLOOR_PAIRS)]
        floor = float(np.mean(pairs))
        pictures[name] = [("truth", truth)]
        for label, sampler, calls, seconds, model in models(toy, chosen.steps, chosen.distill_steps):
            sample = drawn(model, calls, sampler)
            distance = float(np.mean([sliced_w1(sample, toy.sample(N, rng)) for _ in range(FLOOR_PAIRS)]))
            table.add_row(name, label, sampler, str(calls), f"{distance:.4f}", f"{floor:.4f} ± {np.std(pairs):.4f}",
                          f"{distance / floor:.2f}", f"{seconds:.0f}")  # fmt: skip
            Console(width=130).print(f"{name}: {label}, {calls} calls: {distance / floor:.2f} floors")
            pictures[name].append((f"{label}\n{calls} calls", sample))
    Console(width=130).print(table)
    draw(pictures, chosen.out / "toys.png")


def models(toy: Toy, steps: int, distill_steps: int) -> Any:  # noqa: ANN401
    """All models of one toy, each with its sampler, calls and seconds of training.

    Args:
        toy: where the data come from.
        steps: of each process.
        distill_steps: of each distillation.

    Yields:
        Label, sampler, calls, seconds, model.
    """
    teacher = None
    for label, (process, sampler, calls) in PROCESSES.items():
        torch.manual_seed(1)
        start = time.monotonic()
        model = Diffusion(make_denoiser(process, network(process)), make_objective(process))
        teacher = fitted(model, toy, steps=steps, rate=3e-3)
        yield label, sampler, calls, time.monotonic() - start, teacher
    assert teacher is not None
    yield "flow matching", "heun", 4, 0.0, teacher
    for calls in (4, 1):
        start = time.monotonic()
        student = progressive(teacher, toy, calls, distill_steps)
        yield "progressive", "ddim", calls, time.monotonic() - start, student
    for label, kind in (("shortcut", Shortcut), ("mean flow", MeanFlow)):
        start = time.monotonic()
        student = averages(teacher, toy, kind, distill_steps)
        seconds = time.monotonic() - start
        for calls in (4, 1):
            yield label, "jump", calls, seconds, student


def draw(pictures: Mapping[str, list[tuple[str, Array]]], path: Path) -> None:
    """Two-dimensional histograms of all samples.

    Args:
        pictures: titles and samples of each toy.
        path: the file to write.
    """
    columns = max(map(len, pictures.values()))
    figure, axes = plt.subplots(len(pictures), columns, figsize=(1.7 * columns, 2.1 * len(pictures)), squeeze=False)
    for row, (name, samples) in zip(axes, pictures.items(), strict=True):
        for axis in row:
            axis.set_axis_off()
        for axis, (title, x) in zip(row, samples, strict=False):
            axis.hist2d(*x.T, bins=100, range=[[-2.2, 2.2]] * 2, cmap="Blues", vmax=40 if name[0] == "8" else 8)
            axis.set_title(title, fontsize=7)
            axis.set_aspect("equal")
    figure.tight_layout()
    figure.savefig(path, dpi=200)


if __name__ == "__main__":
    main()
