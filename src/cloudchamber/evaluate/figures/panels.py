"""One plot with its ratio panel: reference filled, candidate as a line, statistical uncertainties as bands.

The ratio panel shows candidate over reference. Its grey band is the reference's uncertainty, its coloured band the
candidate's; where the candidate is a member of an ensemble, a paler band adds the uncertainty of the model. Bins with
fewer than ten reference entries are left out of it, and triangles mark points beyond the axis. Pulls are the
differences in units of their standard deviation, where ten entries or more are expected.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.comparison import Columns, Comparison
from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.figures.style import (
    CANDIDATE,
    INK,
    REFERENCE,
    THIRD,
    PanelAxes,
    logarithmic,
    panel_grid,
    whole_numbers,
)
from cloudchamber.evaluate.sample import Column

__all__ = ["FEWEST_ENTRIES", "Panel", "draw_panel", "draw_panels", "finish", "ratio_panel"]

Array = NDArray[np.float64]
FEWEST_ENTRIES = 10
_FEW_AXES = 8
"""With more axes than this in a figure, minor ticks only cost time."""
_MANY_AXES = 16
"""With more axes than this in a figure, fewer ticks are drawn."""
_GREY = "#8c959f"
_PALE = 0.2
"""Opacity of the band that holds the uncertainty of the model."""


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
        third: the same quantity of a third sample, drawn as a dashed line.
        lowest: lower end of a logarithmic axis, in units of the highest bin.
    """

    columns: Columns
    edges: Array
    label: str
    density: str
    log: bool = False
    note: str = ""
    ratio_range: tuple[float, float] = (0.7, 1.3)
    third: Column | None = None
    lowest: float = 1e-3


def draw_panels(
    comparison: Comparison, panels: Sequence[Panel], columns: int, *, width: float = 3.6, height: float = 3.5,
    pulls: bool = False, third: str = "",
) -> Figure:  # fmt: skip
    """A figure of several plots.

    Args:
        comparison: what they show.
        panels: the plots.
        columns: most plots in a row.
        width: of one plot in inches.
        height: of one plot with its ratio in inches.
        pulls: whether to draw pulls below the ratios.
        third: name of the third sample, for the legend.
    """
    figure, axes = panel_grid(len(panels), columns, width=width, height=height, pulls=pulls)
    for pair, panel in zip(axes, panels, strict=True):
        draw_panel(pair, panel)
    return finish(figure, comparison, third)


def draw_panel(axes: PanelAxes, panel: Panel) -> None:
    """Draw a plot, its ratio and, where there are axes for them, its pulls.

    Args:
        axes: where.
        panel: what.
    """
    candidate, reference = panel.columns.histograms(panel.edges)
    axes.main.stairs(reference.density, reference.edges, fill=True, color=REFERENCE, alpha=0.45, lw=0)
    axes.main.stairs(reference.density, reference.edges, color=REFERENCE, lw=1.0)
    axes.main.stairs(candidate.density, candidate.edges, color=CANDIDATE, lw=1.4)
    _bands(axes.main, candidate, np.ones_like(candidate.density), CANDIDATE)
    _vertical_axis(axes.main, panel, (candidate, reference))
    axes.main.set_ylabel(panel.density)
    if panel.note:
        axes.main.text(0.95, 0.93, panel.note, transform=axes.main.transAxes, ha="right", va="top", fontsize=13)
    ratio_panel(axes.ratio, candidate, reference, panel.ratio_range)
    if panel.third is not None:
        _third_sample(axes, Histogram.fill(panel.third, panel.edges), reference, panel.ratio_range)
    if axes.pull is not None:
        _pull_panel(axes.pull, axes.main, candidate.pulls(reference, FEWEST_ENTRIES), panel.edges)
    axes.main.set_xlim(panel.edges[0], panel.edges[-1])
    axes.lowest.set_xlabel(panel.label)
    if len(axes.main.figure.axes) > _MANY_AXES:
        axes.main.xaxis.set_major_locator(MaxNLocator(nbins=5))
    if panel.edges[0] == -0.5 and np.all(np.diff(panel.edges) == 1):
        whole_numbers(axes.lowest)


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
    base = _denominator(reference)
    ratio = candidate.density / base
    _band(axes, reference.edges, np.where(np.isnan(base), np.nan, 1.0), reference.error / base, _GREY)
    _bands(axes, candidate, base, color)
    axes.stairs(ratio, reference.edges, color=color, lw=1.3, baseline=None)
    axes.axhline(1.0, color=INK, lw=0.8, ls=(0, (4, 3)))
    for beyond, marker, at in ((ratio > limits[1], "^", limits[1]), (ratio < limits[0], "v", limits[0])):
        axes.plot(reference.centers[beyond], np.full(beyond.sum(), at), marker, color=color, ms=4, clip_on=False)
    axes.set_ylim(*limits)
    axes.set_ylabel("ratio")


