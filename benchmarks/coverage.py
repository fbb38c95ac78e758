"""How often the band of an ensemble holds the truth: ten spectra of small models on a modest sample.

    python benchmarks/coverage.py --members 5 --folder runs/coverage --docs docs

Members are trained as `train --members` does it: all on 20,000 events of Pythia8 at the level primary, each but the
first on a bootstrap of them, with the same number of steps. Every member makes events with a seed of its own, and each
in turn is the candidate that is compared with a large independent sample, so the table has as many trials as members.
A bin is covered where candidate and truth differ by less than the statistics of both and the band together; `by
statistics` leaves the band out, `by spread` has the spread of the members alone, without what the training sample
shows of the error that they share. Bins in which fewer than ten entries are expected are not counted. The ten spectra
were chosen before any was looked at. With `--docs` the page `uncertainty.md` is written.
"""

import argparse
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from table import print_table

from cloudchamber.evaluate.budget import Budget
from cloudchamber.evaluate.figures.comparison import Columns, Comparison
from cloudchamber.evaluate.figures.histogram import integer_edges, quantile_edges
from cloudchamber.evaluate.figures.panels import FEWEST_ENTRIES, Panel, draw_panels
from cloudchamber.evaluate.figures.style import house_style
from cloudchamber.evaluate.species import feature_named, species_named
from cloudchamber.events import Beams, Events, Level
from cloudchamber.formats import files
from cloudchamber.recipes.config import CloudStage, ElectronStage, Preset, SpeciesStage, Training
from cloudchamber.recipes.ensemble import member_folder
from cloudchamber.recipes.generation import GenerationSetting, generate_file, load
from cloudchamber.recipes.simulation import simulate_folder
from cloudchamber.recipes.training import train_ensemble
from cloudchamber.simulate.decay import Decayer
from cloudchamber.simulate.pythia import DISSetting

Array = NDArray[np.float64]
_BINS = 24
_OBSERVABLES = {
    "log10_Q2": r"$\log_{10}(Q^2\,/\,\mathrm{GeV}^2)$",
    "log10_x": r"$\log_{10}x_B$",
    "W": r"$W$ [GeV]",
    "n_charged": "charged particles",
}
_LABELS = {
    "e'": "e$^\\prime$", "pi+": r"$\pi^+$", "K+": "K$^+$", "p": "p", "gamma": r"$\gamma$",
    "pT": r"$p_T$ [GeV]", "eta": r"$\eta$",
}  # fmt: skip
_FEATURES = (("e'", "pT"), ("pi+", "pT"), ("pi+", "eta"), ("K+", "pT"), ("p", "eta"), ("gamma", "pT"))


@dataclass(frozen=True)
class Spectrum:
    """One of the ten.

    Attributes:
        name: for the table.
        label: of the axis.
        columns: of candidate, truth and other members.
        edges: bins.
    """

    name: str
    label: str
    columns: Columns
    edges: Array

    def pulls(self, band: str) -> Array:
        """Differences in standard deviations; NaN where too little is expected.

        Args:
            band: what is counted beside statistics: `none`, the `spread` of the members, or `all`.
        """
        columns = replace(self.columns, training=None) if band == "spread" else self.columns
        candidate, truth = columns.histograms(self.edges)
        return (replace(candidate, model=None) if band == "none" else candidate).pulls(truth, FEWEST_ENTRIES)


def small(chosen: argparse.Namespace) -> Preset:
    """A preset of small networks.

    Args:
        chosen: the options of the command.
    """
    return Preset(
        name="small",
        description="Small networks for an ensemble",
        level=Level.PRIMARY,
        electron=ElectronStage(width=32, depth=2),
        species=SpeciesStage(width=32, depth=2),
        cloud=CloudStage(width=chosen.width, depth=2, heads=2, expansion=2),
        training=Training(steps=chosen.steps, learning_rate=3e-3, warm_up_steps=50, clip_norm=1000.0, ema_decay=0.99),
    )


class Made(NamedTuple):
    """Events of all members, of Pythia8, and what the members were trained on, all after decays."""

    members: list[Events]
    truth: Events
    training: Events


