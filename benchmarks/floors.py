"""Distances and multiplicities of a sample against many disjoint samples of the reference.

    python benchmarks/floors.py events.parquet --reference reference --events 100000

One comparison of two samples has the luck of both. Here the sample is held against every disjoint part of the reference
of the same size, and the mean Wasserstein distance is divided by the mean distance of neighbouring parts of the
reference; multiplicities are compared with those of the whole reference.
"""

import argparse
from pathlib import Path

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from table import print_table

from cloudchamber.evaluate.wasserstein import circular_wasserstein, wasserstein
from cloudchamber.events import Events
from cloudchamber.formats import files

SPECIES = {"e'": (), "pi+": (211,), "pi-": (-211,), "K+": (321,), "K-": (-321,), "gamma": (22,), "p": (2212,),
           "n": (2112,), "K0S": (310,), "K0L": (130,), "neutrinos": (12, -12, 14, -14, 16, -16)}  # fmt: skip
QUANTITIES = ("pT", "eta", "phi")
Columns = dict[str, dict[str, NDArray[np.float64]]]


def columns(events: Events) -> Columns:
    """Flat pT (GeV), eta and phi of each species.

    Args:
        events: final states.
    """
    hadrons = ak.flatten(events.hadronic)
    pdg_ids = ak.to_numpy(hadrons.pdg_id)
    found = {}
    for name, numbers in SPECIES.items():
        chosen = events.electron if not numbers else hadrons[np.isin(pdg_ids, numbers)]
        values = (chosen.pt, chosen.eta, chosen.phi)
        found[name] = {key: ak.to_numpy(v).astype(np.float64) for key, v in zip(QUANTITIES, values, strict=True)}
    return found


def distance(a: Columns, b: Columns, species: str, quantity: str) -> float:
    """W1; on the circle for phi.

    Args:
        a: one sample.
        b: the other.
        species: name in `SPECIES`.
        quantity: pT, eta or phi.
    """
    measure = circular_wasserstein if quantity == "phi" else wasserstein
    return measure(a[species][quantity], b[species][quantity])


def main() -> None:
    """Read, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidate", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--parts", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("floors.md"))
    chosen = parser.parse_args()
    candidate = columns(files.read(chosen.candidate, chosen.events).final_state())
    whole = files.read(chosen.reference, chosen.parts * chosen.events)
    parts = [columns(whole[k * chosen.events : (k + 1) * chosen.events].final_state()) for k in range(chosen.parts)]
    rows, ratios = [], []
    for species in SPECIES:
        cells = [species]
        for quantity in QUANTITIES:
            floors = [distance(a, b, species, quantity) for a, b in zip(parts, [*parts[1:], parts[0]], strict=True)]
            found = [distance(candidate, part, species, quantity) for part in parts]
            ratios.append(float(np.mean(found) / np.mean(floors)))
            cells.append(f"{np.mean(found):.2g} ({np.mean(floors):.2g}), ratio {ratios[-1]:.2f}")
        mine, theirs = len(candidate[species]["pT"]), np.array([len(part[species]["pT"]) for part in parts])
        error = theirs.std(ddof=1) * np.sqrt(1 + 1 / chosen.parts) / theirs.mean()
        cells.append(f"{100 * (mine / theirs.mean() - 1):+.2f} ± {100 * error:.2f} %")
        rows.append(cells)
    title = f"{chosen.events:,} events against {chosen.parts} disjoint parts of the reference"
    headings = ["", "W1 of pT [GeV] (floor)", "W1 of eta", "W1 of phi [rad]", "multiplicity"]
    print_table(title, headings, rows, chosen.out)
    print(f"median ratio {np.median(ratios):.2f}, worst {max(ratios):.2f}")


if __name__ == "__main__":
    main()
