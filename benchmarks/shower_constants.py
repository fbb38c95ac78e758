r"""Fit the constants of the parametrised simulation of showers to the data set.

    python benchmarks/shower_constants.py --data datasets/calo-wsi/train \
        --out src/cloudchamber/simulate/constants/calo-wsi.json

makes the constants that are shipped: 30 layers of 0.8 radiation lengths with the silicon behind the tungsten, a
critical energy of 8 MeV, impact uniform in 5 mm.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from cloudchamber.formats import showers as files
from cloudchamber.formats.atomic import atomic_path
from cloudchamber.simulate.shower_fit import Calorimeter, fit, statistics
from cloudchamber.simulate.showers import Stream, simulate_showers

DEPTH = np.round(0.8 * np.arange(1, 31), 6)
CALORIMETER = Calorimeter(DEPTH, step=0.8, critical_energy=8.0, impact=5.0, name="calo-wsi")


def main() -> None:
    """Fit, write, and print how far sample and simulation are apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--showers", type=int)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    showers = files.read(chosen.data, chosen.showers)
    constants = fit(showers, CALORIMETER)
    with atomic_path(chosen.out) as path:
        path.write_text(json.dumps(constants.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    made = simulate_showers(showers.incident_energy, Stream.of(2, 0), constants)
    one, two = (statistics(sample, CALORIMETER) for sample in (showers, made))
    print("GeV    <ln T>        <ln a>        s(ln T)       s(ln a)       response      hits: sample and simulation")
    for k, ln_y in enumerate(one.ln_y):
        energy = CALORIMETER.critical_energy * np.exp(ln_y)
        near = np.abs(np.log(showers.incident_energy / energy)) < 0.15
        numbers = [
            *((one.means[k, j], two.means[k, j]) for j in range(2)),
            *((np.sqrt(one.covariance[k, j, j]), np.sqrt(two.covariance[k, j, j])) for j in range(2)),
            (100 * one.response[k], 100 * two.response[k]),
            (showers.counts[near].mean(), made.counts[near].mean()),
        ]
        print(f"{energy / 1e3:5.2f}  " + "  ".join(f"{a:5.3f} {b:5.3f}" for a, b in numbers))


if __name__ == "__main__":
    main()
