"""Maps: the plane of Q2 and x, the flow of momentum, and leading against sub-leading fractions.

Figure 3 of arXiv:2410.22421, and figures 1, 8 and 9 of arXiv:2310.16308.
"""

from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.histogram import quantile_edges
from cloudchamber.evaluate.figures.panels import FEWEST_ENTRIES
from cloudchamber.evaluate.sample import Sample
from cloudchamber.evaluate.species import HADRONIC, Species, species_named
from cloudchamber.physics.kinematics import azimuth_difference

__all__ = ["dis_plane", "dis_plane_pixels", "leading_pairs", "momentum_flow"]

Array = NDArray[np.float64]
Edges = tuple[Array, Array]
_PAIRS = ("pi+", "K+")


class Points(NamedTuple):
    """Weighted points of one sample in a plane."""

    x: Array
    y: Array
    weight: Array
    events: float
    """Sum of the event weights."""


class Map(NamedTuple):
    """A density, and the number of points in each cell. Shapes (b, c)."""

    density: Array
    entries: Array


class Axis(NamedTuple):
    """Labels of a map."""

    x: str
    y: str
    density: str


def dis_plane(comparison: Comparison) -> Figure:
    """Density in log10 Q2 and log10 x of reference and candidate, and their ratio.

    Args:
        comparison: what to draw.
    """
    a, b = (_inclusive(sample) for sample in (comparison.candidate, comparison.reference))
    return _three_maps(comparison, [(a, b)], [_dis_edges(a, b)], _DIS)


def dis_plane_pixels(comparison: Comparison) -> Figure:
    """The plane of Q2 and x, and what 64 x 64 pixels make of the reference.

    Args:
        comparison: what to draw.
    """
    few = comparison.few
    a, b, c = (_inclusive(sample) for sample in (few.candidate, few.reference, few.pixelated()))
    names = ("reference in 64 x 64 pixels", "reference", "pixels / reference")
    return _three_maps(few, [(a, b), (c, b)], [_dis_edges(a, b)] * 2, _DIS, names)


def momentum_flow(comparison: Comparison) -> Figure:
    """Momentum in eta and azimuth, every event turned so that its scattered electron is at phi = 0.

    Args:
        comparison: what to draw.
    """
    a, b = (_flow(sample) for sample in (comparison.few.candidate, comparison.few.reference))
    edges = np.linspace(-5, 10, 61), np.linspace(-0.5 * np.pi, 1.5 * np.pi, 41)
    figure = _three_maps(comparison.few, [(a, b)], [edges], _FLOW)
    for axes in figure.axes[:2]:
        for eta, phi, name in ((-0.6, 0.35, r"$e^{\prime}$"), (1.2, np.pi + 0.75, "recoil"), (6.0, -1.3, "remnant")):
            halo = [withStroke(linewidth=2.5, foreground="black")]
            axes.text(eta, phi, name, ha="center", color="white", fontsize=11, path_effects=halo)
    return figure


def leading_pairs(comparison: Comparison) -> Figure:
    """The two largest momentum fractions of pi+ and of K+ in an event.

    Args:
        comparison: what to draw.
    """
    rows = []
    for key in _PAIRS:
        species = species_named(key)
        rows.append((_two_largest(comparison.candidate, species), _two_largest(comparison.reference, species)))
    labels = [
        Axis(rf"$\log_{{10}} z$  leading {s.symbol}", rf"$\log_{{10}} z$  second {s.symbol}", "events per unit area")
        for s in map(species_named, _PAIRS)
    ]
    return _three_maps(comparison, rows, [_fraction_edges(one) for one, _ in rows], labels)


_DIS = [Axis(r"$\log_{10} x$", r"$\log_{10}(Q^2 / \mathrm{GeV}^2)$", "share of events per unit area")] * 2
_FLOW = [Axis(r"$\eta$", r"$\phi - \phi_{e^{\prime}}$  [rad]", r"$|p|$ per event and area  [GeV / rad]")]


def _inclusive(sample: Sample) -> Points:
    x, q2 = (np.log10(np.maximum(v, 1e-9)) for v in (sample.dis.x, sample.dis.Q2))
    return Points(x, q2, sample.weight, float(sample.weight.sum()))


def _dis_edges(candidate: Points, reference: Points) -> Edges:
    bins = int(np.clip(len(candidate.x) ** 0.5 / 5, 12, 44))
    return quantile_edges(reference.x, bins, tail=2e-5), quantile_edges(reference.y, bins, tail=2e-5)


