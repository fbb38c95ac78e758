"""The plane of Q2 and x: figure 3 of arXiv:2410.22421."""

from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.histogram import quantile_edges
from cloudchamber.evaluate.figures.panels import FEWEST_ENTRIES
from cloudchamber.evaluate.sample import Sample

__all__ = ["dis_plane"]

Array = NDArray[np.float64]


def dis_plane(comparison: Comparison) -> Figure:
    """Density in log10 Q2 and log10 x of reference and candidate, and their ratio.

    Bins where fewer than ten events of either sample are expected are left out of the ratio.

    Args:
        comparison: what to draw.
    """
    x, q2 = comparison.observable("log10_x"), comparison.observable("log10_Q2")
    bins = int(np.clip(len(comparison.candidate) ** 0.5 / 5, 12, 44))
    edges = [quantile_edges(c.reference.values, bins, tail=2e-5) for c in (x, q2)]
    reference = _density(comparison.reference, x.reference.values, q2.reference.values, edges)
    candidate = _density(comparison.candidate, x.candidate.values, q2.candidate.values, edges)
    entries = np.histogram2d(x.reference.values, q2.reference.values, edges)[0]
    expected = entries * len(comparison.candidate) / len(comparison.reference)
    enough = np.minimum(entries, expected) >= FEWEST_ENTRIES
    ratio = np.divide(candidate, reference, out=np.full_like(reference, np.nan), where=enough)
    figure = Figure(figsize=(14.4, 4.7))
    axes = figure.subplots(1, 3, sharey=True)
    figure.subplots_adjust(left=0.055, right=0.97, bottom=0.13, top=0.84, wspace=0.12)
    norm = LogNorm(float(reference[reference > 0].min()), float(reference.max()))
    names = [label.replace(": ", "\n", 1) for label in comparison.labels]
    for k, values in enumerate((reference, candidate)):
        shown = np.where(values > 0, values, np.nan)
        _map(axes[k], edges, shown, _Scale(norm, "viridis", "share of events per unit area"))
        axes[k].set_title(names[1 - k], fontsize=10)
    _map(axes[2], edges, ratio, _Scale(Normalize(0.5, 1.5), "RdBu_r", "ratio", "both"))
    axes[2].set_title("candidate / reference\nwhere 10 events or more are expected", fontsize=10)
    axes[0].set_ylabel(r"$\log_{10}(Q^2 / \mathrm{GeV}^2)$")
    figure.text(0.055, 0.985, comparison.title, ha="left", va="top")
    return figure


def _density(sample: Sample, x: Array, y: Array, edges: list[Array]) -> Array:
    total = np.histogram2d(x, y, edges, weights=sample.weight)[0]
    area = np.diff(edges[0])[:, None] * np.diff(edges[1])[None, :]
    density: Array = total / (area * sample.weight.sum())
    return density


class _Scale(NamedTuple):
    """How values become colours, and what the colour bar says."""

    norm: Normalize
    colors: str
    label: str
    extend: Literal["neither", "both"] = "neither"


def _map(axes: Axes, edges: list[Array], values: Array, scale: _Scale) -> None:
    shown = np.ma.masked_invalid(values)
    mesh = axes.pcolormesh(edges[0], edges[1], shown.T, cmap=scale.colors, norm=scale.norm, rasterized=True)
    axes.set_xlabel(r"$\log_{10} x$")
    axes.figure.colorbar(mesh, ax=axes, pad=0.02, extend=scale.extend).set_label(scale.label)
