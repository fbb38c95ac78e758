"""Speed of the HepMC3 writer on one core, beside pyhepmc's object interface.

python benchmarks/hepmc_writer.py [events]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pyhepmc

from cloudchamber.events import Beams, Events
from cloudchamber.formats.hepmc import HepMCWriter
from cloudchamber.physics.conservation import energies
from cloudchamber.physics.dis import beam_momenta
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

SUFFIXES = (".hepmc3", ".hepmc3.gz", ".hepmc3.zst")
PARTICLES = 20
REPEATS = 3


def main(n: int) -> None:
    """Print a table of ms per event of 20 particles."""
    events = simulate_shard(DISSetting(Beams.parse("10x275"), 25.0), n, seed=1, shard=0)
    scale = 1e3 / len(events) * PARTICLES / events.counts.mean()
    with tempfile.TemporaryDirectory() as folder:
        baseline = seconds(lambda: write_objects(Path(folder) / "objects.hepmc3", events)) * scale
        print(f"{'writer':<24}{'ms/event':>10}{'speed-up':>10}{'bytes/event':>13}")
        print(f"{'pyhepmc, object by object':<24}{baseline:>9.3f}{1:>10.1f}")
        for suffix in SUFFIXES:
            path = Path(folder) / f"ours{suffix}"
            time_per_event = seconds(lambda path=path: write_columns(path, events)) * scale
            size = path.stat().st_size / len(events)
            print(f"{'ours, ' + suffix:<24}{time_per_event:>10.3f}{baseline / time_per_event:>10.1f}{size:>13.0f}")


def seconds(work: Callable[[], None]) -> float:
    """Shortest CPU time of a few runs."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def write_columns(path: Path, events: Events) -> None:
    """Our writer."""
    with HepMCWriter(path, events.run) as writer:
        writer.write(events)


def write_objects(path: Path, events: Events) -> None:
    """The same record, made of pyhepmc's objects."""
    beams = beam_momenta(Beams.parse("10x275"))
    names = ("px", "py", "pz")
    columns = [*(events.flat(name).astype(float) for name in names), energies(events)]
    momenta, ids = list(zip(*(c.tolist() for c in columns), strict=True)), events.flat("pdg_id").tolist()
    masses, offsets = events.flat("mass").astype(float).tolist(), events.offsets.tolist()
    with pyhepmc.open(path, "w") as file:
        for number, (start, stop) in enumerate(pairwise(offsets)):
            record = pyhepmc.GenEvent(pyhepmc.Units.GEV, pyhepmc.Units.MM)
            record.event_number = number
            vertex = pyhepmc.GenVertex((0, 0, 0, 0))
            for beam, pid in ((beams.electron, 11), (beams.proton, 2212)):
                vertex.add_particle_in(pyhepmc.GenParticle((*beam[1:], beam[0]), pid, 4))
            for row in range(start, stop):
                particle = pyhepmc.GenParticle(momenta[row], ids[row], 1)
                particle.generated_mass = masses[row]
                vertex.add_particle_out(particle)
            record.add_vertex(vertex)
            file.write(record)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
