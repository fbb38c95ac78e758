r"""A model of any beams against Pythia8 at every setting: events, the x-Q2 plane and its edges, cross-sections.

    for beams in 5x41 5x100 9x130 10x100 10x275 18x275; do
      cloudchamber simulate dis --beams $beams --q2-min 1 --events 350000 --seed 20262 --out reference/$beams
      cloudchamber simulate dis --beams $beams --q2-min 1 --level primary --flat-q2 --events 250000 --seed 6 \
          --out flat/$beams
    done
    python benchmarks/beams.py --model run --reference reference --flat flat --out beams

What the columns say, each with the same number for Pythia8 against Pythia8 where there is one:

- AUC: boosted trees on all event observables of `cloudchamber.evaluate`, 5 folds, three truth-truth pairs.
- Plane: bins of 0.2 in log10 x and log10 Q2 where more than 1,000 events are expected; the largest relative
  difference, and how often it lies within 5 % or within two of its statistical errors.
- Edges: the share of events beyond the outermost quantiles of Q2, y and pT of the electron of the reference, as
  (generated - expected) / error, and the least and largest values.
- Cross-section: that of the model's files for three sets of cuts, over that of the weighted events of the flat sample,
  which the table has never seen.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from cross_section_table import CUTS, Electrons, cross_section_ratios, electrons_of
from numpy.typing import NDArray
from table import print_table

from cloudchamber.evaluate.classifier import classifier_score
from cloudchamber.evaluate.observables import observable_matrix
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.sample import Sample
from cloudchamber.evaluate.tables import Table
from cloudchamber.events import Beams, Events
from cloudchamber.events.schema import NAMED_BEAMS
from cloudchamber.formats import files
from cloudchamber.physics.phase_space import squared_energy
from cloudchamber.recipes.generation import GenerationSetting, generate_file, load
from cloudchamber.recipes.phase_space import PhaseSpace, table_named
from cloudchamber.recipes.store import load_model

Array = NDArray[np.float64]
PAIRS = 3
BLOCK = 10_000
BIN = 0.2
FEWEST = 1_000
BEYOND = 2e-3
"""Share of the reference beyond each edge."""


class PlaneTest(NamedTuple):
    """How well the plane agrees: bins that count, largest difference and its error, bins that agree."""

    bins: int
    largest: float
    error: float
    good: int


def observables(events: Events, beams: Beams) -> Table:
    """Event observables of a sample.

    Args:
        events: decayed.
        beams: energies in GeV.
    """
    sample = Sample.of(events.final_state(), beams, "the sample")
    rows = [observable_matrix(sample[start : start + BLOCK]) for start in range(0, len(sample), BLOCK)]
    return Table.of(np.concatenate(rows))


def plane_test(candidate: Electrons, reference: Electrons, beams: Beams) -> PlaneTest:
    """Bins of log10 x and log10 Q2 that differ.

    Args:
        candidate: of unit weights.
        reference: of unit weights.
        beams: energies in GeV.
    """
    ln_s = np.log10(squared_energy(beams))
    edges = [np.arange(-ln_s - BIN, BIN / 2, BIN), np.arange(0.0, ln_s + BIN, BIN)]
    ours, theirs = (
        np.histogram2d(np.log10(e.variables.x), np.log10(e.variables.Q2), bins=edges)[0] for e in (candidate, reference)
    )
    expected = theirs * len(candidate.pt) / len(reference.pt)
    used = expected > FEWEST
    if not used.any():
        return PlaneTest(0, float("nan"), float("nan"), 0)
    difference = ours[used] / expected[used] - 1
    error = np.sqrt(1 / expected[used] + 1 / theirs[used])
    worst = int(np.argmax(np.abs(difference)))
    good = (np.abs(difference) < 0.05) | (np.abs(difference) < 2 * error)
    return PlaneTest(int(used.sum()), float(difference[worst]), float(error[worst]), int(good.sum()))


def edge_pulls(candidate: Electrons, reference: Electrons) -> dict[str, float]:
    """Pulls of the shares of events beyond the outermost quantiles of the reference.

    Args:
        candidate: of unit weights.
        reference: of unit weights.
    """
    pulls = {}
    n, m = len(candidate.pt), len(reference.pt)
    for name, ours, theirs in (
        ("Q2", candidate.variables.Q2, reference.variables.Q2),
        ("y", candidate.variables.y, reference.variables.y),
        ("pT", candidate.pt, reference.pt),
    ):
        low, high = np.quantile(theirs, [BEYOND, 1 - BEYOND])
        error = np.sqrt(BEYOND * (1 / n + 1 / m))
        pulls[f"low {name}"] = float(((ours < low).mean() - BEYOND) / error)
        pulls[f"high {name}"] = float(((ours > high).mean() - BEYOND) / error)
    return pulls


@dataclass(frozen=True)
class Work:
    """What is judged, against what, and where generated events are kept.

    Attributes:
        model: its name.
        reference: folder of samples by setting.
        flat: folder of flat samples by setting.
        out: folder of generated events.
        events: to generate.
        workers: processes.
    """

    model: str
    reference: Path
    flat: Path
    out: Path
    events: int
    workers: int


def judged(work: Work, beams: Beams) -> list[str]:
    """The row of one setting.

    Args:
        work: what to do.
        beams: energies in GeV.
    """
    table = table_named(load_model(work.model).card.preset.cross_sections or "none")
    made, events = work.out / f"{beams.name}.parquet", work.events
    if not made.exists():
        setting = GenerationSetting(seed=1, phase_space=PhaseSpace(beams=beams))
        generate_file(load(work.model), made, events=events, setting=setting, workers=work.workers)
    ours, theirs = files.read(made, events), files.read(work.reference / beams.name, (2 * PAIRS + 1) * events)
    one, two = observables(ours, beams), observables(theirs, beams)
    trees = classifier_score(two, one, Plan.make(len(one), len(two), PAIRS)).score
    a, b = electrons_of(ours, beams), electrons_of(theirs, beams)
    plane = plane_test(a, b, beams)
    half = slice(0, len(a.pt))
    floor = plane_test(electrons_of(theirs[half], beams), electrons_of(theirs[len(a.pt) :], beams), beams)
    pulls = edge_pulls(a, b)
    return [
        beams.name,
        f"{len(ours):,}",
        f"{trees.value:.4f} ± {trees.error:.4f} ({trees.floor:.4f} ± {trees.floor_spread:.4f})",
        f"{plane.good} of {plane.bins}, {100 * plane.largest:+.1f} ± {100 * plane.error:.1f} % "
        f"({floor.good} of {floor.bins}, {100 * floor.largest:+.1f} %)",
        ", ".join(f"{name} {pull:+.1f}" for name, pull in pulls.items()),
        f"pT {a.pt.min():.2f} ({b.pt.min():.2f}), y {a.variables.y.max():.3f} ({b.variables.y.max():.3f}), "
        f"Q2 {a.variables.Q2.min():.3f} ({b.variables.Q2.min():.3f})",
        *cross_section_ratios(table, work.flat / beams.name, beams),
    ]


def main(
    *,
    model: Annotated[str, typer.Option(help="A model of any beams.")],
    reference: Annotated[Path, typer.Option(help="Folder with a folder of Pythia8 events for each setting.")],
    flat: Annotated[Path, typer.Option(help="The same with samples that are flat in ln Q2.")],
    out: Annotated[Path, typer.Option(help="Folder for generated events and the table.")],
    events: Annotated[int, typer.Option(help="To generate at each setting.")] = 50_000,
    settings: Annotated[str, typer.Option(help="Beams, separated by commas.")] = ",".join(NAMED_BEAMS),
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
) -> None:
    """Make the table."""
    out.mkdir(parents=True, exist_ok=True)
    names = ", ".join("Q2 > 1" if cuts == CUTS[0] else str(cuts.model_dump(exclude_none=True)) for cuts in CUTS)
    typer.echo(f"cuts of the cross-sections: {names}")
    headings = ["beams", "events", "AUC (truth)", "plane", "edges, pulls", "least and largest (truth)",
                *(f"cross-section {k}" for k in (1, 2, 3))]  # fmt: skip
    work, rows = Work(model, reference, flat, out, events, workers), []
    for name in settings.split(","):
        rows.append(judged(work, Beams.parse(name)))
        print_table(f"{model} against Pythia8", headings, rows, out / "beams.md")


if __name__ == "__main__":
    typer.run(main)
