"""Histograms of observables with ratio panels: whole showers, layers, and the worst of all."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.histogram import quantile_edges
from cloudchamber.evaluate.figures.panels import Panel, draw_panels
from cloudchamber.evaluate.figures.scorecard import draw_ratios
from cloudchamber.evaluate.showers.figures.comparison import ShowerComparison
from cloudchamber.evaluate.showers.observables import Quantity, quantities

__all__ = ["layer_energies", "layer_hits", "layer_shapes", "separations", "whole_showers", "worst_histograms"]

Array = NDArray[np.float64]
_LABELS = {
    "log10_E_inc": r"$\log_{10}(E_{\mathrm{inc}} / \mathrm{MeV})$",
    "response": r"$E_{\mathrm{vis}} / E_{\mathrm{inc}}$",
    "hits": "hits",
    "depth": "mean depth  [layers]",
    "length": "length  [layers]",
    "x": r"$\langle x \rangle$  [mm]",
    "y": r"$\langle y \rangle$  [mm]",
    "width_x": "width in x  [mm]",
    "width_y": "width in y  [mm]",
}
_SYMBOLS = {"E": "energy", "hits": "hits", "x": r"$\langle x \rangle$", "y": r"$\langle y \rangle$",
            "width_x": "width x", "width_y": "width y"}  # fmt: skip
_WORST = 10


def whole_showers(comparison: ShowerComparison) -> Figure:
    """Observables of whole showers, and the energies of cells.

    Args:
        comparison: what to draw.
    """
    panels = [_panel(comparison, kind) for kind in quantities(0)]
    cells = comparison.hits(lambda s: np.log10(s.energy))
    edges = quantile_edges(cells.reference.values, 40, tail=1e-5, start=float(cells.reference.values.min()))
    label = r"$\log_{10}(E_{\mathrm{cell}} / \mathrm{MeV})$"
    panels.append(Panel(cells, edges, label, "hits per shower", log=True, lowest=1e-6))
    return draw_panels(comparison, panels, 5, width=3.3, height=3.4)


def layer_energies(comparison: ShowerComparison) -> Figure:
    """Energies of ten layers.

    Args:
        comparison: what to draw.
    """
    return _layers(comparison, ("E",), 10, 5)


def layer_hits(comparison: ShowerComparison) -> Figure:
    """Numbers of hits of ten layers.

    Args:
        comparison: what to draw.
    """
    return _layers(comparison, ("hits",), 10, 5)


def layer_shapes(comparison: ShowerComparison) -> Figure:
    """Centres and widths in x and y of five layers.

    Args:
        comparison: what to draw.
    """
    return _layers(comparison, ("x", "y", "width_x", "width_y"), 5, 5)


def worst_histograms(comparison: ShowerComparison) -> Figure:
    """The histograms whose separation power is largest in units of its floor.

    Args:
        comparison: what to draw.
    """
    found = [one for one in comparison.numbers.separations if one.kind.key in comparison.keys]
    ranked = sorted(found, key=lambda one: one.score.ratio or 0.0, reverse=True)[:_WORST]
    panels = [_panel(comparison, one.kind, f"{one.score.ratio or 0.0:.1f}") for one in ranked]
    return draw_panels(comparison, panels, 5, width=3.3, height=3.4)


def separations(comparison: ShowerComparison) -> Figure:
    """Separation powers of all layers over their floors.

    Args:
        comparison: what to draw.
    """
    layers = len(comparison.reference.geometry.layers)
    found = {one.kind.key: one.score.ratio for one in comparison.numbers.separations}
    table = np.array([[found[f"{kind}_{layer}"] or np.nan for layer in range(layers)] for kind in _SYMBOLS])
    names = [str(layer) for layer in range(layers)]
    figure = draw_ratios(table, list(_SYMBOLS.values()), names, "separation power / floor")
    figure.axes[0].set_xlabel("layer")
    figure.text(0.085, 0.97, comparison.title, ha="left", va="top")
    figure.text(0.905, 0.97, comparison.labels[0], ha="right", va="top", fontsize=9.5)
    return figure


def _layers(comparison: ShowerComparison, kinds: Sequence[str], number: int, columns: int) -> Figure:
    """Some layers, evenly chosen among those that most showers reach."""
    by_key = {q.key: q for q in quantities(len(comparison.reference.geometry.layers))}
    reached = np.flatnonzero((comparison.reference.layer_counts > 0).mean(0) > 0.05)
    first, last = (int(reached[0]), int(reached[-1])) if len(reached) else (0, 0)
    chosen = np.unique(np.linspace(first, last, number).round().astype(int)).tolist()
    panels = [_panel(comparison, by_key[f"{kind}_{layer}"], f"layer {layer}") for kind in kinds for layer in chosen]
    return draw_panels(comparison, panels, columns, width=3.3, height=3.2)


def _panel(comparison: ShowerComparison, kind: Quantity, note: str = "") -> Panel:
    columns = comparison.observable(kind.key)
    values = columns.reference.values
    edges = _whole_edges(values) if kind.whole else quantile_edges(values, 30)
    unit = f"  [{kind.unit}]" if kind.unit else ""
    label = _LABELS.get(kind.key, f"{_SYMBOLS.get(kind.key.rpartition('_')[0], kind.key)}{unit}")
    if note and not note.startswith("layer") and kind.key not in _LABELS:
        label += f", layer {kind.key.rpartition('_')[2]}"
    return Panel(columns, edges, label, "density", log=kind.whole or kind.group.startswith("layer"), note=note)


def _whole_edges(values: Array) -> Array:
    """Bins of whole numbers, about thirty."""
    low, high = np.quantile(values, [2e-4, 1 - 2e-4])
    step = max(1, int(np.ceil((high - low + 1) / 30)))
    edges: Array = np.arange(np.floor(low), high + step + 1, step) - 0.5
    return edges
