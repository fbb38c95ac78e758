"""How fast decays are, beside Pythia8's own event loop over the same records, measured in the same run.

python benchmarks/decay.py --events 20000
"""

import time
from typing import Annotated

import typer
from table import Rate, print_rates

from cloudchamber.events import Beams, Events, Level
from cloudchamber.simulate.decay import BLOCK, DECAY_SETTINGS, Decayer
from cloudchamber.simulate.pythia import DISSetting, new_pythia, simulate_shard


def event_loop(sample: Events) -> Rate:
    """Fill a record and call Pythia's `next()` for each event: nothing is read out or stored."""
    pythia = new_pythia(DECAY_SETTINGS, seed=1)
    particles = sample.particles
    columns = [particles.pdg_id, particles.px, particles.py, particles.pz, particles.E, particles.mass]
    events = [list(zip(*rows, strict=True)) for rows in zip(*(c.to_list() for c in columns), strict=True)]
    start = time.perf_counter()
    for event in events:
        pythia.event.reset()
        for pdg_id, *momentum in event:
            pythia.event.append(pdg_id, 91, 0, 0, 0, 0, 0, 0, *momentum)
        pythia.next()
    return Rate("Pythia8 append() and next(), 1 core", len(sample), time.perf_counter() - start)


def decays(sample: Events, *, history: bool) -> Rate:
    """`Decayer.decay` block by block, after its initialisation."""
    decayer = Decayer()
    decayer.decay(sample[:1], seed=1)
    start = time.perf_counter()
    for block, first in enumerate(range(0, len(sample), BLOCK)):
        decayer.decay(sample[first : first + BLOCK], seed=1, block=block, history=history)
    name = "Decayer, 1 core, with history" if history else "Decayer, 1 core"
    return Rate(name, len(sample), time.perf_counter() - start)


def main(events: Annotated[int, typer.Option(help="Events to decay.")] = 20_000) -> None:
    """Measure and print."""
    setting = DISSetting(Beams.parse("10x275"), 25.0, level=Level.PRIMARY)
    sample = simulate_shard(setting, events, seed=1, shard=0)
    rates = [event_loop(sample), decays(sample, history=False), decays(sample, history=True)]
    print_rates("Decays of primary NC DIS events, 10x275, Q2 > 25 GeV2", rates)


if __name__ == "__main__":
    typer.run(main)
