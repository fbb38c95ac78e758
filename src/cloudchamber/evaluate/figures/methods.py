"""Q2, x and y by the methods of `cloudchamber.physics.reconstruction` that use the hadrons."""

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from cloudchamber.evaluate.derived import Derived
from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.histogram import quantile_edges
from cloudchamber.evaluate.figures.panels import Panel, draw_panels
from cloudchamber.evaluate.sample import Column
from cloudchamber.physics.reconstruction import METHODS

__all__ = ["hadron_methods"]

_VARIABLES = (("Q2", r"$\log_{10}(Q^2 / \mathrm{GeV}^2)$"), ("x", r"$\log_{10} x$"), ("y", r"$y$"))


def hadron_methods(comparison: Comparison) -> Figure:
    """Distributions of Q2, x and y by each method that uses the hadrons; the electron's are in `inclusive`.

    Args:
        comparison: what to draw.
    """
    panels = []
    for variable, label in _VARIABLES:
        truth = comparison.few.both(partial(_column, method=METHODS[0], variable=variable)).reference.values
        edges = np.linspace(0, 1, 31) if variable == "y" else quantile_edges(truth, 30)
        for method in METHODS[1:]:
            columns = comparison.few.both(partial(_column, method=method, variable=variable))
            panels.append(Panel(columns, edges, label, "density", variable != "x", method, lowest=1e-3))
    return draw_panels(comparison.few, panels, 4, width=3.6, height=3.1)


def _column(derived: Derived, method: str, variable: str) -> Column:
    values = getattr(derived.inclusive[method], variable)
    if variable != "y":
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log10(values)
    return Column.per_event(values, derived.sample.weight)
