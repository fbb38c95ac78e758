"""The numbers as figures: ratios to the floor, mean multiplicities, and the worst event observables."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cloudchamber.evaluate.evaluation import Measurement
from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.histogram import Histogram, integer_edges, quantile_edges
from cloudchamber.evaluate.figures.panels import FEWEST_ENTRIES, Panel, draw_panels
from cloudchamber.evaluate.figures.style import CANDIDATE, INK, REFERENCE
from cloudchamber.evaluate.observables import OBSERVABLES, Observable
from cloudchamber.evaluate.species import FEATURES, SPECIES

__all__ = ["draw_ratios", "mean_multiplicities", "pulls", "ratios", "worst_observables"]

Array = NDArray[np.float64]
_LEVELS = (0.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0)
_SHADES = ("#f7f7f7", "#fde0c5", "#facba6", "#f2a579", "#e07b4f", "#b5482a")
_WIDE = 100.0
"""From here on numbers in cells have no decimals."""
_WORST = 12


def ratios(comparison: Comparison) -> Figure:
    """Every distance of a particle feature over its floor, species by feature.

    Args:
        comparison: what to draw.
    """
    names = [s.symbol.replace("all particles", "all") for s in SPECIES]
    figure = draw_ratios(_ratio_table(comparison), [f.symbol for f in FEATURES], names, r"$W_1$ / floor")
    figure.text(0.085, 0.97, comparison.title, ha="left", va="top")
    figure.text(0.905, 0.97, comparison.labels[0], ha="right", va="top", fontsize=9.5)
    return figure


def draw_ratios(table: Array, rows: Sequence[str], columns: Sequence[str], label: str, *, digits: int = 1) -> Figure:
    """A table of numbers over their floors as shaded cells.

    Args:
        table: one ratio for each row and column; NaN where there is none.
        rows: their names.
        columns: their names.
        label: of the ratio.
        digits: after the decimal point.
    """
    figure = Figure(figsize=(14.4, 3.9))
    axes = figure.add_axes((0.085, 0.14, 0.82, 0.68))
    shades = ListedColormap(_SHADES)
    mesh = axes.imshow(np.ma.masked_invalid(np.minimum(table, _LEVELS[-1] - 0.01)), cmap=shades,
                       norm=BoundaryNorm(_LEVELS, len(_SHADES)), aspect="auto")  # fmt: skip
    size = min(10.0, 300.0 / len(columns))
    for (i, j), value in np.ndenumerate(table):
        text, color = ("–", INK) if np.isnan(value) else (f"{value:.{digits}f}", "white" if value > 6 else "black")
        text = f"{value:.0f}" if value >= _WIDE else text
        axes.text(j, i, text, ha="center", va="center", fontsize=size, color=color)
    axes.set_xticks(range(len(columns)), columns, fontsize=size)
    axes.set_yticks(range(len(rows)), rows, fontsize=11)
    axes.tick_params(which="both", length=0)
    axes.minorticks_off()
    extend = "max" if (table > _LEVELS[-1]).any() else "neither"
    bar = figure.colorbar(mesh, cax=figure.add_axes((0.925, 0.14, 0.014, 0.68)), ticks=_LEVELS, extend=extend)
    bar.set_label(label)
    bar.minorticks_off()
    return figure


def _ratio_table(comparison: Comparison) -> Array:
    found = {(m.species, m.quantity): m.score for m in comparison.numbers.particles}
    table = np.full((len(FEATURES), len(SPECIES)), np.nan)
    for (i, feature), (j, species) in product(enumerate(FEATURES), enumerate(SPECIES)):
        score = found.get((species.key, feature.key))
        if score is not None and score.ratio is not None:
            table[i, j] = score.ratio
    return table


def mean_multiplicities(comparison: Comparison) -> Figure:
    """Relative difference of the mean number of particles of each species.

    Args:
        comparison: what to draw.
    """
    rows = [m for m in comparison.numbers.multiplicities if m.score is not None and m.candidate[0] > 0]
    difference = np.array([100 * (m.candidate[0] / m.reference[0] - 1) for m in rows])
    error = np.array([100 * m.score.error for m in rows if m.score])
    figure = Figure(figsize=(14.4, 4.2))
    axes = figure.add_axes((0.07, 0.13, 0.9, 0.73))
    axes.axhspan(-2, 2, color=REFERENCE, alpha=0.3, lw=0, label="± 2 %")
    axes.axhline(0, color=INK, lw=0.8, ls=(0, (4, 3)))
    axes.errorbar(np.arange(len(rows)), difference, error, fmt="o", color=CANDIDATE, ms=5, capsize=3,
                  label="relative difference and its statistical error")  # fmt: skip
    symbols = {species.key: species.symbol for species in SPECIES}
    axes.set_xticks(range(len(rows)), [symbols[m.species].replace("all particles", "all") for m in rows])
    axes.tick_params(axis="x", which="both", length=0)
    axes.set_xlim(-0.7, len(rows) - 0.3)
    limit = max(4.0, 1.15 * float(np.max(np.abs(difference) + error, initial=0.0)))
    axes.set_ylim(-limit, limit)
    axes.set_ylabel("mean number: difference  [%]")
    axes.legend(loc="upper left", ncols=2)
    figure.text(0.07, 0.97, comparison.title, ha="left", va="top")
    figure.text(0.97, 0.97, comparison.labels[0], ha="right", va="top", fontsize=9.5)
    return figure


def pulls(comparison: Comparison) -> Figure:
    """Pulls of all bins of all event observables, beside truth against truth, and chi2 per bin of the worst.

    Args:
        comparison: what to draw.
    """
    n = comparison.numbers.plan.candidate.stop
    found, floor = [], []
    for observable in OBSERVABLES:
        columns = comparison.observable(observable.key)
        edges = _observable_edges(observable, columns.reference.values)
        candidate, reference = columns.histograms(edges)
        found.append(candidate.pulls(reference, FEWEST_ENTRIES))
        if len(columns.reference) > 2 * n:
            parts = slice(0, n), slice(n, len(columns.reference))
            one, rest = (Histogram.fill(columns.reference[part], edges) for part in parts)
            floor.append(one.pulls(rest, FEWEST_ENTRIES))
    figure = Figure(figsize=(14.4, 5.0))
    _pull_histogram(figure.add_axes((0.06, 0.12, 0.4, 0.74)), np.concatenate(found), np.concatenate([[], *floor]))
    _worst_pulls(figure.add_axes((0.64, 0.12, 0.34, 0.74)), found)
    figure.text(0.06, 0.97, comparison.title, ha="left", va="top")
    figure.text(0.98, 0.97, comparison.labels[0], ha="right", va="top", fontsize=9.5)
    return figure


def _pull_histogram(axes: Axes, candidate: Array, floor: Array) -> None:
    edges = np.linspace(-6, 6, 49)
    for pulls_, color, name in ((floor, REFERENCE, "truth against truth"), (candidate, CANDIDATE, "candidate")):
        values = np.clip(pulls_[np.isfinite(pulls_)], -5.99, 5.99)
        if len(values):
            filled = color == REFERENCE
            axes.stairs(np.histogram(values, edges, density=True)[0], edges, color=color, lw=1.6, fill=filled,
                        alpha=0.6 if filled else 1.0,
                        label=f"{name}: {len(values)} bins, spread {values.std():.2f}")  # fmt: skip
    x = np.linspace(-6, 6, 241)
    axes.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=INK, lw=1.0, ls=(0, (4, 3)), label="unit Gaussian")
    axes.set_xlim(-6, 6)
    axes.set_ylim(0, 0.62)
    axes.set_xlabel("pull, the ends with what lies beyond")
    axes.set_ylabel("density")
    axes.legend(loc="upper left")


def _worst_pulls(axes: Axes, found: list[Array]) -> None:
    counted = [p[np.isfinite(p)] for p in found]
    per_bin = np.array([(p**2).sum() / max(len(p), 1) for p in counted])
    worst = np.argsort(-per_bin)[:14][::-1]
    axes.barh(range(len(worst)), per_bin[worst], color=CANDIDATE, alpha=0.85)
    axes.axvline(1.0, color=INK, lw=0.8, ls=(0, (4, 3)))
    axes.set_yticks(range(len(worst)), [OBSERVABLES[k].key for k in worst])
    axes.tick_params(axis="y", length=0)
    for row, k in enumerate(worst):
        axes.text(per_bin[k], row, f"  {(counted[k] ** 2).sum():.0f} / {len(counted[k])}", va="center", fontsize=8.5)
    axes.set_xlim(0, 1.25 * max(2.0, float(per_bin[worst].max(initial=0.0))))
    axes.set_xlabel(r"$\chi^2$ per bin, and $\chi^2$ / bins")


def worst_observables(comparison: Comparison) -> Figure:
    """Distributions of the event observables whose distance is largest in units of the floor.

    Args:
        comparison: what to draw.
    """
    events = comparison.numbers.events
    ranked = sorted(range(len(events)), key=lambda k: _ratio(events[k]), reverse=True)[:_WORST]
    panels = [_observable_panel(comparison, OBSERVABLES[k], f"{_ratio(events[k]):.1f}") for k in ranked]
    return draw_panels(comparison, panels, 6, width=3.1, height=3.1)


def _observable_panel(comparison: Comparison, observable: Observable, note: str) -> Panel:
    columns = comparison.observable(observable.key)
    values = columns.reference.values
    whole, edges = _is_whole(observable, values), _observable_edges(observable, values)
    unit = f"  [{observable.unit}]" if observable.unit else ""
    return Panel(columns, edges, observable.key + unit, "density", log=whole or _has_spike(values), note=note)


def _is_whole(observable: Observable, values: Array) -> bool:
    return observable.resolution == 1.0 and float(values.min(initial=0.0)) >= 0


def _observable_edges(observable: Observable, values: Array) -> Array:
    return integer_edges(values) if _is_whole(observable, values) else quantile_edges(values, 24)


def _has_spike(values: Array) -> bool:
    """Whether most values lie at the lower end, where a logarithmic axis shows more."""
    low, middle, high = np.quantile(values, [0.0, 0.5, 0.999])
    return bool(middle - low < 0.03 * (high - low))


def _ratio(measurement: Measurement) -> float:
    return (measurement.score and measurement.score.ratio) or 0.0
