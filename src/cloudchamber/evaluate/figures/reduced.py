"""The reduced neutral-current cross-section against Q2 in bins of x: figure 10 of arXiv:2310.16308."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.style import CANDIDATE, INK, REFERENCE, THIRD
from cloudchamber.evaluate.sample import Sample
from cloudchamber.physics.cross_section import Plane, Reduced, measure
from cloudchamber.physics.kinematics import center_of_mass_energy

__all__ = ["reduced_cross_section"]

Array = NDArray[np.float64]
_Y_RANGE = (0.02, 0.95)
_FEWEST = 10
_COLUMNS = 4
_TICKS = (2, 5, 10, 20, 30, 50, 70, 100, 200, 300, 500, 1000, 2000, 3000, 5000)
"""Values of Q2 that are written, GeV^2."""


class _Measured(NamedTuple):
    candidate: Reduced
    reference: Reduced
    images: Reduced


def reduced_cross_section(comparison: Comparison) -> Figure:
    """The reduced cross-section of candidate, reference and pixelated reference, and its ratio.

    A sample without a cross-section takes that of the other; without any, the sum over the sample is one.

    Args:
        comparison: what to draw.
    """
    plane, sigma = _plane(comparison), _cross_section(comparison)
    candidate = _measured(comparison.candidate, plane, sigma or 1.0)
    reference = _measured(comparison.reference, plane, sigma or 1.0)
    found = _Measured(candidate, reference, _measured(comparison.few.pixelated(), plane, sigma or 1.0))
    expected = reference.entries * plane.inside * min(1.0, len(comparison.candidate) / len(comparison.reference))
    rows = [i for i in range(len(plane.x) - 1) if (expected[i] >= _FEWEST).sum() >= 2]
    most = 2 * _COLUMNS
    rows = [rows[k] for k in np.linspace(0, len(rows) - 1, most).round().astype(int)] if len(rows) > most else rows
    high = -(-max(len(rows), 1) // _COLUMNS)
    figure = Figure(figsize=(14.4, 3.6 * high + 1.0))
    outer = figure.add_gridspec(high, _COLUMNS, left=0.06, right=0.99, bottom=0.55 / (3.6 * high + 1),
                                top=1 - 0.85 / (3.6 * high + 1), wspace=0.28, hspace=0.3)  # fmt: skip
    for k, i in enumerate(rows):
        inner = outer[k // _COLUMNS, k % _COLUMNS].subgridspec(2, 1, height_ratios=(2.4, 1.3), hspace=0.08)
        main = figure.add_subplot(inner[0])
        ratio = figure.add_subplot(inner[1], sharex=main)
        _row(main, ratio, found, plane, i)
        if k % _COLUMNS == 0:
            main.set_ylabel(r"$\sigma_\mathrm{r}$" if sigma else r"$\sigma_\mathrm{r} / \sigma$  [1/pb]")
            ratio.set_ylabel("ratio")
    _legend(figure, comparison)
    return figure


def _plane(comparison: Comparison) -> Plane:
    beams, cuts = comparison.reference.beams, comparison.reference.events.run.cuts
    Q2 = comparison.reference.dis.Q2
    low = cuts.q2_min or float(np.quantile(Q2, 0.001))
    high = min(0.95 * center_of_mass_energy(beams) ** 2, max(4 * low, float(np.quantile(Q2, 0.9995))))
    x = np.geomspace(low / (0.9 * center_of_mass_energy(beams) ** 2), 0.8, 12)
    return Plane.within(x, np.geomspace(low, high, 13), beams, Q2_min=low, y=_Y_RANGE)


def _cross_section(comparison: Comparison) -> float | None:
    """Cross-section of the reference in pb; one number for all, so that the ratio compares shapes."""
    runs = comparison.reference.events.run, comparison.candidate.events.run
    return next((run.cross_section_pb for run in runs if run.cross_section_pb), None)


def _measured(sample: Sample, plane: Plane, sigma: float) -> Reduced:
    found = sample.dis
    return measure(found.x, found.Q2, sample.weight, cross_section_pb=sigma, plane=plane, beams=sample.beams)


def _row(main: Axes, ratio: Axes, found: _Measured, plane: Plane, i: int) -> None:
    base = np.where(found.reference.entries[i] >= _FEWEST, found.reference.value[i], np.nan)
    at = np.sqrt(plane.Q2[1:] * plane.Q2[:-1])
    main.stairs(base, plane.Q2, baseline=None, color=REFERENCE, lw=2.2)
    error = found.reference.error[i]
    main.stairs(base + error, plane.Q2, baseline=base - error, fill=True, color=REFERENCE, alpha=0.35, lw=0)
    images = np.where(found.images.entries[i] >= _FEWEST, found.images.value[i], np.nan)
    main.plot(at * 1.04, images, "x", color=THIRD, ms=5, mew=1.4)
    enough = found.candidate.entries[i] >= _FEWEST
    value = np.where(enough, found.candidate.value[i], np.nan)
    main.errorbar(at, value, found.candidate.error[i], fmt="o", color=CANDIDATE, ms=4, lw=1.2)
    main.set_xscale("log")
    ratio.xaxis.set_major_locator(FixedLocator(_TICKS))
    ratio.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ratio.xaxis.set_minor_locator(NullLocator())
    top = np.nanmax(base + error, initial=0.01)
    main.set_ylim(0, 1.35 * top)
    text = rf"${plane.x[i]:.2g} < x < {plane.x[i + 1]:.2g}$"
    main.text(0.05, 0.93, text, transform=main.transAxes, ha="left", va="top", fontsize=10)
    main.tick_params(labelbottom=False)
    ratio.stairs(1 + error / base, plane.Q2, baseline=1 - error / base, fill=True, color=REFERENCE, alpha=0.35, lw=0)
    ratio.plot(at * 1.04, np.clip(images / base, 0.52, 1.48), "x", color=THIRD, ms=5, mew=1.4)
    ratio.errorbar(at, value / base, found.candidate.error[i] / base, fmt="o", color=CANDIDATE, ms=4, lw=1.2)
    ratio.axhline(1.0, color=INK, lw=0.8, ls=(0, (4, 3)))
    ratio.set_ylim(0.5, 1.5)
    inside = np.flatnonzero(np.isfinite(base))
    ratio.set_xlim(plane.Q2[inside[0]], plane.Q2[inside[-1] + 1])
    ratio.set_xlabel(r"$Q^2$  [GeV$^2$]")


def _legend(figure: Figure, comparison: Comparison) -> None:
    from matplotlib.lines import Line2D

    candidate, reference = comparison.labels
    handles = [
        Line2D([], [], color=REFERENCE, lw=2.2, label=reference),
        Line2D([], [], color=CANDIDATE, marker="o", ms=4, lw=1.2, label=candidate),
        Line2D([], [], color=THIRD, marker="x", ls="", mew=1.4, label="reference in 64 x 64 pixels"),
    ]
    high = figure.get_figheight()
    figure.text(0.06, 1 - 0.08 / high, comparison.title, ha="left", va="top", fontsize=11)
    figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(0.99, 1 - 0.06 / high), ncols=2,
                  borderaxespad=0, borderpad=0)  # fmt: skip
