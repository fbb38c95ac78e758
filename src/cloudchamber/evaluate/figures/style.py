"""One style for all figures: colours that colour-blind readers tell apart, ratio panels, units, no clutter.

Colours are of the palette of Okabe and Ito. The ink is one colour that occurs nowhere else, so that a page may
replace it by its own text colour, in light and in dark.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["CANDIDATE", "INK", "PALETTE", "REFERENCE", "PanelAxes", "house_style", "panel_grid", "whole_numbers"]

INK = "#1f2328"
REFERENCE = "#56b4e9"
CANDIDATE = "#d55e00"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")

_LEFT, _RIGHT, _HEAD, _BOTTOM, _GAP, _FLOOR = 0.72, 0.14, 0.6, 0.52, 0.78, 0.62
"""Margins of a grid of panels in inches: around it, and between its columns and rows."""

_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.0,
    "mathtext.fontset": "dejavusans",
    "axes.linewidth": 0.9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11.0,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    "svg.hashsalt": "cloudchamber",
    "svg.fonttype": "path",
    "path.simplify": True,
}


class PanelAxes(NamedTuple):
    """A plot and the ratio below it."""

    main: Axes
    ratio: Axes


@contextmanager
def house_style() -> Iterator[None]:
    """The style, for the figures that are made and saved inside the block."""
    with mpl.rc_context(_RC):
        yield


def panel_grid(n: int, columns: int, *, width: float = 3.6, height: float = 3.5) -> tuple[Figure, list[PanelAxes]]:
    """A figure of plots with ratio panels, in rows, with room for a legend on top.

    Args:
        n: number of plots.
        columns: most plots in a row.
        width: of one plot in inches.
        height: of one plot with its ratio in inches.
    """
    columns = min(n, columns)
    rows = -(-n // columns)
    wide, high = width * columns, height * rows + _HEAD
    figure = Figure(figsize=(wide, high))
    outer = figure.add_gridspec(
        rows, columns, left=_LEFT / wide, right=1 - _RIGHT / wide, top=1 - _HEAD / high, bottom=_BOTTOM / high,
        wspace=_spacing(wide - _LEFT - _RIGHT, columns, _GAP), hspace=_spacing(high - _HEAD - _BOTTOM, rows, _FLOOR),
    )  # fmt: skip
    axes = []
    for k in range(n):
        inner = outer[k // columns, k % columns].subgridspec(2, 1, height_ratios=(3, 1.25), hspace=0.07)
        main = figure.add_subplot(inner[0])
        ratio = figure.add_subplot(inner[1], sharex=main)
        main.tick_params(labelbottom=False)
        axes.append(PanelAxes(main, ratio))
    return figure, axes


def whole_numbers(axes: Axes) -> None:
    """Tick the horizontal axis at whole numbers only.

    Args:
        axes: which.
    """
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def _spacing(length: float, cells: int, gap: float) -> float:
    """A gap in inches as matplotlib counts it, in units of the mean cell."""
    return gap / ((length - gap * (cells - 1)) / cells)
