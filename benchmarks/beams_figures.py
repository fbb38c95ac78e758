"""Figures of a model of any beams: the x-Q2 plane at every setting, and the edges of the electrons' phase space."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from cross_section_table import Electrons
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.style import INK, house_style, logarithmic, panel_grid
from cloudchamber.events import Beams
from cloudchamber.physics.phase_space import squared_energy

__all__ = ["BIN", "FEWEST", "Both", "Plane", "draw_edges", "draw_planes", "plane_of"]

Array = NDArray[np.float64]
BIN = 0.2
FEWEST = 1_000
_FEW = 100
"""Bins in which fewer are expected say nothing."""
_SHOWN = 0.15
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


class Both(NamedTuple):
    """Electrons of a model and of Pythia8 at one setting, all of unit weight."""

    beams: Beams
    ours: Electrons
    theirs: Electrons


class Plane(NamedTuple):
    """Bins of log10 x and log10 Q2.

    Attributes:
        edges: of both axes.
        expected: numbers of events, those of the reference scaled to the candidate's size.
        difference: candidate over expected, less one; NaN where nothing is expected.
        error: its statistical error.
    """

    edges: tuple[Array, Array]
    expected: Array
    difference: Array
    error: Array


def plane_of(candidate: Electrons, reference: Electrons, beams: Beams) -> Plane:
    """How a candidate differs from a reference in the x-Q2 plane.

    Args:
        candidate: of unit weights.
        reference: of unit weights.
        beams: energies in GeV.
    """
    log_s = np.log10(squared_energy(beams))
    edges = np.arange(-log_s - BIN, BIN / 2, BIN), np.arange(0.0, log_s + BIN, BIN)
    ours, theirs = (
        np.histogram2d(np.log10(e.variables.x), np.log10(e.variables.Q2), bins=edges)[0] for e in (candidate, reference)
    )
    expected = theirs * len(candidate.pt) / len(reference.pt)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Plane(edges, expected, ours / expected - 1, np.sqrt(1 / expected + 1 / theirs))


def draw_planes(parts: list[Both], path: Path) -> None:
    """Relative differences in the x-Q2 plane, a panel for each setting.

    Args:
        parts: the settings.
        path: of the picture.
    """
    with house_style():
        figure = Figure(figsize=(12.6, 7.6), layout="constrained")
        axes = figure.subplots(2, -(-len(parts) // 2), sharex=True, sharey=True, squeeze=False)
        norm, colours = TwoSlopeNorm(0.0, -_SHOWN, _SHOWN), colormaps["RdBu_r"]
        mesh = None
        for ax, part in zip(axes.flat, parts, strict=False):
            plane = plane_of(part.ours, part.theirs, part.beams)
            counted = plane.expected > FEWEST
            shown = np.where(plane.expected > _FEW, plane.difference, np.nan)
            mesh = ax.pcolormesh(*plane.edges, shown.T, cmap=colours, norm=norm)
            _outline(ax, plane, counted)
            ax.set(xlim=(-4.2, 0.0), ylim=(0.0, 2.0))
            ax.set_title(f"{part.beams.electron:g} × {part.beams.hadron:g} GeV, {len(part.ours.pt):,} events")
        for ax in axes[-1]:
            ax.set_xlabel(r"$\log_{10} x_B$")
        for ax in axes[:, 0]:
            ax.set_ylabel(r"$\log_{10}(Q^2\,/\,\mathrm{GeV}^2)$")
        assert mesh is not None
        bar = figure.colorbar(mesh, ax=axes, shrink=0.8, extend="both")
        bar.set_label(f"model / Pythia8 - 1 (framed: over {FEWEST:,} events expected)")
        figure.savefig(path, dpi=110)


def _outline(ax: Axes, plane: Plane, counted: NDArray[np.bool_]) -> None:
    """Frame the bins that count."""
    x, y = plane.edges
    for i, j in zip(*np.nonzero(counted), strict=True):
        corners = [x[i], x[i + 1], x[i + 1], x[i], x[i]], [y[j], y[j], y[j + 1], y[j + 1], y[j]]
        ax.plot(*corners, color=INK, linewidth=0.5)


class _Edge(NamedTuple):
    """A quantity and the bins in which it is shown."""

    label: str
    bins: Array
    values: str


_EDGES = (
    _Edge(r"$\log_{10}(Q^2\,/\,\mathrm{GeV}^2)$", np.linspace(0, 2.4, 25), "log10_Q2"),
    _Edge(r"$y$", np.linspace(0, 1, 26), "y"),
    _Edge(r"$p_T$ of the electron [GeV]", np.linspace(0.8, 4.8, 21), "pt"),
)


def _values(electrons: Electrons, name: str) -> Array:
    if name == "pt":
        return electrons.pt
    return np.log10(electrons.variables.Q2) if name == "log10_Q2" else electrons.variables.y


def draw_edges(parts: list[Both], path: Path) -> None:
    """Spectra of Q2, y and pT of the electron about their edges, all settings, with ratios to Pythia8.

    Args:
        parts: the settings.
        path: of the picture.
    """
    with house_style():
        figure, panels = panel_grid(len(_EDGES), len(_EDGES), width=4.6, height=4.4)
        for panel, edge in zip(panels, _EDGES, strict=True):
            width = np.diff(edge.bins)
            for k, (part, colour) in enumerate(zip(parts, _COLOURS, strict=False)):
                counts = [np.histogram(_values(e, edge.values), edge.bins)[0] for e in (part.ours, part.theirs)]
                sizes = len(part.ours.pt), len(part.theirs.pt)
                ours, theirs = (c / (n * width) for c, n in zip(counts, sizes, strict=True))
                panel.main.stairs(theirs, edge.bins, color=colour, linewidth=1.0, alpha=0.6)
                middle = edge.bins[:-1] + width * (k + 1) / (len(parts) + 1)
                panel.main.plot(middle, ours, ".", color=colour, markersize=4, label=part.beams.name)
                enough = counts[1] * sizes[0] / sizes[1] > _FEW
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratio = np.where(enough, ours / theirs, np.nan)
                    error = ratio * np.sqrt(1 / counts[0] + 1 / counts[1])
                panel.ratio.errorbar(middle, ratio, error, fmt=".", color=colour, markersize=3, linewidth=0.8)
            logarithmic(panel.main)
            panel.main.set_ylabel("events per unit, normalised")
            panel.ratio.axhline(1.0, color=INK, linewidth=0.8, linestyle="--")
            panel.ratio.set(ylim=(0.8, 1.2), ylabel="ratio", xlabel=edge.label, xlim=(edge.bins[0], edge.bins[-1]))
        handles, labels = panels[0].main.get_legend_handles_labels()
        title = "points: model, lines: Pythia8"
        figure.legend(handles, labels, loc="upper right", ncols=len(labels), title=title, borderaxespad=0.2)
        figure.savefig(path, dpi=110)
