"""What the four-momentum projection moves, and what it costs or gains in fidelity.

    python benchmarks/projection.py --model ep-dis-10x275 --events 10240

The same undecayed events are made with and without the projection. For each species the table gives the median
relative change of momentum, and the W1 distances of pT, eta and azimuth relative to the electron from Pythia8 events of
the same level, before and after, beside the mean distance between disjoint Pythia8 samples of the same size.
"""

import argparse

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cloudchamber.evaluate.wasserstein import circular_wasserstein, wasserstein
from cloudchamber.events import Events
from cloudchamber.generate.pipeline import BLOCK
from cloudchamber.physics import pdg
from cloudchamber.recipes.generation import load
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

SPECIES = (2212, 2112, 211, -211, 111, 321, 213, 2224, -2212)
PAIRS = 4


def columns(events: Events, species: int) -> dict[str, NDArray[np.float64]]:
    """Flat pT, eta and azimuth relative to the electron of one species, without the scattered electron.

    Args:
        events: a sample.
        species: PDG number.
    """
    electron_phi = np.arctan2(events.electron.py, events.electron.px)
    hadrons = events.hadronic
    chosen = hadrons[hadrons.pdg_id == species]
    dphi = chosen.phi - electron_phi
    values = {"pT": chosen.pt, "eta": chosen.eta, "dphi": (dphi + np.pi) % (2 * np.pi) - np.pi}
    return {name: ak.to_numpy(ak.flatten(value)).astype(np.float64) for name, value in values.items()}


def distance(name: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """W1 of a feature; on the circle for an azimuth.

    Args:
        name: the feature.
        a: one sample.
        b: the other.
    """
    return circular_wasserstein(a, b) if name == "dphi" else wasserstein(a, b)


def moved(before: Events, after: Events, species: int) -> NDArray[np.float64]:
    """Relative change of momentum of each particle of one species.

    Args:
        before: events without projection.
        after: the same events with it.
        species: PDG number.
    """
    a, b = before.hadronic, after.hadronic
    chosen = a.pdg_id == species
    shift = np.sqrt((a.px - b.px) ** 2 + (a.py - b.py) ** 2 + (a.pz - b.pz) ** 2)
    size = np.sqrt(a.px**2 + a.py**2 + a.pz**2)
    return ak.to_numpy(ak.flatten((shift / size)[chosen]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ep-dis-10x275")
    parser.add_argument("--events", type=int, default=40 * BLOCK)
    chosen = parser.parse_args()
    generator = load(chosen.model)
    card = generator.trained.card
    before, after = (generator.sample(chosen.events, seed=5, decay=False, project=project) for project in (False, True))
    assert card.data.beams is not None
    setting = DISSetting(card.data.beams, card.data.cuts.q2_min or 25.0, level=card.preset.level)
    truth = [simulate_shard(setting, chosen.events, seed=987, shard=k) for k in range(2 * PAIRS)]
    table = Table(
        "species", "moved by (median)", "W1 of", "without", "with", "floor", title=f"n = {chosen.events:,} events"
    )
    for species in SPECIES:
        shift = f"{np.median(moved(before, after, species)):.2%}"
        a, b, t = columns(before, species), columns(after, species), [columns(events, species) for events in truth]
        for name in a:
            floor = np.mean([distance(name, t[2 * k][name], t[2 * k + 1][name]) for k in range(PAIRS)])
            row = [np.mean([distance(name, x[name], one[name]) for one in t]) for x in (a, b)]
            table.add_row(pdg.name(species), shift, name, *(f"{value:.4f}" for value in row), f"{floor:.4f}")
            shift = ""
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
