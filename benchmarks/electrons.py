"""Hadronic final states for given electrons, beside free generation, and whether any electron was altered.

    python benchmarks/electrons.py --events 20000 --folder runs/electrons

The electrons are those of fresh Pythia8 events, which the reference does not hold. Completed and free events are judged
against the same reference at the level stable: the area under the ROC curve of boosted trees on the event observables,
beside truth against truth, for the events whose electrons were given, for free ones, and for the Pythia8 events that
the electrons came from.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cloudchamber.evaluate import evaluate
from cloudchamber.evaluate.budget import Budget
from cloudchamber.events import Beams, Events
from cloudchamber.formats import files
from cloudchamber.recipes.generation import load
from cloudchamber.recipes.simulation import simulate_folder
from cloudchamber.simulate.pythia import DISSetting

_SEEDS = {"given": 91, "reference": 92}


def altered(given: Events, completed: Events) -> int:
    """Number of electrons whose momentum or mass differs by a bit.

    Args:
        given: events whose electrons were given.
        completed: what was made of them.
    """
    names = ("px", "py", "pz", "mass")
    one, two = (np.stack([np.asarray(e.electron[n], dtype=np.float64) for n in names]) for e in (given, completed))
    return int((one.view(np.int64) != two.view(np.int64)).any(axis=0).sum())


def main() -> None:
    """Simulate, complete, generate, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ep-dis-10x275")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--calls", type=int, help="network calls of each diffusion stage; the model's own by default")
    parser.add_argument("--folder", type=Path, required=True, help="for the samples")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    samples = {}
    for name, events in (("given", chosen.events), ("reference", 11 * chosen.events)):
        setting = DISSetting(Beams.parse("10x275"), 25.0)
        simulate_folder(setting, chosen.folder / name, events=events, seed=_SEEDS[name])
        samples[name] = files.read(chosen.folder / name)
    given, reference = samples["given"], samples["reference"]
    generator = load(chosen.model)
    completed = generator.complete(given, seed=1, calls=chosen.calls)
    free = generator.sample(chosen.events, seed=2, calls=chosen.calls)
    table = Table(title=f"{chosen.model}, {chosen.events:,} events")
    for heading in ("events", "AUC", "truth against truth", "verdict p"):
        table.add_column(heading)
    for name, events in (("completed", completed), ("free", free), ("Pythia8", given)):
        found = evaluate(events, reference, Budget.named("quick").judging(chosen.events))
        score, p_value = found.classifier.score, found.verdict.p_value
        floor = "-" if score.floor is None else f"{score.floor:.3f} ± {score.floor_spread or 0.0:.3f}"
        table.add_row(
            name, f"{score.value:.3f} ± {score.error:.3f}", floor, "-" if p_value is None else f"{p_value:.2g}"
        )
    console = Console(width=100)
    console.print(table)
    console.print(f"electrons altered: {altered(given, completed)} of {len(given):,}")


if __name__ == "__main__":
    main()
