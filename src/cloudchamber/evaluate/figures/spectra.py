"""Spectra of every species in small multiples."""

import numpy as np
from matplotlib.figure import Figure

from cloudchamber.evaluate.figures.comparison import Columns, Comparison
from cloudchamber.evaluate.figures.histogram import integer_edges, quantile_edges
from cloudchamber.evaluate.figures.panels import Panel, draw_panels
from cloudchamber.evaluate.species import SPECIES, Feature, feature_named

__all__ = ["azimuths", "multiplicities", "pseudorapidities", "transverse_momenta"]

_FEWEST_DRAWN = 1000
"""Species with fewer particles in the candidate than this are not drawn: their bins would hold a few each."""


def transverse_momenta(comparison: Comparison) -> Figure:
    """Distributions of pT of each species.

    Args:
        comparison: what to draw.
    """
    return _each_species(comparison, feature_named("pT"))


def pseudorapidities(comparison: Comparison) -> Figure:
    """Distributions of eta of each species.

    Args:
        comparison: what to draw.
    """
    return _each_species(comparison, feature_named("eta"))


def azimuths(comparison: Comparison) -> Figure:
    """Distributions of the azimuth of each species relative to the scattered electron.

    Args:
        comparison: what to draw.
    """
    return _each_species(comparison, feature_named("dphi"))


def multiplicities(comparison: Comparison) -> Figure:
    """Number of particles of each species per event.

    Args:
        comparison: what to draw.
    """
    shown = [
        species for species in SPECIES
        if not (species.scattered or species.everything)
        and comparison.counts(species).candidate.values.sum() >= _FEWEST_DRAWN
    ]  # fmt: skip
    panels = []
    for species in shown:
        columns = comparison.counts(species)
        edges = integer_edges(columns.reference.values)
        panels.append(Panel(columns, edges, "number", "share of events", log=True, note=species.symbol))
    return draw_panels(comparison, panels, 6, width=3.1, height=3.1)


def _each_species(comparison: Comparison, feature: Feature) -> Figure:
    found = [
        (species, comparison.feature(species, feature))
        for species in SPECIES
        if not (species.everything or (species.scattered and feature.trivial_for_electron))
    ]
    shown = [(s, c) for s, c in found if len(c.candidate.values) >= _FEWEST_DRAWN]
    panels = [_panel(columns, feature, species.symbol) for species, columns in shown]
    return draw_panels(comparison, panels, 6, width=3.1, height=3.1)


def _panel(columns: Columns, feature: Feature, note: str) -> Panel:
    bins = int(np.clip(len(columns.reference.values) ** 0.5 / 6, 12, 36))
    unit = f"  [{feature.unit}]" if feature.unit else ""
    density = f"per event  [1/{feature.unit}]" if feature.unit else "per event"
    if feature.circular:
        edges = np.linspace(-np.pi, np.pi, bins + 1)
    else:
        start = 0.0 if feature.key == "pT" else None
        edges = quantile_edges(columns.reference.values, bins, tail=1e-3, start=start)
    return Panel(columns, edges, feature.symbol + unit, density, feature.key == "pT", note)