def made(chosen: argparse.Namespace) -> Made:
    """All events; what is there already is not made again.

    Args:
        chosen: the options of the command.
    """
    train, truth, runs = (chosen.folder / name for name in ("train", "truth", "runs"))
    for folder, level, events, seed in (
        (train, Level.PRIMARY, chosen.events, 81), (truth, Level.STABLE, chosen.truth, 82),
    ):  # fmt: skip
        simulate_folder(DISSetting(Beams.parse("10x275"), 25.0, level=level), folder, events=events, seed=seed)
    train_ensemble(small(chosen), train, runs, chosen.members, seed=1, resume=True, device="cpu")
    found = []
    for number in range(chosen.members):
        path = chosen.folder / f"member-{number}.parquet"
        if not path.exists():
            setting = GenerationSetting(seed=10 + number, calls=chosen.calls)
            generate_file(load(str(member_folder(runs, number))), path, events=chosen.generated, setting=setting)
        found.append(files.read(path))
    learnt = files.read(train).final_state()
    return Made(found, files.read(truth), Decayer().decay(learnt, seed=83).events)


def spectra(comparison: Comparison) -> list[Spectrum]:
    """The ten spectra.

    Args:
        comparison: a member, the truth, and the other members.
    """
    found = []
    for key, label in _OBSERVABLES.items():
        columns = comparison.observable(key)
        values = columns.reference.values
        whole = key.startswith("n_")
        edges = integer_edges(values) if whole else quantile_edges(values, _BINS)
        found.append(Spectrum(key, label, columns, edges))
    for species, feature in _FEATURES:
        columns = comparison.feature(species_named(species), feature_named(feature))
        edges = quantile_edges(columns.reference.values, _BINS)
        symbol, unit = _LABELS[feature].partition(" ")[::2]
        label = f"{symbol} of {_LABELS[species]} {unit}".rstrip()
        found.append(Spectrum(f"{feature} of {species}", label, columns, edges))
    return found


def share(pulls: Array) -> float:
    """Share of the counted bins within one standard deviation.

    Args:
        pulls: of all bins.
    """
    return float((np.abs(pulls[np.isfinite(pulls)]) <= 1).mean())


HEADINGS = ("spectrum", "bins", "covered", "by spread", "by statistics", "width of pulls", "model / statistics")


class Row(NamedTuple):
    """One spectrum, or all: bins, shares within one deviation, rms of pulls, and size of the band."""

    name: str
    bins: int
    covered: float
    by_spread: float
    by_statistics: float
    width: float
    ratio: float | None

    @classmethod
    def of(cls, name: str, spectra: list[Spectrum]) -> "Row":
        """The row of some spectra.

        Args:
            name: of the row.
            spectra: with each member as the candidate.
        """
        pulls = {band: np.concatenate([s.pulls(band) for s in spectra]) for band in ("all", "spread", "none")}
        counted = pulls["all"][np.isfinite(pulls["none"])]
        histograms = [s.columns.histograms(s.edges)[0] for s in spectra]
        ratios = np.concatenate(
            [h.model[h.error > 0] / h.error[h.error > 0] for h in histograms if h.model is not None]
        )
        return cls(name, len(counted), share(pulls["all"]), share(pulls["spread"]), share(pulls["none"]),
                   float(np.sqrt(np.mean(counted**2))), float(np.median(ratios)))  # fmt: skip

    @property
    def cells(self) -> list[str]:
        """The row as text."""
        shares = [f"{value:.1%}" for value in (self.covered, self.by_spread, self.by_statistics)]
        return [self.name, str(self.bins), *shares, f"{self.width:.2f}", f"{self.ratio:.2f}"]


def report(trials: list[list[Spectrum]], chosen: argparse.Namespace) -> list[Row]:
    """Print the table, and write it.

    Args:
        trials: the ten spectra with each member as the candidate.
        chosen: the options of the command.
    """
    columns = list(zip(*trials, strict=True))
    rows = [Row.of(column[0].name, list(column)) for column in columns]
    rows.append(Row.of("all ten", [s for trial in trials for s in trial]))
    title = f"{chosen.members} members, {chosen.events:,} events to train on, {chosen.generated:,} made"
    print_table(title, HEADINGS, [row.cells for row in rows], chosen.folder / "coverage.md")
    each = [share(np.concatenate([s.pulls("all") for s in trial])) for trial in trials]
    Console().print("covered with each member as the candidate: " + ", ".join(f"{value:.1%}" for value in each))
    (chosen.folder / "coverage.json").write_text(
        json.dumps({"rows": [r._asdict() for r in rows], "each": each}, indent=2)
    )
    return rows


