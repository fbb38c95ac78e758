"""Events per second of `cloudchamber generate`, files included, beside Pythia8 on the same cores in the same run.

    python benchmarks/generate.py --events 10000 --workers 2

Both write Parquet. The last rows say where the time of one block of 256 events goes in one process.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from cloudchamber.events import Beams
from cloudchamber.generate.pipeline import BLOCK
from cloudchamber.recipes.generation import GenerationSetting, generate_file, load
from cloudchamber.recipes.simulation import simulate_folder
from cloudchamber.simulate.pythia import DISSetting


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call.

    Args:
        work: what to time.
    """
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def stages(name: str) -> dict[str, float]:
    """Milliseconds per event with stages left out, in one process with one thread.

    Args:
        name: a model.
    """
    torch.set_num_threads(1)
    generator = load(name)
    options = {
        "electron, species, cloud, projection": GenerationSetting(decay=False),
        "the same without projection": GenerationSetting(decay=False, project=False),
        "with 2 calls instead": GenerationSetting(decay=False, calls=2),
        "with decays": GenerationSetting(),
        "with decays and history": GenerationSetting(history=True),
    }
    table = {}
    for label, setting in options.items():
        pipeline = generator.pipeline(setting)
        pipeline.block(0, 1, setting.history)
        table[label] = 1e3 / BLOCK * seconds(lambda p=pipeline, s=setting: p.block(1, 1, s.history))
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ep-dis-10x275", "ep-dis-10x275-stable"])
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    table = Table("what", "calls", "events", "events/s", "ratio to Pythia8")
    with tempfile.TemporaryDirectory() as folder:
        truth_events = 10 * chosen.events
        truth = truth_events / seconds(
            lambda: simulate_folder(
                DISSetting(Beams.parse("10x275"), 25.0), Path(folder) / "truth", events=truth_events, seed=1,
                workers=chosen.workers,
            )
        )  # fmt: skip
        table.add_row("Pythia8, simulate dis (baseline)", "-", f"{truth_events:,}", f"{truth:,.0f}", "1")
        for name in chosen.models:
            generator = load(name)
            out = Path(folder) / f"{name.replace('/', '_')}.parquet"
            taken = seconds(
                lambda g=generator, o=out: generate_file(
                    g, o, events=chosen.events, setting=GenerationSetting(seed=1), workers=chosen.workers
                )
            )
            rate = chosen.events / taken
            calls = str(generator.trained.card.preset.sampling.calls)
            table.add_row(name, calls, f"{chosen.events:,}", f"{rate:,.0f}", f"{rate / truth:.4f}")
    console = Console()
    console.print(table)
    for name in chosen.models:
        breakdown = Table(name, "ms per event, one process")
        for label, value in stages(name).items():
            breakdown.add_row(label, f"{value:.2f}")
        console.print(breakdown)


if __name__ == "__main__":
    main()
