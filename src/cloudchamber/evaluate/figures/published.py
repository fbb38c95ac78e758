"""The spectra of arXiv:2310.16308: figures 3, 5, 6 and 7, with the reference as images of pixels would hold it.

Azimuths are turned as there: phi = 0 is opposite to the scattered electron, which is not in those plots itself.
"""

from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.histogram import Histogram, integer_edges
from cloudchamber.evaluate.figures.panels import FEWEST_ENTRIES, Panel, draw_panel, draw_panels, finish
from cloudchamber.evaluate.figures.style import PALETTE, panel_grid
from cloudchamber.evaluate.pixelate import PIXELS
from cloudchamber.evaluate.sample import Column, Sample
from cloudchamber.evaluate.species import Species
from cloudchamber.physics.kinematics import azimuth_difference
from cloudchamber.physics.pixels import ETA_RANGE

__all__ = ["electron_pixels", "three_multiplicities", "three_spectra", "three_sums"]

Array = NDArray[np.float64]

THREE = (
    Species("e-", "e⁻", (11,), with_scattered=True),
    Species("pi+", "π⁺", (211,)),
    Species("K+", "K⁺", (321,)),
)
"""The species of arXiv:2310.16308."""
_IMAGES = f"reference in {PIXELS} x {PIXELS} pixels"
_SIZES = (16, 32, 64)
_WIDE = (0.5, 1.5)


def three_spectra(comparison: Comparison, pixels: int | None = PIXELS) -> Figure:
    """Distributions of z, eta and azimuth of e-, pi+ and K+: figure 5.

    Args:
        comparison: what to draw.
        pixels: of the images that the reference is also drawn in; None leaves it out.
    """
    few = comparison.few
    images = None if pixels is None else few.pixelated(pixels)
    panels = [panel for species in THREE for panel in _spectra(few, species, images)]
    third = "" if pixels is None else f"reference in {pixels} x {pixels} pixels"
    return draw_panels(few, panels, 3, width=4.6, height=4.1, pulls=True, third=third)


def electron_pixels(comparison: Comparison, sizes: tuple[int, ...] = _SIZES) -> Figure:
    """The momentum of electrons, and what pixels of several sizes make of it: figure 3.

    Args:
        comparison: what to draw.
        sizes: pixels in each direction.
    """
    few, images = comparison.few, {size: comparison.few.pixelated(size) for size in sizes}
    figure, axes = panel_grid(2, 2, width=7.0, height=4.4)
    shown = (
        (_pt, np.linspace(0.0, 30.0, 61), r"$p_\mathrm{T}$ of e⁻  [GeV]", "electrons per event  [1/GeV]"),
        (_z, np.linspace(0.0, 1.0, 51), "z of e⁻, the content of the pixels", "electrons per event"),
    )
    for pair, (quantity, edges, label, density) in zip(axes, shown, strict=True):
        columns = few.each(partial(quantity, species=THREE[0]))
        draw_panel(pair, Panel(columns, edges, label, density, log=True, ratio_range=_WIDE))
        reference = Histogram.fill(columns.reference, edges)
        base = np.where(reference.entries >= FEWEST_ENTRIES, reference.density, np.nan)
        for (size, sample), color in zip(images.items(), (*PALETTE[2:], PALETTE[0]), strict=False):
            found = Histogram.fill(quantity(sample, THREE[0]), edges)
            pair.main.stairs(found.density, edges, color=color, lw=1.2, label=f"{size} x {size} pixels")
            pair.ratio.stairs(np.clip(found.density / base, *_WIDE), edges, baseline=None, color=color, lw=1.2)
        pair.main.legend(loc="upper right", title="reference in", title_fontsize=9.5)
    return finish(figure, few)