def _flow(sample: Sample) -> Points:
    hadrons, electron = sample.particles(HADRONIC), sample.electron
    phi = azimuth_difference(hadrons.momenta.phi, electron.phi[hadrons.event])
    phi = np.concatenate([np.where(phi < -0.5 * np.pi, phi + 2 * np.pi, phi), np.zeros(len(sample))])
    eta = np.concatenate([hadrons.momenta.eta, electron.eta])
    momentum = np.concatenate([hadrons.momenta.p, electron.p])
    weight = sample.weight
    return Points(eta, phi, momentum * np.concatenate([weight[hadrons.event], weight]), float(weight.sum()))


def _two_largest(sample: Sample, species: Species) -> Points:
    particles = sample.particles(species)
    z = particles.momenta.z(sample.beams)
    order = np.lexsort((-z, particles.event))
    enough = particles.counts >= 2
    first = particles.offsets[:-1][enough]
    leading, second = z[order][first], z[order][first + 1]
    return Points(np.log10(leading), np.log10(second), sample.weight[enough], float(sample.weight.sum()))


def _fraction_edges(candidate: Points) -> Edges:
    bins = int(np.clip(len(candidate.x) ** 0.5 / 2.5, 8, 40))
    return np.linspace(-2.6, 0.75, bins + 1), np.linspace(-3.0, 0.65, bins + 1)


def _map(points: Points, edges: Edges) -> Map:
    area = np.diff(edges[0])[:, None] * np.diff(edges[1])[None, :]
    total = np.histogram2d(points.x, points.y, edges, weights=points.weight)[0]
    return Map(total / (area * points.events), np.histogram2d(points.x, points.y, edges)[0])


def _three_maps(
    comparison: Comparison, rows: list[tuple[Points, Points]], edges: list[Edges], labels: list[Axis],
    names: tuple[str, str, str] | None = None,
) -> Figure:  # fmt: skip
    """Rows of reference, candidate and their ratio; `names` are those of the last row."""
    figure = Figure(figsize=(14.4, 4.2 * len(rows) + 0.65))
    high = figure.get_figheight()
    axes = figure.subplots(len(rows), 3, sharey="row", squeeze=False)
    figure.subplots_adjust(left=0.055, right=0.97, bottom=0.58 / high, top=1 - 0.85 / high, wspace=0.12, hspace=0.42)
    candidate, reference = (label.replace(": ", "\n", 1) for label in comparison.labels)
    usual = reference, candidate, "candidate / reference\nwhere 10 entries or more are expected"
    for k, (points, grid, label) in enumerate(zip(rows, edges, labels, strict=False)):
        one, two = (_map(p, grid) for p in points)
        shown = [two.density, one.density]
        titles: tuple[str, str, str] = usual
        if names is not None and k == len(rows) - 1:
            titles = names[1], names[0], names[2]
        _row(axes[k], grid, shown, _ratio(one, two, points), label)
        for cell, title in zip(axes[k], titles, strict=True):
            cell.set_title(title, fontsize=10)
    figure.text(0.055, 1 - 0.08 / high, comparison.title, ha="left", va="top")
    return figure


def _ratio(one: Map, two: Map, points: tuple[Points, Points]) -> Array:
    expected = two.entries * points[0].events / points[1].events
    enough = np.minimum(two.entries, expected) >= FEWEST_ENTRIES
    return np.divide(one.density, two.density, out=np.full_like(two.density, np.nan), where=enough)


def _row(axes: Array, edges: Edges, shown: list[Array], ratio: Array, label: Axis) -> None:
    low = [values[values > 0].min(initial=np.inf) for values in shown]
    high = max(float(values.max()) for values in shown)
    norm = LogNorm(max(float(min(low)), 1e-5 * high), high)
    for cell, values in zip(axes, shown, strict=False):
        _mesh(cell, edges, np.where(values > 0, values, np.nan), _Scale(norm, "viridis", label.density))
        cell.set_xlabel(label.x)
    _mesh(axes[2], edges, ratio, _Scale(Normalize(0.5, 1.5), "RdBu_r", "ratio", "both"))
    axes[2].set_xlabel(label.x)
    axes[0].set_ylabel(label.y)


class _Scale(NamedTuple):
    """How values become colours, and what the colour bar says."""

    norm: Normalize
    colors: str
    label: str
    extend: Literal["neither", "both"] = "neither"


def _mesh(axes: Axes, edges: Edges, values: Array, scale: _Scale) -> None:
    shown = np.ma.masked_invalid(values)
    mesh = axes.pcolormesh(*edges, shown.T, cmap=scale.colors, norm=scale.norm, rasterized=True)
    axes.figure.colorbar(mesh, ax=axes, pad=0.02, extend=scale.extend).set_label(scale.label)
