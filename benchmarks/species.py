"""Numbers of all species before the decays: a sample beside a reference.

    cloudchamber generate --model ep-dis-10x275 --events 100000 --no-decay --out undecayed.parquet
    cloudchamber simulate dis --beams 10x275 --q2-min 25 --level primary --events 400000 --seed 9 --out primary
    python benchmarks/species.py undecayed.parquet --reference primary

The pull of a species is the difference of its numbers per event over the Poisson errors of both samples, which takes
the hadrons of an event for independent. For a perfect model pulls have a root mean square near one.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cloudchamber.formats import files
from cloudchamber.physics.pdg import name

_FEWEST = 10
"""Expected particles of a species that counts in the summary."""


def counted(path: Path, most: int | None) -> tuple[int, dict[int, int]]:
    """Events of a sample, and its particles by species.

    Args:
        path: file or folder of shards.
        most: events to read.
    """
    sample = files.read(path, most)
    numbers, counts = np.unique(sample.flat("pdg_id"), return_counts=True)
    return len(sample), dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidate", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--events", type=int, default=None)
    parser.add_argument("--reference-events", type=int, default=400_000)
    chosen = parser.parse_args()
    n, made = counted(chosen.candidate, chosen.events)
    m, truth = counted(chosen.reference, chosen.reference_events)
    table = Table("PDG id", "species", "expected", "made", "difference", "pull",
                  title=f"{n:,} events of {chosen.candidate.name} against {m:,}")  # fmt: skip
    pulls = []
    for pdg_id in sorted({*made, *truth} - {11}, key=lambda k: -truth.get(k, 0)):
        expected, found = truth.get(pdg_id, 0) * n / m, made.get(pdg_id, 0)
        pull = (found - expected) / np.hypot(max(found, 1) ** 0.5, (max(truth.get(pdg_id, 0), 1)) ** 0.5 * n / m)
        difference = f"{100 * (found / expected - 1):+.1f} %" if expected else ""
        table.add_row(str(pdg_id), name(pdg_id), f"{expected:,.1f}", f"{found:,}", difference, f"{pull:+.1f}")
        if expected > _FEWEST:
            pulls.append(pull)
    console = Console(width=100)
    console.print(table)
    console.print(f"{len(pulls)} species with more than {_FEWEST} expected: pulls of root mean square "
                  f"{np.sqrt(np.mean(np.square(pulls))):.2f}, largest {max(map(abs, pulls)):.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
