"""Milliseconds per shower of `cloudchamber generate`, files included, beside the parametrised simulation.

    python benchmarks/shower_speed.py --models calo-wsi calo-wsi-fast --workers 2

All write Parquet hits of showers with energies of 0.5 to 20 GeV, uniform in the logarithm. Starting the workers and
loading the weights are left out: the time per shower is what 2,816 showers take longer than 256, over the difference.
Each number is the median of some pairs of runs, the models in turn.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cloudchamber.recipes.generation_setting import GenerationSetting
from cloudchamber.recipes.shower_generation import Energies, ShowerGenerator, generate_showers
from cloudchamber.recipes.shower_simulation import ShowerSetting, simulate_shower_file
from cloudchamber.recipes.store import load_stored

FEW, MANY = 256, 2816
LOW, HIGH = 0.5, 20.0
"""GeV."""
BASELINE = "parametrised simulation (baseline)"

Work = Callable[[int], object]
"""Makes a number of showers."""


def difference(work: Work) -> float:
    """Milliseconds that a shower takes in the long run.

    Args:
        work: what to time.
    """
    taken = []
    for showers in (FEW, MANY):
        start = time.perf_counter()
        work(showers)
        taken.append(time.perf_counter() - start)
    return 1e3 * (taken[1] - taken[0]) / (MANY - FEW)


def simulate(showers: int, *, folder: Path, workers: int) -> None:
    """Showers of the parametrised simulation.

    Args:
        showers: how many.
        folder: where the file goes.
        workers: processes.
    """
    setting = ShowerSetting.of(None, (LOW, HIGH), showers, 1)
    simulate_shower_file(folder / "simulated.parquet", setting, showers=showers, workers=workers)


def generate(showers: int, *, generator: ShowerGenerator, folder: Path, workers: int) -> None:
    """Showers of a model.

    Args:
        showers: how many.
        generator: the model.
        folder: where the file goes.
        workers: processes.
    """
    values = 1e3 * np.exp(np.random.default_rng(1).uniform(np.log(LOW), np.log(HIGH), showers))
    generate_showers(generator, folder / "made.parquet", Energies(values, ""), showers=showers,
                     setting=GenerationSetting(seed=1), workers=workers)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["calo-wsi", "calo-wsi-fast"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        works: dict[str, Work] = {BASELINE: partial(simulate, folder=folder, workers=chosen.workers)}
        for model in chosen.models:
            generator = ShowerGenerator(model, load_stored(model))
            works[model] = partial(generate, generator=generator, folder=folder, workers=chosen.workers)
        taken: dict[str, list[float]] = {what: [] for what in works}
        for _ in range(chosen.pairs):
            for what, work in works.items():
                taken[what].append(difference(work))
    table = Table("what", f"ms per shower, {chosen.workers} workers", "lowest", "highest", "ratio to the baseline")
    baseline = statistics.median(taken[BASELINE])
    for what, times in taken.items():
        middle = statistics.median(times)
        table.add_row(what, f"{middle:.2f}", f"{min(times):.2f}", f"{max(times):.2f}", f"{middle / baseline:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
