"""Figures of muons and jets: spectra with ratio panels for any number of candidates, and planes of two quantities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.figures.style import (
    CANDIDATE,
    INK,
    PALETTE,
    REFERENCE,
    PanelAxes,
    logarithmic,
    panel_grid,
)
from cloudchamber.evaluate.sample import Column
from cloudchamber.evaluate.zjets.quantities import Quantity, quantities
from cloudchamber.physics.zjets import R_MIN

__all__ = ["COLOURS", "JetTables", "draw_plane", "draw_spectra"]

Array = NDArray[np.float64]
_COLUMNS = 4
_RATIO = (0.85, 1.15)
_DECADE = 10.0
COLOURS = (CANDIDATE, *(colour for colour in PALETTE if colour != CANDIDATE))
_LOWEST = 1e-3
"""Of a logarithmic axis, in units of the highest bin."""


class _Values(NamedTuple):
    x: Array
    weight: Array


@dataclass(frozen=True)
class JetTables:
    """Samples of one number of jets to be drawn side by side.

    Attributes:
        jets: how many.
        reference: quantities and weights of the reference, shapes (N, quantities) and (N,).
        candidates: the same of candidates by name; at most four.
        title: for the top of a figure.
        known: what the reference is called.
        largest_error: of a ratio that is drawn; bins of a candidate with larger ones have none.
        bands: of quantities by key, the first candidate's spectrum with the uncertainty of its model.
    """

    jets: int
    reference: tuple[Array, Array]
    candidates: Mapping[str, tuple[Array, Array]]
    title: str = ""
    known: str = "reference"
    largest_error: float = np.inf
    bands: Mapping[str, Histogram] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Keys of the columns."""
        return [quantity.key for quantity in quantities(self.jets)]


def draw_spectra(tables: JetTables, keys: Sequence[str] | None = None) -> Figure:
    """Spectra, with ratios to the reference below.

    Args:
        tables: what to draw.
        keys: of the quantities; all by default.
    """
    known = quantities(tables.jets)
    chosen = [(k, q) for k, q in enumerate(known) if keys is None or q.key in keys]
    figure, axes = panel_grid(len(chosen), _COLUMNS, width=3.4, height=3.1)
    for pair, (k, quantity) in zip(axes, chosen, strict=True):
        _draw_spectrum(pair, tables, k, quantity)
    handles: list[Patch | Line2D] = [Patch(color=REFERENCE, alpha=0.45, label=tables.known)]
    handles += [
        Line2D([], [], color=color, label=name) for name, color in zip(tables.candidates, COLOURS, strict=False)
    ]
    figure.legend(handles=handles, loc="upper right", ncols=len(handles), bbox_to_anchor=(0.995, 0.999))
    plural = "jet" if tables.jets == 1 else "jets"
    figure.text(0.01, 0.993, tables.title or rf"$pp \to Z(\mu\mu)$ + {tables.jets} {plural}", ha="left", va="top")
    return figure


def _draw_spectrum(axes: PanelAxes, tables: JetTables, column: int, quantity: Quantity) -> None:
    reference = _Values(*tables.reference)
    edges = quantity.edges(reference.x[:, column])
    truth = Histogram.fill(Column.per_event(reference.x[:, column], reference.weight), edges)
    axes.main.stairs(truth.density, edges, fill=True, color=REFERENCE, alpha=0.45, lw=0)
    _band(axes.ratio, edges, np.ones(len(truth.density)), _over(truth.error, truth), REFERENCE)
    for number, (candidate, color) in enumerate(zip(tables.candidates.values(), COLOURS, strict=False)):
        values = _Values(*candidate)
        made = Histogram.fill(Column.per_event(values.x[:, column], values.weight), edges)
        if number == 0 and quantity.key in tables.bands:
            made = tables.bands[quantity.key]
        axes.main.stairs(made.density, edges, color=color, lw=1.2)
        ratio, error = _over(made.density, truth), _over(made.total_error, truth)
        ratio = np.where(error <= tables.largest_error, ratio, np.nan)
        axes.ratio.stairs(ratio, edges, baseline=None, color=color, lw=1.1)
        _band(axes.ratio, edges, ratio, error, color)
    _finish(axes, quantity, edges, float(truth.density.max()))


