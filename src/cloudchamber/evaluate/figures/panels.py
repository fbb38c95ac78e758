"""One plot with its ratio panel: reference filled, candidate as a line, statistical uncertainties as bands.

The ratio panel shows candidate over reference. Its grey band is the reference's uncertainty, its coloured band the
candidate's. Bins with fewer than ten reference entries are left out of it, and triangles mark points beyond the axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.comparison import Columns, Comparison
from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.figures.style import CANDIDATE, INK, REFERENCE, PanelAxes, panel_grid, whole_numbers

__all__ = ["FEWEST_ENTRIES", "Panel", "draw_panel", "draw_panels", "finish", "ratio_panel"]

Array = NDArray[np.float64]
FEWEST_ENTRIES = 10
_MANY_AXES = 16
"""With more axes than this in a figure, minor ticks only cost time."""


@dataclass(frozen=True)
class Panel:
    """What one plot shows.

    Attributes:
        columns: the quantity.
        edges: bins.
        label: of the horizontal axis, with its unit.
        density: of the vertical axis.
        log: whether the vertical axis is logarithmic.
        note: what particles it is, written inside.
        ratio_range: of the ratio panel.
    """

    columns: Columns
    edges: Array
    label: str
    density: str
    log: bool = False
    note: str = ""
    ratio_range: tuple[float, float] = (0.7, 1.3)


def draw_panels(
    comparison: Comparison, panels: Sequence[Panel], columns: int, *, width: float = 3.6, height: float = 3.5
) -> Figure:
    """A figure of several plots.

    Args:
        comparison: what they show.
        panels: the plots.
        columns: most plots in a row.
        width: of one plot in inches.
        height: of one plot with its ratio in inches.
    """
    figure, axes = panel_grid(len(panels), columns, width=width, height=height)
    for pair, panel in zip(axes, panels, strict=True):
        draw_panel(pair, panel)
    return finish(figure, comparison)


def draw_panel(axes: PanelAxes, panel: Panel) -> None:
    """Draw a plot and its ratio.

    Args:
        axes: where.
        panel: what.
    """
    candidate, reference = panel.columns.histograms(panel.edges)
    axes.main.stairs(reference.density, reference.edges, fill=True, color=REFERENCE, alpha=0.45, lw=0)
    axes.main.stairs(reference.density, reference.edges, color=REFERENCE, lw=1.0)
    axes.main.stairs(candidate.density, candidate.edges, color=CANDIDATE, lw=1.4)
    _band(axes.main, candidate.edges, candidate.density, candidate.error, CANDIDATE)
    _vertical_axis(axes.main, panel, (candidate, reference))
    axes.main.set_ylabel(panel.density)
    if panel.note:
        axes.main.text(0.95, 0.93, panel.note, transform=axes.main.transAxes, ha="right", va="top", fontsize=13)
    ratio_panel(axes.ratio, candidate, reference, panel.ratio_range)
    axes.ratio.set_xlim(panel.edges[0], panel.edges[-1])
    axes.ratio.set_xlabel(panel.label)
    if panel.edges[0] == -0.5 and np.all(np.diff(panel.edges) == 1):
        whole_numbers(axes.ratio)


def ratio_panel(
    axes: Axes, candidate: Histogram, reference: Histogram, limits: tuple[float, float], color: str = CANDIDATE
) -> None:
    """Draw candidate over reference.

    Args:
        axes: where.
        candidate: the numerator.
        reference: the denominator, with the same bins.
        limits: of the vertical axis.
        color: of the candidate.
    """
    seen = (reference.entries >= FEWEST_ENTRIES) & (reference.density > 0)
    base = np.where(seen, reference.density, np.nan)
    ratio, error = candidate.density / base, candidate.error / base
    _band(axes, reference.edges, np.where(seen, 1.0, np.nan), reference.error / base, "#8c959f")
    _band(axes, reference.edges, ratio, error, color)
    axes.stairs(ratio, reference.edges, color=color, lw=1.3, baseline=None)
    axes.axhline(1.0, color=INK, lw=0.8, ls=(0, (4, 3)))
    for beyond, marker, at in ((ratio > limits[1], "^", limits[1]), (ratio < limits[0], "v", limits[0])):
        axes.plot(reference.centers[beyond], np.full(beyond.sum(), at), marker, color=color, ms=4, clip_on=False)
    axes.set_ylim(*limits)
    axes.set_ylabel("ratio")


def finish(figure: Figure, comparison: Comparison) -> Figure:
    """Put the legend and the beams on top.

    Args:
        figure: made with `panel_grid`.
        comparison: what it shows.
    """
    from matplotlib.patches import Patch

    candidate, reference = comparison.labels
    handles = [Patch(facecolor=REFERENCE, alpha=0.6, label=reference), Patch(facecolor=CANDIDATE, label=candidate)]
    left, right, top = 0.05 / figure.get_figwidth(), 1 - 0.14 / figure.get_figwidth(), 1 - 0.06 / figure.get_figheight()
    figure.text(6 * left, top, comparison.title, ha="left", va="top", fontsize=11)
    figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(right, top), ncols=1, borderaxespad=0,
                  borderpad=0, labelspacing=0.25)  # fmt: skip
    return figure


def _band(axes: Axes, edges: Array, middle: Array, half: Array, color: str) -> None:
    axes.stairs(middle + half, edges, baseline=middle - half, fill=True, color=color, alpha=0.3, lw=0)


def _vertical_axis(axes: Axes, panel: Panel, histograms: tuple[Histogram, Histogram]) -> None:
    top = max(float(h.density.max()) for h in histograms)
    if not panel.log:
        axes.set_ylim(0, 1.25 * top or 1.0)
        return
    seen = histograms[1].density[histograms[1].density > 0]
    low = 0.4 * float(seen.min()) if len(seen) else 1e-6
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    if len(axes.figure.axes) > _MANY_AXES:
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(min(low, 1e-3 * top or low), 6 * top or 1.0)
