"""The measured part of `docs/bayesian.md`: tables and pictures."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from bayesian_spectra import KINDS, SPECTRA, THINNED, Counted, Row, Spectrum, all_pulls, gap_spectrum, width
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.style import CANDIDATE, PALETTE, REFERENCE, house_style

Array = NDArray[np.float64]


def draw_spectra(found: Sequence[Counted], path: Path) -> None:
    """Six spectra with their bands, and below each the ratio to the truth.

    Args:
        found: all spectra.
        path: of the picture.
    """
    names = (
        (1, "pT of Z"), (1, "mass of Z"), (1, "eta of j1"), (2, "pT of j2"), (2, "dphi of j1 j2"), (2, "dR of j1 j2")
    )  # fmt: skip
    with house_style():
        figure = plt.figure(figsize=(11, 7.6), constrained_layout=True)
        cells = figure.add_gridspec(4, 3, height_ratios=(2.2, 1, 2.2, 1))
        for number, wanted in enumerate(names):
            k = next(i for i, s in enumerate(SPECTRA) if (s.jets, s.name) == wanted)
            row, column = divmod(number, 3)
            upper = figure.add_subplot(cells[2 * row, column])
            lower = figure.add_subplot(cells[2 * row + 1, column], sharex=upper)
            _draw_one(found[k], SPECTRA[k], upper, lower)
            if number == 0:
                upper.legend(frameon=False, fontsize=8, loc="upper left")
        figure.savefig(path, dpi=130)
        plt.close(figure)


def _draw_one(one: Counted, spectrum: Spectrum, upper: plt.Axes, lower: plt.Axes) -> None:
    step, widths = {"step": "post"}, np.diff(one.edges)

    def stairs(values: Array) -> Array:
        return np.append(values, values[-1])

    upper.stairs(one.true / widths, one.edges, color=REFERENCE, label="Pythia8")
    upper.stairs(one.mean / widths, one.edges, color=CANDIDATE, label="mean of the draws")
    band = one.band("whole")
    low, high = (one.mean - band) / widths, (one.mean + band) / widths
    upper.fill_between(one.edges, stairs(low), stairs(high), **step, color=CANDIDATE, alpha=0.3, lw=0, label="band")
    upper.set_ylim(0, 1.3 * float((np.maximum(one.true, one.mean) / widths).max()))
    upper.set_ylabel("share per unit")
    upper.set_title(f"{spectrum.jets} jet{'s' if spectrum.jets > 1 else ''}", fontsize=9, loc="right")
    upper.tick_params(labelbottom=False)
    ratio, band, chance = one.mean / one.true, band / one.true, one.statistics / one.true
    lower.axhline(1, color=REFERENCE)
    lower.fill_between(one.edges, stairs(1 - chance), stairs(1 + chance), **step, color="0.8", lw=0)
    lower.fill_between(one.edges, stairs(ratio - band), stairs(ratio + band), **step, color=CANDIDATE, alpha=0.3, lw=0)
    lower.stairs(ratio, one.edges, color=CANDIDATE, baseline=None)
    lower.set_ylim(0.7, 1.3)
    lower.set_ylabel("ratio")
    lower.set_xlabel(spectrum.label)


def draw_pulls(found: Sequence[Counted], chosen: argparse.Namespace, path: Path) -> None:
    """Pulls of all bulk bins with and without the band, beside the unit normal distribution.

    Args:
        found: all spectra.
        chosen: the options of the command.
        path: of the picture.
    """
    edges, grid = np.linspace(-6, 6, 37), np.linspace(-6, 6, 300)
    with house_style():
        figure, axes = plt.subplots(figsize=(5, 3.8), constrained_layout=True)
        for (kind, name), colour in zip(KINDS.items(), ("0.6", PALETTE[2], CANDIDATE), strict=True):
            pulls = all_pulls(found, chosen.fewest, kind)
            label = f"{name}: width {width(pulls):.2f}"
            axes.hist(pulls.clip(-6, 6), edges, density=True, histtype="step", color=colour, label=label)
        axes.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color=REFERENCE, ls="--", label="unit normal")
        axes.set_xlabel("pull against Pythia8 (last bins: beyond)")
        axes.set_ylabel("share of bulk bins per unit")
        axes.set_ylim(0, 0.8)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
        figure.savefig(path, dpi=130)
        plt.close(figure)


def draw_gap(full: Counted, thinned: Counted, path: Path) -> None:
    """The relative band of the first jet's pseudorapidity with all events, and with a region thinned by ten.

    Args:
        full: of the model of all events.
        thinned: of the model of thinned events.
        path: of the picture.
    """
    with house_style():
        figure, (upper, lower) = plt.subplots(2, 1, figsize=(5.4, 5), sharex=True, constrained_layout=True)
        for one, colour, name in ((full, PALETTE[0], "all events"), (thinned, CANDIDATE, "thinned by ten")):
            upper.stairs(one.mean / np.diff(one.edges), one.edges, color=colour, label=name)
            lower.stairs(one.band("draws") / one.mean, one.edges, color=colour)
        for axes in (upper, lower):
            for side in (-1, 1):
                axes.axvspan(side * THINNED[0], side * THINNED[1], color="0.9", zorder=0)
        upper.set_ylabel("share per unit")
        upper.set_ylim(0, 0.3)
        upper.legend(frameon=False, fontsize=8, loc="upper left")
        lower.set_ylabel("spread / share")
        lower.set_xlabel(SPECTRA[gap_spectrum()].label + " of events with one jet")
        lower.set_ylim(0)
        figure.savefig(path, dpi=130)
        plt.close(figure)


MODELS = {"diffusion": "Flow matching", "jetgpt": "JetGPT"}


def calls_of(chosen: argparse.Namespace) -> str:
    """How many network calls events take.

    Args:
        chosen: the options of the command.
    """
    return f"{chosen.calls} network calls a stage" if chosen.model == "diffusion" else "a network call a number"


def page(rows: Sequence[Row], found: Sequence[Counted], growth: float, chosen: argparse.Namespace) -> str:
    """The measured part of docs/bayesian.md, in Markdown.

    Args:
        rows: of the table of pulls.
        found: all spectra.
        growth: of the spread of the draws in the gap.
        chosen: the options of the command.
    """
    lines = [
        f"{MODELS[chosen.model]}, {chosen.events:,} training events, {chosen.steps:,} steps of {chosen.batch} events, "
        f"networks of width {chosen.width}; Bayesian layers: `{chosen.layers}`, temperature {chosen.temperature:g}; "
        f"{chosen.draws} draws of {chosen.generated:,} events for each number of jets, "
        f"{calls_of(chosen)}; bulk bins: {chosen.fewest:g} training events.",
        "",
        "| spectra | bulk bins | " + " | ".join(f"width: {name}" for name in KINDS.values())
        + " | spread of the draws / share | band / share |",
        "| --- |" + " ---: |" * (len(KINDS) + 3),
        *(
            f"| {row.name} | {row.bins} | " + " | ".join(f"{row.widths[kind]:.2f}" for kind in KINDS)
            + f" | {row.draws:.1%} | {row.whole:.1%} |"
            for row in rows
        ),
        "",
    ]  # fmt: skip
    lines += [
        "| temperature, scaled | " + " | ".join(f"width: {KINDS[kind]}" for kind in ("draws", "whole")) + " |",
        "| ---: |" + " ---: |" * 2,
    ]
    for hotter in (0.1, 0.3, 1.0, 3.0, 10.0):
        widths = [width(all_pulls(found, chosen.fewest, kind, hotter)) for kind in ("draws", "whole")]
        lines.append(f"| {hotter * chosen.temperature:g} | {widths[0]:.2f} | {widths[1]:.2f} |")
    lines.append("")
    lines.append(
        f"In the thinned region the relative spread of the draws, against that of its surroundings, is {growth:.2f} "
        f"times what it is with all events (variances multiplied by {chosen.gap_hotter:g}, {chosen.draws} draws of "
        f"{chosen.gap_events:,} events with one jet)."
    )
    return "\n".join(lines) + "\n"


_BEGIN, _END = "<!-- measured -->\n", "<!-- end -->\n"


def write_page(text: str, docs: Path) -> None:
    """Put the measured part into docs/bayesian.md.

    Args:
        text: the part.
        docs: folder of the page.
    """
    path = docs / "bayesian.md"
    before, _, rest = path.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(before + _BEGIN + text + _END + after)
