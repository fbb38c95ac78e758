"""Showers to look at: a few of the candidate's, each beside the reference's of the nearest incident energy.

The showers are the first of each quarter of the energies, so nobody chose them. From the side the energy is summed
over y, from the front over the layers.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.style import CANDIDATE, INK, REFERENCE
from cloudchamber.evaluate.showers.figures.comparison import ShowerComparison
from cloudchamber.events import Geometry, Showers

__all__ = ["choose_pairs", "displays"]

Array = NDArray[np.float64]
_SHOWN = 4
_POLAR_BINS = 41


class Pair(NamedTuple):
    """A shower of the candidate and the reference's of the nearest energy, each as a sample of one."""

    candidate: Showers
    reference: Showers


class _Views(NamedTuple):
    """One shower from the side, (x, layer), and from the front, (y, x), MeV."""

    side: Array
    front: Array


def choose_pairs(candidate: Showers, reference: Showers, number: int = _SHOWN) -> list[Pair]:
    """The first shower of each part of the energies, and its like.

    Args:
        candidate: at least one shower.
        reference: where to look for their likes.
        number: parts of the energies.
    """
    edges = np.quantile(candidate.incident_energy, np.linspace(0, 1, number + 1))
    found, energies = [], candidate.incident_energy
    for low, high in pairwise(edges.tolist()):
        k = int(np.flatnonzero((energies >= low) & (energies <= high))[0])
        likest = int(np.argmin(np.abs(np.log(reference.incident_energy / energies[k]))))
        found.append(Pair(candidate[k : k + 1], reference[likest : likest + 1]))
    return found


def displays(comparison: ShowerComparison) -> Figure:
    """Four showers of each sample from the side and from the front.

    Args:
        comparison: what to draw.
    """
    pairs = choose_pairs(comparison.candidate, comparison.reference)
    figure = Figure(figsize=(14.4, 3.1 * len(pairs) + 0.9))
    top = 1 - 0.1 / figure.get_figheight()
    grid = figure.add_gridspec(
        len(pairs), 5, width_ratios=(1.5, 1.5, 1, 1, 0.06), left=0.055, right=0.94, wspace=0.27, hspace=0.36,
        bottom=0.05, top=1 - 0.95 / figure.get_figheight(),
    )  # fmt: skip
    for row, pair in enumerate(pairs):
        cells = [figure.add_subplot(grid[row, column]) for column in range(5)]
        _row(cells, pair, comparison.reference.geometry, last=row == len(pairs) - 1)
    figure.text(0.055, top, comparison.title, ha="left", va="top")
    figure.text(0.94, top, "from the side, summed over y; from the front, over layers", ha="right", va="top",
                fontsize=9.5)  # fmt: skip
    return figure


def _row(cells: list[Axes], pair: Pair, geometry: Geometry, *, last: bool) -> None:
    """Both showers of a pair from the side, both from the front, and their scale."""
    bins, depth = _edges(geometry), np.arange(len(geometry.layers) + 1) - 0.5
    views = [_views(shower, bins) for shower in pair]
    most = max(float(view.max(initial=1e-3)) for pair_of_views in views for view in pair_of_views)
    style: dict[str, Any] = {
        "norm": LogNorm(max(geometry.threshold, 1e-3 * most), most), "cmap": "viridis", "rasterized": True,
    }  # fmt: skip
    names = (("candidate", CANDIDATE), ("reference", REFERENCE))
    for column, (shower, view, (name, color)) in enumerate(zip(pair, views, names, strict=True)):
        side, front = cells[column], cells[column + 2]
        mesh = side.pcolormesh(depth, bins, np.ma.masked_equal(view.side, 0), **style)
        front.pcolormesh(bins, bins, np.ma.masked_equal(view.front, 0), **style)
        front.set_aspect("equal")
        energy, visible = shower.incident_energy[0] / 1e3, shower.visible_energy[0]
        side.set_title(f"{name}, {energy:.3g} GeV: {shower.counts[0]} hits, {visible:.3g} MeV", fontsize=10, color=INK)
        front.set_title(name, fontsize=10, color=INK)
        _frame(side, "layer" if last else "", "" if column else "x  [mm]", color)
        _frame(front, "x  [mm]" if last else "", "" if column else "y  [mm]", color)
    side.figure.colorbar(mesh, cax=cells[4]).set_label("MeV")


def _frame(axes: Axes, x: str, y: str, color: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y, labelpad=1)
    for spine in axes.spines.values():
        spine.set_color(color)


def _edges(geometry: Geometry) -> Array:
    """Bins in x and y, mm."""
    if geometry.kind == "cartesian":
        return np.array(max((layer.first for layer in geometry.layers), key=len))
    reach = max(layer.first[-1] for layer in geometry.layers)
    return np.linspace(-reach, reach, _POLAR_BINS + 1)


def _views(shower: Showers, bins: Array) -> _Views:
    x, y = shower.geometry.centres(shower.cells).T
    depth = np.arange(len(shower.geometry.layers) + 1) - 0.5
    side = np.histogram2d(x, shower.layer, (bins, depth), weights=shower.energy)[0]
    front = np.histogram2d(y, x, (bins, bins), weights=shower.energy)[0]
    return _Views(side, front)