def write_page(chosen: argparse.Namespace, rows: list[Row]) -> None:
    """The page `uncertainty.md`.

    Args:
        chosen: the options of the command.
        rows: of the table, that of all spectra last.
    """
    last = rows[-1]
    (chosen.docs / "uncertainty").mkdir(parents=True, exist_ok=True)
    shutil.copy(chosen.folder / "coverage.png", chosen.docs / "uncertainty" / "coverage.png")
    text = PAGE.format(
        table=(chosen.folder / "coverage.md").read_text(), members=chosen.members, events=chosen.events,
        generated=chosen.generated, truth=chosen.truth, steps=chosen.steps, width=chosen.width, calls=chosen.calls,
        covered=last.covered, spread=last.by_spread, statistics=last.by_statistics, rms=last.width,
    )  # fmt: skip
    (chosen.docs / "uncertainty.md").write_text(text, encoding="utf-8")


PAGE = """# How sure is a model?

`cloudchamber train --members 5` trains an ensemble: every member with networks and noise of its own, all but the first
on events drawn with replacement (a bootstrap). `cloudchamber evaluate 0.parquet --reference truth --ensemble FOLDER
--training DATA --out report` draws a band around every spectrum and writes it to `report/metrics.json`:

- what differs between the members: their spread, less what their statistics make, times Student's factor for so few;
- what they share: how far their mean is from the sample that they were trained on, less the statistics of both,
  averaged over five bins. Networks that are too small or trained too briefly are wrong in the same way, which no spread
  shows. Without `--training` it is left out. The sample must be of the level of the events (`cloudchamber decay`).

The formulae stand at the head of `cloudchamber/evaluate/figures/histogram.py`. Neither part looks at the reference.

## Does the band hold the truth?

`benchmarks/coverage.py` trains {members} small members (width {width}, {steps} steps) on {events:,} events of Pythia8,
makes {generated:,} events with each ({calls} network calls in each diffusion stage), and counts the bins of ten spectra
in which {truth:,} other events of Pythia8 lie within one standard deviation of band and statistics, with each member in
turn as the candidate. An honest band holds 68 % and pulls of width 1.

{table}
Of all bins {covered:.1%} are covered, with pulls of root mean square {rms:.2f}; the spread alone covers
{spread:.1%} and statistics alone {statistics:.1%}. The members are trained briefly on purpose: most of their error is
shared.

![Ten spectra of the first member](uncertainty/coverage.png)
"""


def draw(comparison: Comparison, chosen: argparse.Namespace) -> None:
    """The ten spectra of the first member, as `coverage.png`.

    Args:
        comparison: of the first member.
        chosen: the options of the command.
    """
    panels = [Panel(s.columns, s.edges, s.label, "per event", ratio_range=(0.8, 1.2)) for s in spectra(comparison)]
    with house_style():
        figure = draw_panels(comparison, panels, 5, width=3.4, height=3.4)
        figure.savefig(chosen.folder / "coverage.png", dpi=110)
        plt.close(figure)


def main() -> None:
    """Train, generate, compare, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--events", type=int, default=20_000, help="to train on")
    parser.add_argument("--generated", type=int, default=20_000, help="events of each member")
    parser.add_argument("--truth", type=int, default=100_000, help="independent events of Pythia8")
    parser.add_argument("--steps", type=int, default=600, help="of each training")
    parser.add_argument("--width", type=int, default=48, help="of the cloud's network")
    parser.add_argument("--calls", type=int, default=8, help="network calls of each diffusion stage")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--docs", type=Path, help="folder of the page to write")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    members, truth, training = made(chosen)
    budget = replace(Budget.named("full"), figure_events=chosen.truth)
    comparisons = [
        Comparison.before(
            one, truth, budget, members=[other for other in members if other is not one], training=training
        )
        for one in members
    ]
    rows = report([spectra(comparison) for comparison in comparisons], chosen)
    draw(comparisons[0], chosen)
    if chosen.docs is not None:
        write_page(chosen, rows)


if __name__ == "__main__":
    main()
