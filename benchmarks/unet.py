r"""How fast the U-Net of images is, per image and network call, beside the transformer of particle clouds.

    python benchmarks/unet.py

Both networks are those of the shipped presets with random weights (speed does not depend on them), on one thread, at
the sizes at which they work: blocks of 256 events to sample, the preset's batches to train.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from cloudchamber.events import Beams, Level
from cloudchamber.generate.pipeline import BLOCK
from cloudchamber.recipes.config import load_preset
from cloudchamber.recipes.families import family_of
from cloudchamber.simulate.pythia import DISSetting, simulate_shard
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.rng import RowRng

_FIRST = {"image": "image", "cascade": "cloud"}


def networks(name: str, events: int) -> tuple[nn.Module, Batch]:
    """The stage of a preset that does nearly all of the work, and rows for it.

    Args:
        name: of the preset.
        events: how many rows.
    """
    preset = load_preset(name)
    setting = DISSetting(Beams.parse("10x275"), 25.0, level=Level(preset.level))
    sample = simulate_shard(setting, 2_000, seed=5, shard=0)
    representation = family_of(preset).fit(preset, [sample])
    model, rows = family_of(preset).build(preset, representation), representation.encode(sample[:events])
    assert isinstance(rows, Bundle)
    stage = _FIRST[preset.family]
    return model[stage], rows[stage]


def denoise(stage: nn.Module, rows: Batch) -> Callable[[], Tensor]:
    """One network call for every row.

    Args:
        stage: of a model.
        rows: for it.
    """
    inner = getattr(stage, "model", stage)
    x = torch.randn(len(rows), *stage.shape) if inner is not stage else torch.randn_like(rows.x)
    given = Batch(x, rows.weight) if inner is not stage else rows
    return lambda: inner.denoiser(x, torch.full((len(rows),), 0.5), given)


def learn(stage: nn.Module, rows: Batch) -> Callable[[], None]:
    """One training pass, forward and backward.

    Args:
        stage: of a model.
        rows: for it.
    """
    rng = RowRng((1,), len(rows))

    def step() -> None:
        losses = next(iter(stage.losses(rows, rng).values()))
        losses.mean().backward()

    return step


def seconds(work: Callable[[], object], repeats: int) -> float:
    """The least CPU time of a few repetitions, which other work on the machine disturbs little.

    Args:
        work: what to do.
        repeats: how often.
    """
    work()
    trials = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        trials.append(time.process_time() - start)
    return min(trials)


def _precision(name: str) -> AbstractContextManager[None]:
    return torch.autocast("cpu", torch.bfloat16, enabled=name == "bfloat16")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["ep-dis-10x275-stable", "ep-dis-10x275", "ep-dis-10x275-image"]
    parser.add_argument("--presets", nargs="+", default=names)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title="one thread, CPU time; ratio of milliseconds per call to those of the first in float32")
    for heading in ("network of", "weights", "precision", "ms / event and call", "ratio", "calls", "ms / event",
                    "training, events/s"):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "network of" else "right")
    first = None
    for name in chosen.presets:
        preset = load_preset(name)
        stage, rows = networks(name, BLOCK)
        weights = sum(p.numel() for p in stage.parameters())
        few = rows.select(torch.arange(preset.training.batch_size % BLOCK or BLOCK)).trim()
        for precision in ("float32", "bfloat16"):
            with _precision(precision):
                with torch.no_grad():
                    each = 1e3 * seconds(denoise(stage.eval(), rows.trim()), chosen.repeats) / BLOCK
                train = len(few) / seconds(learn(stage.train(), few), chosen.repeats)
            first = first or each
            calls = preset.sampling.calls
            table.add_row(name, f"{weights:,}", precision, f"{each:.3f}", f"{each / first:.2f}", f"{calls}",
                          f"{each * calls:.1f}", f"{train:,.0f}")  # fmt: skip
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