def finish(figure: Figure, comparison: Comparison, third: str = "") -> Figure:
    """Put the legend and the beams on top.

    Args:
        figure: made with `panel_grid`.
        comparison: what it shows.
        third: name of the third sample; none by default.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    candidate, reference = comparison.labels
    handles: list[Patch | Line2D] = [
        Patch(facecolor=REFERENCE, alpha=0.6, label=reference), Patch(facecolor=CANDIDATE, label=candidate),
    ]  # fmt: skip
    if comparison.members:
        closure = "" if comparison.training is None else " and training sample"
        text = f"statistics and model, {len(comparison.members) + 1} members{closure}"
        handles.append(Patch(facecolor=CANDIDATE, alpha=_PALE, label=text))
    if third:
        handles.append(Line2D([], [], color=THIRD, ls=(0, (4, 2)), lw=1.4, label=third))
    left, right, top = 0.05 / figure.get_figwidth(), 1 - 0.14 / figure.get_figwidth(), 1 - 0.06 / figure.get_figheight()
    figure.text(6 * left, top, comparison.title, ha="left", va="top", fontsize=11)
    figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(right, top), ncols=2 if len(handles) > 2 else 1,
                  borderaxespad=0, borderpad=0, labelspacing=0.25)  # fmt: skip
    return figure


def _denominator(reference: Histogram) -> Array:
    seen = (reference.entries >= FEWEST_ENTRIES) & (reference.density > 0)
    return np.where(seen, reference.density, np.nan)


def _third_sample(axes: PanelAxes, third: Histogram, reference: Histogram, limits: tuple[float, float]) -> None:
    ratio = np.clip(third.density / _denominator(reference), *limits)
    for where, values in ((axes.main, third.density), (axes.ratio, ratio)):
        where.stairs(values, third.edges, baseline=None, color=THIRD, lw=1.2, ls=(0, (4, 2)))


def _pull_panel(axes: Axes, main: Axes, pulls: Array, edges: Array) -> None:
    """Pulls as bars, the band of two standard deviations, and chi2 per bin."""
    axes.axhspan(-2, 2, color=_GREY, alpha=0.2, lw=0)
    axes.stairs(np.clip(np.nan_to_num(pulls), -4.6, 4.6), edges, fill=True, color=CANDIDATE, alpha=0.85)
    axes.axhline(0, color=INK, lw=0.8)
    axes.set_ylim(-5, 5)
    axes.set_yticks([-4, 0, 4])
    axes.set_ylabel("pull")
    counted = pulls[np.isfinite(pulls)]
    text = f"χ² / bins = {(counted**2).sum():.0f} / {len(counted)}"
    main.text(0.04, 0.95, text, transform=main.transAxes, ha="left", va="top", fontsize=9)


def _bands(axes: Axes, candidate: Histogram, base: Array, color: str) -> None:
    """The statistical band of a candidate in units of `base`, and around it that with the model's uncertainty."""
    middle = candidate.density / base
    if candidate.model is not None:
        _band(axes, candidate.edges, middle, candidate.total_error / base, color, alpha=_PALE)
    _band(axes, candidate.edges, middle, candidate.error / base, color)


def _band(axes: Axes, edges: Array, middle: Array, half: Array, color: str, *, alpha: float = 0.3) -> None:
    axes.stairs(middle + half, edges, baseline=middle - half, fill=True, color=color, alpha=alpha, lw=0)


def _vertical_axis(axes: Axes, panel: Panel, histograms: tuple[Histogram, Histogram]) -> None:
    top = max(float(h.density.max()) for h in histograms)
    if not panel.log:
        axes.set_ylim(0, 1.25 * top or 1.0)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
        return
    seen = histograms[1].density[histograms[1].density > 0]
    low = 0.4 * float(seen.min()) if len(seen) else 1e-6
    logarithmic(axes, minor=len(axes.figure.axes) <= _FEW_AXES)
    axes.set_ylim(min(low, panel.lowest * top or low), 6 * top or 1.0)
