"""Make the data of the parton-distribution fit: reduced cross-sections in bins of x from simulated events.

    cloudchamber simulate dis --beams 10x275 --q2-min 25 --q2-max 100 --level primary --events 600000 --seed 8 --out dis
    python benchmarks/parton_fit_data.py --data dis --out src/cloudchamber/simulate/reduced-cross-section.json

The measurement is that of `benchmarks/cross_section.py`, in one range of Q2; beside it stands leading order with
Pythia8's own parton distributions, against which a fit can be judged.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

sys.path.insert(0, str(Path(__file__).parent))
from cross_section import Partons, Theory, predict, read_sample

from cloudchamber.formats.parquet import read_run, shards
from cloudchamber.physics.cross_section import ALPHA, Plane, measure
from cloudchamber.physics.kinematics import center_of_mass_energy
from cloudchamber.simulate.pythia import DISSetting, new_pythia

Q2 = (40.0, 60.0)
X = np.geomspace(0.0062, 0.30, 20)


def main(
    data: Annotated[Path, typer.Option(help="Folder of shards from 'cloudchamber simulate dis'.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
) -> None:
    """Measure and write."""
    run = read_run(shards(data)[0])
    beams = run.beams
    assert beams is not None
    sample = read_sample(data, sys.maxsize, beams)
    plane = Plane.within(X, np.array(Q2), beams, Q2_min=Q2[0], y=(0.0119, 0.95))
    found = measure(*sample[:3], cross_section_pb=sample.cross_section[0], plane=plane, beams=beams)
    partons = Partons(new_pythia(DISSetting(beams, 25.0).settings(), 1), center_of_mass_energy(beams) ** 2)
    reference = predict(partons, plane, beams, Theory())
    mean = float(np.nansum(found.mean_q2 * found.entries) / np.nansum(found.entries))
    running = float(np.interp(np.log(mean), partons.scale, partons.alpha)) / ALPHA
    used = plane.inside[:, 0]
    first, last = np.flatnonzero(used)[[0, -1]]
    content = {
        "command": f"{(run.provenance or {}).get('command', '')} --events {len(sample.x)}",
        "beams": beams.name, "Q2": list(Q2), "running": round(running, 6),
        "x": [float(f"{v:.6g}") for v in X[first : last + 2]],
        "value": [float(f"{v:.5g}") for v in found.value[used, 0]],
        "error": [float(f"{v:.3g}") for v in found.error[used, 0]],
        "reference": [float(f"{v:.5g}") for v in reference[used, 0]],
    }  # fmt: skip
    out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{used.sum()} bins, {int(found.entries[used, 0].sum()):,} events; mean Q2 {mean:.2f} GeV2")


if __name__ == "__main__":
    typer.run(main)
