r"""A model of any beams against Pythia8 at every setting: events, the x-Q2 plane and its edges, cross-sections.

    for beams in 5x41 5x100 9x130 10x100 10x275 18x275; do
      cloudchamber simulate dis --beams $beams --q2-min 1 --events 350000 --seed 20262 --out reference/$beams
      cloudchamber simulate dis --beams $beams --q2-min 1 --level primary --flat-q2 --events 250000 --seed 6 \
          --out flat/$beams
    done
    python benchmarks/beams.py --model run --reference reference --flat flat --out beams --docs docs

What the columns say, each with the same number for Pythia8 against Pythia8 where there is one:

- AUC: boosted trees on all event observables of `cloudchamber.evaluate`, 5 folds, three truth-truth pairs.
- Plane: bins of 0.2 in log10 x and log10 Q2 where more than 1,000 events are expected; the largest relative
  difference, and how often it lies within 5 % or within two of its statistical errors.
- Edges: the share of events beyond the outermost quantiles of Q2, y and pT of the electron of the reference, as
  (generated - expected) / error, and the least and largest values of equally many events.
- Cross-section: that of the model's files for three sets of cuts, over that of the weighted events of the flat sample,
  which the table has never seen.

With `--docs` the page `any-beams.md` and its pictures are written.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from beams_figures import FEWEST, Both, draw_edges, draw_planes, plane_of
from cross_section_table import CUTS, Electrons, cross_section_ratios, electrons_of
from numpy.typing import NDArray
from table import print_table

from cloudchamber.evaluate.classifier import classifier_score
from cloudchamber.evaluate.observables import observable_matrix
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.sample import Sample
from cloudchamber.evaluate.tables import Table
from cloudchamber.events import Beams, Events
from cloudchamber.events.schema import NAMED_BEAMS, Cuts
from cloudchamber.formats import files
from cloudchamber.recipes.generation import GenerationSetting, generate_file, load
from cloudchamber.recipes.phase_space import PhaseSpace, table_named
from cloudchamber.recipes.store import load_model

Array = NDArray[np.float64]
PAIRS = 3
BLOCK = 10_000
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
    plane = plane_of(candidate, reference, beams)
    used = plane.expected > FEWEST
    if not used.any():
        return PlaneTest(0, float("nan"), float("nan"), 0)
    difference, error = plane.difference[used], plane.error[used]
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


class Judged(NamedTuple):
    """Cells of the row of one setting, and its electrons."""

    row: list[str]
    electrons: Both


def judged(work: Work, beams: Beams) -> Judged:
    """One setting.

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
    row = [
        beams.name,
        f"{len(ours):,}",
        f"{trees.value:.4f} ± {trees.error:.4f} ({trees.floor:.4f} ± {trees.floor_spread:.4f})",
        f"{plane.good} of {plane.bins}, {100 * plane.largest:+.1f} ± {100 * plane.error:.1f} % "
        f"({floor.good} of {floor.bins}, {100 * floor.largest:+.1f} %)",
        ", ".join(f"{name} {pull:+.1f}" for name, pull in pulls.items()),
        f"pT {a.pt.min():.2f} ({b.pt[half].min():.2f}), y {a.variables.y.max():.3f} "
        f"({b.variables.y[half].max():.3f}), Q2 {a.variables.Q2.min():.3f} ({b.variables.Q2[half].min():.3f})",
        *cross_section_ratios(table, work.flat / beams.name, beams),
    ]
    return Judged(row, Both(beams, a, b))


def in_words(cuts: Cuts) -> str:
    """Cuts as text, such as 100 < Q2 < 1000 GeV2 and x > 0.05.

    Args:
        cuts: on Q2, x and y.
    """
    found = []
    for name, low, high, unit in (
        ("Q2", cuts.q2_min, cuts.q2_max, " GeV2"), ("x", cuts.x_min, cuts.x_max, ""), ("y", cuts.y_min, cuts.y_max, ""),
    ):  # fmt: skip
        if low is not None:
            found.append(f"{name} > {low:g}{unit}" if high is None else f"{low:g} < {name} < {high:g}{unit}")
        elif high is not None:
            found.append(f"{name} < {high:g}{unit}")
    return " and ".join(found)


