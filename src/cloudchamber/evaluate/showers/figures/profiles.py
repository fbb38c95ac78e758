"""Profiles of showers along and across their axis, in ranges of the incident energy, with ratio panels.

Every hit counts with its energy; errors are those of the mean over showers. Distances from the axis are taken from the
shower's centre of energy.
"""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.panels import Panel, draw_panels
from cloudchamber.evaluate.showers.figures.comparison import ShowerComparison
from cloudchamber.events import Showers

__all__ = ["distance_from_axis", "profiles"]

Array = NDArray[np.float64]
_BINS = 24


def profiles(comparison: ShowerComparison) -> Figure:
    """Mean visible energy against depth, and against the distance from the axis.

    Args:
        comparison: what to draw.
    """
    ranges = comparison.ranges()
    layers = len(comparison.reference.geometry.layers)
    depths = np.arange(layers + 1, dtype=np.float64) - 0.5
    radii = np.linspace(0, _reach(comparison.reference), _BINS + 1)
    along = [
        Panel(part.hits(lambda s: s.layer.astype(float), _energy), depths, "layer", "MeV per shower and layer",
              note=name)
        for name, part in ranges
    ]  # fmt: skip
    across = [
        Panel(part.hits(distance_from_axis, _energy), radii, "distance from the axis  [mm]", "MeV per shower and mm",
              log=True, note=name, lowest=1e-6)
        for name, part in ranges
    ]  # fmt: skip
    return draw_panels(comparison, [*along, *across], len(ranges), width=4.6, height=3.6)


def distance_from_axis(showers: Showers) -> Array:
    """Distance of every hit from its shower's centre of energy, mm, shape (H,).

    Args:
        showers: n of them.
    """
    places = showers.geometry.centres(showers.cells)
    total = np.maximum(showers.visible_energy, np.finfo(float).tiny)
    centres = [np.bincount(showers.row, showers.energy * x, len(showers)) / total for x in places.T]
    dx, dy = (x - centre[showers.row] for x, centre in zip(places.T, centres, strict=True))
    distance: Array = np.hypot(dx, dy)
    return distance


def _energy(showers: Showers) -> Array:
    return showers.energy


def _reach(showers: Showers) -> float:
    """Where nearly all hits are, mm."""
    return float(np.quantile(distance_from_axis(showers), 0.9995))
