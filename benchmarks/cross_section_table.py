"""The table of cross-sections that ships with the models, made with Pythia8.

    python benchmarks/cross_section_table.py make --events 300000 --out src/cloudchamber/pretrained/nc-dis-pythia8.npz
    python benchmarks/cross_section_table.py check --flat flat
    python benchmarks/cross_section_table.py fresh --events 200000

The second command compares it with samples by setting (`flat/10x275` and so on), made with `simulate dis --q2-min 1
--flat-q2`; the third, more precisely, with a new run of Pythia8 for every setting and set of cuts.

Hard processes at several energies, with the settings of `cloudchamber.simulate.pythia` and Pythia's bias in pT, which
its weights undo. What belongs to a cell of the square varies slowly with s, so cubics in ln s go through all energies
and share their events. Photons that quarks radiate later move 0.7 % of the electrons a little; the table does not know
of it.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from cloudchamber.events import Beams, Cuts, Events, Level
from cloudchamber.events.schema import NAMED_BEAMS
from cloudchamber.formats import files
from cloudchamber.formats.atomic import atomic_path
from cloudchamber.physics.dis import DISVariables, dis_variables, within
from cloudchamber.physics.inclusive import InclusiveTable
from cloudchamber.physics.kinematics import Momenta
from cloudchamber.physics.phase_space import Plane, squared_energy, to_square
from cloudchamber.recipes.phase_space import table_named
from cloudchamber.simulate.pythia import (
    PB_PER_MB,
    PT_HAT_MIN_DIVERGE,
    DISSetting,
    new_pythia,
    simulate_shard,
    stream_seed,
)

Array = NDArray[np.float64]
CELLS = (64, 64)
ENERGIES = np.geomspace(24.0, 160.0, 13)
"""Sqrt(s) in GeV."""
HARD = (
    "PartonLevel:all = off",
    "PhaseSpace:bias2Selection = on",
    "PhaseSpace:bias2SelectionPow = 2",
    "PhaseSpace:bias2SelectionRef = 1",
)
CUTS = (
    Cuts(q2_min=1.0),
    Cuts(q2_min=10.0, y_min=0.01, y_max=0.95),
    Cuts(q2_min=100.0, q2_max=1_000.0, x_min=0.05),
)
"""Sets of cuts that are checked."""
_BATCH = 50_000
_MARGIN = 1.25
"""How far outside of the cuts on Q2 a run starts and ends."""

app = typer.Typer()


class Electrons(NamedTuple):
    """Inclusive variables, pT in GeV and weight of scattered electrons, each of shape (n,)."""

    variables: DISVariables
    pt: Array
    weight: Array


def electrons_of(events: Events, beams: Beams) -> Electrons:
    """The scattered electrons of a sample.

    Args:
        events: the scattered electron first in each.
        beams: energies in GeV.
    """
    first = Momenta(*(events.flat(n)[events.offsets[:-1]].astype(np.float64) for n in ("px", "py", "pz", "mass")))
    momenta = first.four_vectors()
    return Electrons(dis_variables(momenta, beams), np.hypot(momenta[:, 1], momenta[:, 2]), events.weight)


def tabulate(beams: Beams, events: int, seed: int) -> tuple[Array, Array]:
    """Integrals of Q2 d sigma over the cells in pb GeV2, and their variances.

    Args:
        beams: energies in GeV.
        events: hard processes.
        seed: Pythia's.
    """
    pythia = new_pythia(DISSetting(beams, 1.0, extra=HARD).settings(), seed)
    summed, squared, total, made = np.zeros(CELLS), np.zeros(CELLS), 0.0, 0
    edges = [np.linspace(0, 1, CELLS[0] + 1), np.linspace(-1, 1, CELLS[1] + 1)]
    while made < events:
        info = pythia.nextBatch(min(_BATCH, events - made)).info
        Q2 = -np.asarray(info.tHat)
        weight = np.asarray(info.weights[:, 0])
        square = to_square(Plane(Q2, 1 - np.asarray(info.pT2Hat) / Q2), squared_energy(beams), PT_HAT_MIN_DIVERGE)
        at = [np.clip(square.a, 0, 1), np.clip(square.b, -1, 1)]
        summed += np.histogram2d(*at, bins=edges, weights=weight * Q2)[0]
        squared += np.histogram2d(*at, bins=edges, weights=(weight * Q2) ** 2)[0]
        total, made = total + weight.sum(), made + len(Q2)
    scale = pythia.infoPython().sigmaGen() * PB_PER_MB / total
    return summed * scale, squared * scale**2


def smoothed(values: Array, variances: Array) -> tuple[Array, Array]:
    """Cubics in ln s through every cell, and their variances.

    Args:
        values: shape (energies, cells, cells).
        variances: the same shape.
    """
    basis = np.polynomial.legendre.legvander(np.linspace(-1, 1, len(ENERGIES)), 3)  # energies are even in ln s
    hat = basis @ np.linalg.pinv(basis)
    return np.maximum(np.einsum("ij,jab->iab", hat, values), 0.0), np.einsum("ij,jab->iab", hat**2, variances)


def cross_section_ratios(table: InclusiveTable, flat: Path, beams: Beams) -> list[str]:
    """Ratios of the table's cross-section to that of weighted events, for each set of cuts.

    Args:
        table: of cross-sections.
        flat: folder of a sample of these beams.
        beams: energies in GeV.
    """
    parts = [(electrons_of(part, beams), part.run.cross_section_pb or 0.0) for part in files.iterate(flat)]
    weight = np.concatenate([e.weight for e, _ in parts])
    sigma = float(np.average([value for _, value in parts], weights=[len(e.pt) for e, _ in parts]))
    cells = []
    for cuts in CUTS:
        inside = np.concatenate([within(e.variables, cuts) for e, _ in parts])
        truth = sigma * weight[inside].sum() / weight.sum()
        if not truth:
            cells.append("none")
            continue
        found = table.cross_section(squared_energy(beams), cuts)
        error = np.sqrt((weight[inside] ** 2).sum()) / weight[inside].sum()
        cells.append(f"{found.value / truth:.4f} ± {np.hypot(error, found.error / found.value):.4f}")
    return cells


@app.command()
def check(
    flat: Annotated[Path, typer.Option(help="Folder with a folder of weighted events for each setting.")],
    name: Annotated[str, typer.Option(help="Of the table.")] = "nc-dis-pythia8",
) -> None:
    """Print the ratios of the table to weighted events."""
    for place in sorted(flat.iterdir()):
        ratios = cross_section_ratios(table_named(name), place, Beams.parse(place.name))
        typer.echo(f"{place.name}: {', '.join(ratios)}")


def fresh_ratio(table: InclusiveTable, beams: Beams, cuts: Cuts, events: int, seed: int) -> str:
    """The table's cross-section over that of a new run of Pythia8, with its error.

    The run starts a little outside of the cuts on Q2, because photons that quarks radiate move a few electrons.

    Args:
        table: of cross-sections.
        beams: energies in GeV.
        cuts: with a least Q2.
        events: of the run.
        seed: Pythia8's.
    """
    assert cuts.q2_min is not None
    low = cuts.q2_min if cuts.q2_min <= 1 else cuts.q2_min / _MARGIN
    setting = DISSetting(beams, low, None if cuts.q2_max is None else cuts.q2_max * _MARGIN, Level.PRIMARY)
    made = simulate_shard(setting, events, seed=seed, shard=0)
    sigma, error = made.run.cross_section_pb, made.run.cross_section_error_pb
    assert sigma is not None
    assert error is not None
    share = within(electrons_of(made, beams).variables, cuts).mean()
    found = table.cross_section(squared_energy(beams), cuts)
    relative = np.sqrt((1 - share) / (share * events) + (error / sigma) ** 2 + (found.error / found.value) ** 2)
    ratio = found.value / (sigma * share)
    return f"{ratio:.4f} ± {ratio * relative:.4f}"


@app.command()
def fresh(
    events: Annotated[int, typer.Option(help="Events of each run.")] = 200_000,
    seed: Annotated[int, typer.Option(help="Of the first run; each other has the next.")] = 77,
    name: Annotated[str, typer.Option(help="Of the table.")] = "nc-dis-pythia8",
) -> None:
    """Print the ratios of the table to new runs of Pythia8, for every setting and set of cuts."""
    table = table_named(name)
    for k, beams in enumerate(map(Beams.parse, NAMED_BEAMS)):
        seeds = range(seed + len(CUTS) * k, seed + len(CUTS) * (k + 1))
        ratios = [fresh_ratio(table, beams, cuts, events, one) for cuts, one in zip(CUTS, seeds, strict=True)]
        typer.echo(f"{beams.name}: {', '.join(ratios)}")


@app.command()
def make(
    out: Annotated[Path, typer.Option(help="The .npz file to make.")],
    events: Annotated[int, typer.Option(help="Hard processes at each energy.")] = 300_000,
    seed: Annotated[int, typer.Option(help="Names the random streams.")] = 1,
) -> None:
    """Make the table."""
    parts = []
    for k, energy in enumerate(ENERGIES):
        beams = Beams(electron=10.0, hadron=float(energy**2 / 40))
        parts.append(tabulate(beams, events, stream_seed(seed, k)))
        typer.echo(f"sqrt(s) = {energy:.1f} GeV")
    raw = (np.stack(column) for column in zip(*parts, strict=True))
    values, variances = (column.astype(np.float32) for column in smoothed(*raw))
    made = f"Pythia8 {version('pythia8mc')}, {events} hard processes at each energy, seed {seed}"
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, ln_s=2 * np.log(ENERGIES), values=values, variances=variances, pt_min=PT_HAT_MIN_DIVERGE, made=made
        )


if __name__ == "__main__":
    app()
