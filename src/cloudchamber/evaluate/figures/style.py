"""One style for all figures: colours that colour-blind readers tell apart, ratio panels, units, no clutter.

Colours are of the palette of Okabe and Ito. The ink is one colour that occurs nowhere else, so that a page may
replace it by its own text colour, in light and in dark.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

__all__ = [
    "CANDIDATE", "INK", "PALETTE", "REFERENCE", "THIRD", "PanelAxes", "house_style", "logarithmic", "panel_grid",
    "whole_numbers",
]  # fmt: skip

INK = "#1f2328"
REFERENCE = "#56b4e9"
CANDIDATE = "#d55e00"
THIRD = "#009e73"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")

_LEFT, _RIGHT, _HEAD, _BOTTOM, _GAP, _FLOOR = 0.72, 0.14, 0.6, 0.52, 0.78, 0.62
"""Margins of a grid of panels in inches: around it, and between its columns and rows."""
_Y_LABEL, _X_LABEL = 0.46, 0.27
"""Distances of labels from their axes in inches."""

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


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class PanelAxes(NamedTuple):
    """A plot, the ratio below it and, where there is room, the pulls below that."""

    main: Axes
    ratio: Axes
    pull: Axes | None = None

    @property
    def lowest(self) -> Axes:
        """The axes that carry the horizontal label."""
        return self.ratio if self.pull is None else self.pull


@contextmanager
def house_style() -> Iterator[None]:
    """The style, for the figures that are made and saved inside the block."""
    with mpl.rc_context(_RC):
        yield


def panel_grid(
    n: int, columns: int, *, width: float = 3.6, height: float = 3.5, pulls: bool = False
) -> tuple[Figure, list[PanelAxes]]:
    """A figure of plots with ratio panels, in rows, with room for a legend on top.

    Args:
        n: number of plots.
        columns: most plots in a row.
        width: of one plot in inches.
        height: of one plot with its ratio in inches.
        pulls: whether a panel of pulls comes below the ratio.
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
        shares = (3, 1.25, 0.9) if pulls else (3, 1.25)
        inner = outer[k // columns, k % columns].subgridspec(len(shares), 1, height_ratios=shares, hspace=0.09)
        main = figure.add_subplot(inner[0])
        below = [figure.add_subplot(inner[i], sharex=main) for i in range(1, len(shares))]
        for upper in (main, *below[:-1]):
            upper.xaxis.set_visible(False)
        for cell in (main, *below):
            _fix_labels(cell)
        axes.append(PanelAxes(main, *below))
    return figure, axes


def _fix_labels(axes: Axes) -> None:
    """Put the labels of the axes at fixed distances, where they line up and need not be measured."""
    inches = axes.figure.dpi_scale_trans
    axes.yaxis.set_label_coords(0, 0.5, axes.transAxes + ScaledTranslation(-_Y_LABEL, 0, inches))
    axes.xaxis.set_label_coords(0.5, 0, axes.transAxes + ScaledTranslation(0, -_X_LABEL, inches))


def logarithmic(axes: Axes, *, minor: bool = True) -> None:
    """Make the vertical axis logarithmic, with powers of ten in plain text, which draws faster than formulae.

    Args:
        axes: which.
        minor: whether it has minor ticks.
    """
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _power_of_ten(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    if not minor:
        axes.yaxis.set_minor_locator(NullLocator())


def _power_of_ten(value: float) -> str:
    exponent = round(math.log10(value)) if value > 0 else 0
    return "10" + str(exponent).translate(_RAISED)


def whole_numbers(axes: Axes) -> None:
    """Tick the horizontal axis at whole numbers only.

    Args:
        axes: which.
    """
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def _spacing(length: float, cells: int, gap: float) -> float:
    """A gap in inches as matplotlib counts it, in units of the mean cell."""
    return gap / ((length - gap * (cells - 1)) / cells)