def three_multiplicities(comparison: Comparison) -> Figure:
    """Number of e-, pi+ and K+ in an event: figure 6.

    Args:
        comparison: what to draw.
    """
    few, images = comparison.few, comparison.few.pixelated()
    panels = []
    for species in THREE:
        columns = few.counts(species)
        third = images.counts(images.particles(species))
        panels.append(Panel(columns, integer_edges(columns.reference.values), f"number of {species.symbol}",
                            "share of events", log=True, third=third, lowest=1e-4))  # fmt: skip
    return draw_panels(few, panels, 3, width=4.6, height=4.1, pulls=True, third=_IMAGES)


def three_sums(comparison: Comparison) -> Figure:
    """Sum of z over e-, pi+ and K+, and over each of them: figure 7.

    Args:
        comparison: what to draw.
    """
    few, images = comparison.few, comparison.few.pixelated()
    together = Species("three", "e⁻, π⁺, K⁺", (11, 211, 321), with_scattered=True)
    panels = []
    for species in (together, *THREE):
        columns = few.each(partial(_sum_z, species=species))
        edges = np.linspace(0.0, max(0.05, float(np.quantile(columns.reference.values, 0.9995))), 41)
        panels.append(Panel(columns, edges, rf"$\sum z$ of {species.symbol}", "density", log=True,
                            third=_sum_z(images, species), lowest=1e-4))  # fmt: skip
    return draw_panels(few, panels, 4, width=3.6, height=4.1, pulls=True, third=_IMAGES)


def _spectra(comparison: Comparison, species: Species, images: Sample | None) -> list[Panel]:
    panels = []
    for quantity, edges, label, log, lowest in (
        (_z, _z_edges, r"$z$", True, 1e-4),
        (_eta, _eta_edges, r"$\eta$", False, 1.0),
        (_dphi, _dphi_edges, "φ from opposite to e′  [rad]", True, 0.3),
    ):
        columns = comparison.each(partial(quantity, species=species))
        third = None if images is None else quantity(images, species)
        density = "per event  [1/rad]" if quantity is _dphi else "per event"
        panels.append(Panel(columns, edges(columns.reference.values), label, density, log, species.symbol, _WIDE, third,
                            lowest))  # fmt: skip
    return panels


def _z_edges(values: Array) -> Array:
    return np.linspace(0.0, float(np.quantile(values, 0.9995)) if len(values) else 1.0, 41)


def _eta_edges(values: Array) -> Array:
    """Edges of pixels, so that a bin holds whole ones."""
    width = 2 * ETA_RANGE / PIXELS
    low, high = np.quantile(values, [1e-3, 1 - 1e-3]) if len(values) else (-1.0, 1.0)
    edges: Array = np.arange(np.floor(low / width), np.ceil(high / width) + 1) * width
    return edges


def _dphi_edges(_values: Array) -> Array:
    """Two pixels to a bin: differences of pixels lie at multiples of their width."""
    return np.linspace(-np.pi, np.pi, PIXELS // 2 + 1) - np.pi / PIXELS


def _z(sample: Sample, species: Species) -> Column:
    particles = sample.particles(species)
    return Column(particles.momenta.z(sample.beams), particles.offsets, sample.weight)


def _pt(sample: Sample, species: Species) -> Column:
    particles = sample.particles(species)
    return Column(particles.momenta.pt, particles.offsets, sample.weight)


def _eta(sample: Sample, species: Species) -> Column:
    particles = sample.particles(species)
    return Column(particles.momenta.eta, particles.offsets, sample.weight)


def _dphi(sample: Sample, species: Species) -> Column:
    particles = sample.particles(Species(species.key, species.symbol, species.codes))
    opposite = sample.electron.phi[particles.event] + np.pi
    half = np.pi / PIXELS
    shifted = azimuth_difference(particles.momenta.phi + half, opposite) - half
    return Column(shifted, particles.offsets, sample.weight)


def _sum_z(sample: Sample, species: Species) -> Column:
    particles = sample.particles(species)
    return Column.per_event(particles.total(particles.momenta.z(sample.beams)), sample.weight)