def _over(values: Array, truth: Histogram) -> Array:
    """Values over the reference's density, NaN where it is zero."""
    return np.divide(values, truth.density, out=np.full_like(values, np.nan), where=truth.density > 0)


def _band(axes: Axes, edges: Array, middle: Array, half: Array, color: str) -> None:
    axes.stairs(middle + half, edges, baseline=middle - half, fill=True, color=color, alpha=0.22, lw=0)


def _finish(axes: PanelAxes, quantity: Quantity, edges: Array, top: float) -> None:
    if quantity.log:
        logarithmic(axes.main, minor=False)
        axes.main.set_ylim(_LOWEST * top, 3 * top)
    else:
        axes.main.set_ylim(0, 1.25 * top)
    axes.main.set_xlim(edges[0], edges[-1])
    axes.main.set_ylabel(f"1/N dN/dx [1/{quantity.unit}]" if quantity.unit else "1/N dN/dx")
    axes.ratio.axhline(1, color=INK, lw=0.8)
    for side in (-0.02, 0.02):
        axes.ratio.axhline(1 + side, color=INK, lw=0.6, ls=":")
    axes.ratio.set_ylim(*_RATIO)
    axes.ratio.set_yticks([0.9, 1.0, 1.1])
    axes.ratio.set_ylabel("ratio")
    axes.lowest.set_xlabel(quantity.label)


def draw_plane(tables: JetTables, keys: tuple[str, str]) -> Figure:
    """The plane of two quantities, one map for the reference and each candidate, where a cut on Delta R is a gap.

    Args:
        tables: what to draw.
        keys: of the quantities on the horizontal and the vertical axis.
    """
    places = [tables.names().index(key) for key in keys]
    known = [quantities(tables.jets)[k] for k in places]
    samples = {tables.known: tables.reference, **tables.candidates}
    edges = [_plane_edges(q, tables.reference[0][:, k]) for q, k in zip(known, places, strict=True)]
    maps = {name: _map(_Values(*sample), places, edges) for name, sample in samples.items()}
    top = max(float(grid.max()) for grid in maps.values())
    low = max(1e-4 * top, min(float(grid[grid > 0].min()) for grid in maps.values()))
    wide = 3.1 * len(maps) + 1.5
    figure = Figure(figsize=(wide, 3.8))
    for k, (name, grid) in enumerate(maps.items()):
        axes = figure.add_axes(((0.6 + 3.1 * k) / wide, 0.15, 2.6 / wide, 0.68))
        shown = np.ma.masked_equal(grid.T, 0)
        mesh = axes.pcolormesh(edges[0], edges[1], shown, norm=LogNorm(low, top), cmap="viridis", rasterized=True)
        axes.set_title(f"{name}\n{len(samples[name][0]):,} events")
        axes.set_xlabel(known[0].label)
        if k == 0:
            axes.set_ylabel(known[1].label)
        _mark_cut(axes, keys)
    bar = figure.add_axes((1 - 1.25 / wide, 0.15, 0.13 / wide, 0.68))
    figure.colorbar(mesh, cax=bar, label="share of events in a cell")
    if top < _DECADE * low:
        bar.yaxis.set_minor_formatter(NullFormatter())
    return figure


def _plane_edges(quantity: Quantity, reference: Array) -> Array:
    if quantity.key.startswith("dR"):
        return np.arange(0, 5.01, 0.1)
    return quantity.edges(reference, 60)


def _map(values: _Values, places: Sequence[int], edges: Sequence[Array]) -> Array:
    found, *_ = np.histogram2d(values.x[:, places[0]], values.x[:, places[1]], bins=list(edges), weights=values.weight)
    out: Array = found / values.weight.sum()
    return out


def _mark_cut(axes: Axes, keys: tuple[str, str]) -> None:
    """Where jets may not be."""
    line = {"color": CANDIDATE, "lw": 1.4, "ls": "--"}
    if keys[0].startswith("dR_j"):
        axes.axvline(R_MIN, **line)  # type: ignore[arg-type]
    if keys[1].startswith("dR_j"):
        axes.axhline(R_MIN, **line)  # type: ignore[arg-type]
    if keys[0].startswith("dphi_j") and keys[1].startswith("deta_j"):
        angle = np.linspace(0, 2 * np.pi, 200)
        axes.plot(R_MIN * np.cos(angle), R_MIN * np.sin(angle), **line)  # type: ignore[arg-type]
