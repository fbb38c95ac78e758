"""Response and resolution against the incident energy, with the difference of candidate and reference below."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.panels import finish
from cloudchamber.evaluate.figures.style import CANDIDATE, INK, REFERENCE, PanelAxes, panel_grid
from cloudchamber.evaluate.showers.figures.comparison import ShowerComparison

__all__ = ["linearity"]

Array = NDArray[np.float64]


def linearity(comparison: ShowerComparison) -> Figure:
    """Mean response and resolution in bins of the incident energy.

    Args:
        comparison: what to draw.
    """
    found = comparison.numbers.responses
    a, b, edges = found.candidate, found.reference, found.edges / 1e3
    figure, axes = panel_grid(2, 2, width=6.4, height=4.6)
    mean = (100 * b.mean, 100 * b.mean_error), (100 * a.mean, 100 * a.mean_error)
    spread = (100 * b.resolution, 100 * b.resolution_error), (100 * a.resolution, 100 * a.resolution_error)
    _values(axes[0], edges, *mean, r"$\langle E_{\mathrm{vis}} / E_{\mathrm{inc}} \rangle$  [%]")
    _values(axes[1], edges, *spread, "resolution  [%]")
    axes[1].main.set_ylim(bottom=0)
    _difference(axes[0].ratio, edges, found.mean_difference, found.mean_difference_error, b.mean_error / b.mean)
    _difference(axes[1].ratio, edges, found.resolution_difference, found.resolution_difference_error,
                b.resolution_error / b.resolution)  # fmt: skip
    return finish(figure, comparison)


def _values(
    axes: PanelAxes, edges: Array, reference: tuple[Array, Array], candidate: tuple[Array, Array], name: str
) -> None:
    middle = np.sqrt(edges[1:] * edges[:-1])
    value, error = reference
    axes.main.stairs(value, edges, baseline=None, color=REFERENCE, lw=1.4)
    axes.main.stairs(value + error, edges, baseline=value - error, fill=True, color=REFERENCE, alpha=0.45, lw=0)
    axes.main.errorbar(middle, *candidate, fmt="o", color=CANDIDATE, ms=4.5, capsize=2.5)
    both = np.concatenate([value - error, value + error, candidate[0] - candidate[1], candidate[0] + candidate[1]])
    low, high = np.nanmin(both), np.nanmax(both)
    axes.main.set_ylim(low - 0.25 * (high - low), high + 0.25 * (high - low))
    axes.main.set_ylabel(name)
    axes.main.set_xscale("log")
    axes.main.set_xlim(edges[0], edges[-1])
    lowest = axes.lowest.xaxis
    lowest.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    lowest.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    lowest.set_minor_formatter(NullFormatter())
    axes.lowest.set_xlabel("incident energy  [GeV]")


def _difference(axes: Axes, edges: Array, difference: Array, error: Array, band: Array) -> None:
    """Relative difference in per cent, with the reference's error as a band."""
    middle = np.sqrt(edges[1:] * edges[:-1])
    axes.stairs(100 * band, edges, baseline=-100 * band, fill=True, color=REFERENCE, alpha=0.45, lw=0)
    axes.errorbar(middle, 100 * difference, 100 * error, fmt="o", color=CANDIDATE, ms=4, capsize=2)
    axes.axhline(0.0, color=INK, lw=0.8, ls=(0, (4, 3)))
    limit = 1.25 * float(np.nanmax(100 * (np.abs(difference) + error), initial=0.5))
    axes.set_ylim(-limit, limit)
    axes.set_ylabel("diff.  [%]")
