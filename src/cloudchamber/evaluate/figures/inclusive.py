"""All particles together: the quantities of figure 2 of arXiv:2410.22421, and the sums that conservation fixes."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.comparison import Columns, Comparison
from cloudchamber.evaluate.figures.histogram import integer_edges, quantile_edges
from cloudchamber.evaluate.figures.panels import FEWEST_ENTRIES, Panel, draw_panel, draw_panels, finish, ratio_panel
from cloudchamber.evaluate.figures.style import INK, PALETTE, PanelAxes, logarithmic, panel_grid, whole_numbers
from cloudchamber.evaluate.species import Species, feature_named, species_named

__all__ = ["all_particles", "dis_variables", "sums"]

Array = NDArray[np.float64]

_COUNTED = (
    Species("e-", "e⁻", (11,), with_scattered=True),
    Species("pi+", "π⁺", (211,)),
    Species("K+", "K⁺", (321,)),
    Species("mu-", "μ⁻", (13,)),
)


def all_particles(comparison: Comparison) -> Figure:
    """Distributions of pT, eta and z of all particles, their number, and the number of e-, pi+, K+ and mu-.

    Args:
        comparison: what to draw.
    """
    every = species_named("all")
    pt, eta, z = (comparison.feature(every, feature_named(key)) for key in ("pT", "eta", "z"))
    n, charged = comparison.observable("n"), comparison.observable("n_charged")
    z_edges = quantile_edges(z.reference.values, 50, start=0.0)
    highest = 12.0 if (eta.reference.values > 5).any() else 5.6
    panels = (
        Panel(pt, np.linspace(0, 20, 51), r"$p_\mathrm{T}$  [GeV]", "particles per event  [1/GeV]", log=True),
        Panel(eta, np.linspace(-4, highest, 65), r"$\eta$", "particles per event"),
        Panel(n, integer_edges(n.reference.values), "number of particles", "share of events", log=True),
        Panel(z, z_edges, r"$z = 2|p|/\sqrt{s}$", "particles per event", log=True),
        Panel(charged, integer_edges(charged.reference.values), "number of charged particles", "share of events",
              log=True),
    )  # fmt: skip
    figure, axes = panel_grid(len(panels) + 1, 3, width=4.4, height=4.5, pulls=True)
    for pair, panel in zip(axes[:-1], panels, strict=True):
        draw_panel(pair, panel)
    _species_numbers(axes[-1], comparison)
    return finish(figure, comparison)


def _species_numbers(axes: PanelAxes, comparison: Comparison) -> None:
    edges = np.arange(12, dtype=np.float64) - 0.5
    smallest = 1.0
    for species, color in zip(_COUNTED, PALETTE, strict=True):
        candidate, reference = comparison.counts(species).histograms(edges)
        axes.main.stairs(reference.density, edges, color=color, alpha=0.3, lw=4)
        axes.main.stairs(candidate.density, edges, color=color, lw=1.3, label=species.symbol)
        ratio_panel(axes.ratio, candidate, reference, (0.7, 1.3), color)
        if axes.pull is not None:
            pulls = candidate.pulls(reference, FEWEST_ENTRIES)
            axes.pull.plot(candidate.centers, np.clip(pulls, -4.6, 4.6), "o", color=color, ms=4)
        smallest = min(smallest, float(reference.density[reference.entries > 5].min(initial=1.0)))
    logarithmic(axes.main)
    axes.main.set_ylim(0.4 * smallest, 30)
    axes.main.set_ylabel("share of events")
    axes.main.legend(loc="upper right", ncols=4, title="wide and pale: reference; thin: candidate",
                     title_fontsize=9, columnspacing=1.0, handlelength=1.4)  # fmt: skip
    if axes.pull is not None:
        axes.pull.axhspan(-2, 2, color=INK, alpha=0.08, lw=0)
        axes.pull.set_ylim(-5, 5)
        axes.pull.set_yticks([-4, 0, 4])
        axes.pull.set_ylabel("pull")
    axes.main.set_xlim(edges[0], edges[-1])
    axes.lowest.set_xlabel("number of particles of the species")
    whole_numbers(axes.lowest)


def sums(comparison: Comparison) -> Figure:
    """Sum of z, summed pT, missing E - pz and vector sum of pT.

    Args:
        comparison: what to draw.
    """
    z, pt = comparison.observable("sum_z"), comparison.observable("sum_pT")
    missing, recoil = comparison.observable("missing_E_minus_pz"), comparison.observable("recoil_pT")
    most = float(np.median(z.reference.values))
    pt_edges = quantile_edges(pt.reference.values)
    panels = (
        Panel(z, _spike_edges(z, np.linspace(0.99 * most, 1.003 * most, 40)), r"$\sum z$", "density", log=True),
        Panel(pt, pt_edges, r"$\sum p_\mathrm{T}$ of hadrons  [GeV]", "density  [1/GeV]", log=True),
        Panel(missing, _spike_edges(missing, np.linspace(-1.025, 1.025, 42)), r"missing $E - p_z$  [GeV]",
              "density  [1/GeV]", log=True),
        Panel(recoil, _spike_edges(recoil, np.linspace(-0.025, 1.025, 22)), r"$|\sum \vec{p}_\mathrm{T}|$  [GeV]",
              "density  [1/GeV]", log=True),
    )  # fmt: skip
    return draw_panels(comparison, panels, 4)


def _spike_edges(columns: Columns, narrow: Array) -> Array:
    """Narrow bins around what conservation fixes; wide ones where a selection of particles leaves it open."""
    values = columns.reference.values
    inside = (values > narrow[0]) & (values < narrow[-1])
    return narrow if inside.mean() > 0.9 else quantile_edges(values)


def dis_variables(comparison: Comparison) -> Figure:
    """Distributions of Q2, x, y and W by the electron method.

    Args:
        comparison: what to draw.
    """
    q2, x, y, w = (comparison.observable(key) for key in ("log10_Q2", "log10_x", "y", "W"))
    q2_edges, x_edges, w_edges = (quantile_edges(c.reference.values) for c in (q2, x, w))
    panels = (
        Panel(q2, q2_edges, r"$\log_{10}(Q^2 / \mathrm{GeV}^2)$", "density", log=True),
        Panel(x, x_edges, r"$\log_{10} x$", "density"),
        Panel(y, np.linspace(0, 1, 41), r"$y$", "density", log=True),
        Panel(w, w_edges, r"$W$  [GeV]", "density  [1/GeV]"),
    )
    return draw_panels(comparison, panels, 4, height=4.2, pulls=True)
