"""How well folding finds the decays that Pythia8 did, and how fast it is.

Primary events are decayed with their history and stored as final states in float32 and in float64. A parent counts as
found if a folded particle of its species stands in its event with its momentum.

    python benchmarks/folding.py --events 50000

With a sample, broad resonances are folded too, by lot, and all decay again: what `evaluate` then says of the file is
the price of the folding alone, without any network.

    python benchmarks/folding.py --sample stable --events 100000 --out closure.parquet
    cloudchamber evaluate closure.parquet --reference reference --out report
"""

import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cloudchamber.events import Beams, Events, Level
from cloudchamber.formats import files, parquet
from cloudchamber.physics.pdg import name
from cloudchamber.represent.fold import DECAYS, Folding
from cloudchamber.represent.resonances import WINDOWS, Resonances
from cloudchamber.simulate.decay import BLOCK, Decayer
from cloudchamber.simulate.pythia import DISSetting, simulate_shard
from cloudchamber.tensors.rng import EventRng

COLUMNS = ("px", "py", "pz", "mass")
NARROW = (111, 221, 3212, -3212)
"""Parents without a width; of the others only some have exactly the nominal mass."""
CLOSE = 1e-5
"""Largest distance between a parent and its copy, in units of its energy."""


class Parents(NamedTuple):
    """Event, PDG number and momentum of each, shapes (n,), (n,) and (n, 3)."""

    event: NDArray[np.int64]
    pdg_id: NDArray[np.int64]
    momentum: NDArray[np.float64]


def decayed(events: int) -> Events:
    """Events with their decay history."""
    setting = DISSetting(Beams.parse("10x275"), 25.0, level=Level.PRIMARY)
    sample, decayer = simulate_shard(setting, events, seed=17, shard=0), Decayer()
    starts = range(0, events, BLOCK)
    blocks = [decayer.decay(sample[a : a + BLOCK], seed=1, block=a // BLOCK, history=True).events for a in starts]
    return Events.concatenate(blocks)


def true_parents(events: Events) -> Parents:
    """Decayed particles whose daughters are those of a decay in the table, and final."""
    numbers, event = events.flat("pdg_id"), np.repeat(np.arange(len(events)), events.counts)
    has = np.flatnonzero(events.flat("mother") >= 0)
    mother = events.offsets[event[has]] + events.flat("mother")[has]
    count = np.bincount(mother, minlength=len(numbers))
    photons = np.bincount(mother, weights=numbers[has] == 22, minlength=len(numbers))
    lambdas = np.bincount(mother, weights=np.abs(numbers[has]) == 3122, minlength=len(numbers))
    two = (count == 2) & (np.bincount(mother, weights=events.flat("status")[has], minlength=len(numbers)) == 2)
    is_true = two & np.isin(numbers, (111, 221)) & (photons == 2)
    is_true |= two & (np.abs(numbers) == 3212) & (photons == 1) & (lambdas == 1)
    return _parents(events, is_true)


def folded_parents(events: Events) -> Parents:
    """What folding put in the place of pairs."""
    return _parents(events, np.isin(events.flat("pdg_id"), NARROW))


def _parents(events: Events, rows: NDArray[np.bool_]) -> Parents:
    event = np.repeat(np.arange(len(events)), events.counts)[rows]
    momentum = np.stack([events.flat(axis)[rows].astype(np.float64) for axis in COLUMNS[:3]], axis=-1)
    return Parents(event, events.flat("pdg_id")[rows].astype(np.int64), momentum)


def common(one: Parents, two: Parents) -> int:
    """Parents of the first that have a partner of the same event, species and momentum in the second."""
    momentum: dict[tuple[int, int], list[NDArray[np.float64]]] = {}
    for event, pdg_id, p in zip(*two, strict=True):
        momentum.setdefault((event, pdg_id), []).append(p)
    found = 0
    for event, pdg_id, p in zip(*one, strict=True):
        partners = momentum.get((event, pdg_id), [])
        scale = CLOSE * (np.linalg.norm(p) + 1)
        near = [number for number, q in enumerate(partners) if np.abs(p - q).max() < scale]
        if near:
            partners.pop(near[0])
            found += 1
    return found


def stored(events: Events, kind: type) -> Events:
    """The final state as a file of some precision holds it."""
    final = events.final_state()
    columns: dict[str, NDArray[Any]] = {axis: final.flat(axis).astype(kind) for axis in COLUMNS}
    return Events.from_flat(final.counts, {"pdg_id": final.flat("pdg_id"), **columns})


def _share(part: int, whole: int) -> str:
    """A share in per cent with the error of one that is estimated from (part + 1) of (whole + 2)."""
    p = (part + 1) / (whole + 2)
    return f"{100 * part / max(whole, 1):.4f} +- {100 * np.sqrt(p * (1 - p) / (whole + 3)):.4f}"


def compare(table: Table, precision: str, truth: Parents, made: Parents) -> None:
    """One row for each parent."""
    for parent in NARROW:
        one, two = (Parents(*(c[p.pdg_id == parent] for c in p)) for p in (truth, made))
        n, m = len(one.event), len(two.event)
        both = common(one, two)
        table.add_row(precision, name(parent), f"{n:,}", f"{m:,}", f"{both:,}", _share(both, n), _share(both, m))


def closure(sample: Path, events: int, out: Path) -> None:
    """Fold all that can be folded in a sample, let it decay again, and write what comes out."""
    given = files.read(sample, events)
    folding = Folding.fit(given)
    narrow = folding.fold(given)
    resonances = Resonances.fit(narrow)
    folded = resonances.fold(narrow)
    numbers, counts = np.unique(folded.flat("pdg_id"), return_counts=True)
    table = Table("parent", "in 1000 events", title=f"Folded in {len(given):,} events of {sample.name}")
    for parent in dict.fromkeys([d.parent for d in DECAYS] + [w.decay.parent for w in WINDOWS]):
        table.add_row(name(parent), f"{1000 * counts[numbers == parent].sum() / len(given):.1f}")
    Console().print(table)
    once = resonances.unfold(folded, EventRng(1, range(len(given))))
    parquet.write(out, folding.unfold(once, EventRng(2, range(len(given)))))


def main(
    events: Annotated[int, typer.Option(help="Events to decay and to fold.")] = 50_000,
    sample: Annotated[Path | None, typer.Option(help="Stable events to fold and unfold.")] = None,
    out: Annotated[Path, typer.Option(help="File of the unfolded events.")] = Path("closure.parquet"),
) -> None:
    """Measure and print."""
    if sample is not None:
        closure(sample, events, out)
        return
    history = decayed(events)
    truth = true_parents(history)
    table = Table(title=f"Folding of {events:,} NC DIS events, 10x275, Q2 > 25 GeV2, against Pythia8's history")
    for heading in ("stored as", "parent", "true", "folded", "both", "efficiency (%)", "purity (%)"):
        table.add_column(heading, justify="left" if heading in {"stored as", "parent"} else "right")
    rates = []
    for kind in (np.float32, np.float64):
        final = stored(history, kind)
        folding = Folding.fit(final)
        start = time.process_time()
        folded = folding.fold(final)
        middle = time.process_time()
        folding.unfold(folded, EventRng(1, range(len(folded))))
        rates.append((kind.__name__, len(final) / (middle - start), len(final) / (time.process_time() - middle)))
        compare(table, kind.__name__, truth, folded_parents(folded))
    Console(width=120).print(table)
    for precision, fold, unfold in rates:
        print(f"{precision}: {fold:,.0f} events folded and {unfold:,.0f} unfolded per second of CPU time")


if __name__ == "__main__":
    typer.run(main)
