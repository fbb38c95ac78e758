"""How often the band of an ensemble holds the truth: ten spectra of small models on a modest sample.

    python benchmarks/coverage.py --members 5 --folder runs/coverage

Members are trained as `train --members` does it: all on 20,000 events of Pythia8 at the level primary, each but the
first on a bootstrap of them, with the same number of steps. Every member makes events with a seed of its own, and each
in turn is the candidate that is compared with a large independent sample, so the table has as many trials as members.
A bin is covered where candidate and truth differ by less than the statistics of both and the band together; `by
statistics` leaves the band out. Bins in which fewer than ten entries are expected are not counted. The ten spectra were
chosen before any was looked at.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

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

    def pulls(self, *, banded: bool) -> Array:
        """Differences in standard deviations; NaN where too little is expected.

        Args:
            banded: whether the uncertainty of the model is counted.
        """
        candidate, truth = self.columns.histograms(self.edges)
        return (candidate if banded else replace(candidate, model=None)).pulls(truth, FEWEST_ENTRIES)


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


def made(chosen: argparse.Namespace) -> tuple[list[Events], Events]:
    """Events of all members, and of Pythia8; what is there already is not made again.

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
    return found, files.read(truth)


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


def report(trials: list[list[Spectrum]], chosen: argparse.Namespace) -> None:
    """Print the table, and write it.

    Args:
        trials: the ten spectra with each member as the candidate.
        chosen: the options of the command.
    """
    names = [spectrum.name for spectrum in trials[0]]
    table = Table(title=f"{chosen.members} members, {chosen.events:,} events to train on, {chosen.generated:,} made")
    for heading in ("spectrum", "bins", "covered", "by statistics", "model / statistics"):
        table.add_column(heading, justify="left" if heading == "spectrum" else "right")
    rows = []
    for k, name in enumerate(names):
        banded, bare = (np.concatenate([t[k].pulls(banded=b) for t in trials]) for b in (True, False))
        candidate, _ = trials[0][k].columns.histograms(trials[0][k].edges)
        assert candidate.model is not None
        ratio = float(np.median(candidate.model[candidate.error > 0] / candidate.error[candidate.error > 0]))
        rows.append((name, int(np.isfinite(bare).sum()), share(banded), share(bare), ratio))
    both = [np.concatenate([s.pulls(banded=b) for t in trials for s in t]) for b in (True, False)]
    rows.append(("all ten", int(np.isfinite(both[1]).sum()), share(both[0]), share(both[1]), float("nan")))
    each = [share(np.concatenate([s.pulls(banded=True) for s in t])) for t in trials]
    for name, bins, covered, bare_share, ratio in rows:
        table.add_row(name, str(bins), f"{covered:.1%}", f"{bare_share:.1%}", "" if np.isnan(ratio) else f"{ratio:.2f}")
    console = Console(width=100)
    console.print(table)
    console.print("covered with each member as the candidate: " + ", ".join(f"{value:.1%}" for value in each))
    (chosen.folder / "coverage.json").write_text(json.dumps({"rows": rows, "each": each}, indent=2))


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
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    members, truth = made(chosen)
    budget = replace(Budget.named("full"), figure_events=chosen.truth)
    comparisons = [
        Comparison.before(one, truth, budget, members=[other for other in members if other is not one])
        for one in members
    ]
    report([spectra(comparison) for comparison in comparisons], chosen)
    draw(comparisons[0], chosen)


if __name__ == "__main__":
    main()