HEADINGS = (
    "beams", "events", "AUC (truth)", "plane", "edges, pulls", "least and largest (truth)",
    *(f"cross-section {k}" for k in (1, 2, 3)),
)  # fmt: skip


def write_page(work: Work, docs: Path, cuts: str) -> None:
    """The page `any-beams.md`.

    Args:
        work: what was done.
        docs: folder of the page.
        cuts: those of the cross-sections, in words.
    """
    card = load_model(work.model).card
    text = PAGE.format(
        table=(work.out / "beams.md").read_text(encoding="utf-8"), model=card.preset.name, events=work.events,
        calls=card.preset.sampling.calls, stage_calls=card.preset.sampling.stage_calls.get("electron", "as many"),
        beyond=100 * BEYOND, fewest=FEWEST, cuts=cuts,
    )  # fmt: skip
    (docs / "any-beams.md").write_text(text, encoding="utf-8")


PAGE = """# One model for all beams

`{model}` against Pythia8 at the six settings of EIC campaigns, Q2 > 1 GeV2, {events:,} generated events at each, after
decays, {calls} network calls in each diffusion stage ({stage_calls} for the electron). This page is made by
`benchmarks/beams.py`, whose head has the commands and says what the columns are. Each number has beside it, in
brackets, what Pythia8 gives against Pythia8.

{table}
- *AUC*: area under the ROC curve of boosted trees on 72 event observables.
- *plane*: bins of 0.2 in log10 x and log10 Q2 with more than {fewest:,} expected events that agree within 5 % or two
  standard deviations, and the largest difference of all.
- *edges*: (generated - expected) / error of the events beyond the outermost {beyond:.1f} % of Pythia8's.
- *least and largest*: lowest pT [GeV], largest y and lowest Q2 [GeV2] of the scattered electrons, in brackets those of
  as many events of Pythia8.
- *cross-sections* 1, 2 and 3: those that the model writes into its files over those of weighted Pythia8 events, for
  {cuts}. The errors are of the
  weighted events; `benchmarks/cross_section_table.py fresh` is sharper.

![The x-Q2 plane at six settings](any-beams/planes.png)

![Spectra of the electron about their edges](any-beams/edges.png)
"""


def main(
    *,
    model: Annotated[str, typer.Option(help="A model of any beams.")],
    reference: Annotated[Path, typer.Option(help="Folder with a folder of Pythia8 events for each setting.")],
    flat: Annotated[Path, typer.Option(help="The same with samples that are flat in ln Q2.")],
    out: Annotated[Path, typer.Option(help="Folder for generated events and the table.")],
    events: Annotated[int, typer.Option(help="To generate at each setting.")] = 50_000,
    settings: Annotated[str, typer.Option(help="Beams, separated by commas.")] = ",".join(NAMED_BEAMS),
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
    docs: Annotated[Path | None, typer.Option(help="Folder of the page to write.")] = None,
) -> None:
    """Make the table, and the page if a folder is given for it."""
    out.mkdir(parents=True, exist_ok=True)
    names = "; ".join(map(in_words, CUTS))
    typer.echo(f"cuts of the cross-sections: {names}")
    work, found = Work(model, reference, flat, out, events, workers), list[Judged]()
    for name in settings.split(","):
        found.append(judged(work, Beams.parse(name)))
        print_table(f"{model} against Pythia8", HEADINGS, [one.row for one in found], out / "beams.md")
    if docs is not None:
        (docs / "any-beams").mkdir(parents=True, exist_ok=True)
        electrons = [one.electrons for one in found]
        draw_planes(electrons, docs / "any-beams" / "planes.png")
        draw_edges(electrons, docs / "any-beams" / "edges.png")
        write_page(work, docs, names)


if __name__ == "__main__":
    typer.run(main)
