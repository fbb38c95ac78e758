"""How fast `simulate dis` is, beside Pythia8's own event loop on one core, measured in the same run.

python benchmarks/simulate.py --events 500000 --workers 2
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from table import Rate, print_rates

from cloudchamber.events import Beams, Level
from cloudchamber.recipes.simulation import simulate_folder
from cloudchamber.simulate.pythia import DISSetting, new_pythia, simulate_shard

_BASELINE_EVENTS = 20_000


def event_loop(setting: DISSetting) -> Rate:
    """Pythia's `next()` alone, after its initialisation: nothing is read out or stored."""
    pythia = new_pythia(setting.settings(), seed=1)
    start = time.perf_counter()
    for _ in range(_BASELINE_EVENTS):
        pythia.next()
    return Rate("Pythia8 next(), 1 core", _BASELINE_EVENTS, time.perf_counter() - start)


def one_shard(setting: DISSetting) -> Rate:
    """`simulate_shard` in this process, initialisation included, nothing written."""
    start = time.perf_counter()
    simulate_shard(setting, _BASELINE_EVENTS, seed=1, shard=0)
    return Rate("simulate_shard, 1 core", _BASELINE_EVENTS, time.perf_counter() - start)


def to_files(setting: DISSetting, events: int, workers: int) -> Rate:
    """`simulate dis` with everything: processes started, shards written."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        simulate_folder(setting, Path(folder) / "sample", events=events, seed=1, workers=workers)
        return Rate(f"simulate dis, {workers} workers, to Parquet", events, time.perf_counter() - start)


def main(
    events: Annotated[int, typer.Option(help="Events to simulate into files.")] = 500_000,
    workers: Annotated[int, typer.Option(help="Processes to use.")] = 2,
    beams: Annotated[str, typer.Option(help="Electron x hadron energies in GeV.")] = "10x275",
    q2_min: Annotated[float, typer.Option(help="Smallest Q2 in GeV2.")] = 25.0,
    level: Annotated[Level, typer.Option(help="Which hadrons have decayed.")] = Level.STABLE,
) -> None:
    """Measure and print."""
    setting = DISSetting(Beams.parse(beams), q2_min, level=level)
    rates = [event_loop(setting), one_shard(setting), to_files(setting, events, workers)]
    print_rates(f"NC DIS, {beams}, Q2 > {q2_min:g} GeV2, level {level.value}", rates)


if __name__ == "__main__":
    typer.run(main)
