"""Figures 3 and 5 to 10 of arXiv:2310.16308, each for Pythia8, for Pythia8 in pixels and for a model of images."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.comparison import Columns
from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.figures.panels import Panel, draw_panel
from cloudchamber.evaluate.figures.style import (
    CANDIDATE,
    INK,
    PALETTE,
    REFERENCE,
    THIRD,
    PanelAxes,
    house_style,
    logarithmic,
    panel_grid,
)
from cloudchamber.evaluate.sample import Column
from cloudchamber.events import Beams, Events
from cloudchamber.physics.cross_section import Plane, Reduced, measure
from cloudchamber.physics.dis import DISVariables, dis_variables
from cloudchamber.physics.kinematics import Momenta, azimuth_difference, center_of_mass_energy, center_of_mass_rapidity
from cloudchamber.represent.image import ImageRepresentation

__all__ = ["SPECIES", "Sample", "Three", "draw_all", "sample_of"]

Array = NDArray[np.float64]
SPECIES = {11: "e⁻", 211: "π⁺", 321: "K⁺"}
_RATIO = (0.5, 1.5)


@dataclass(frozen=True)
class Sample:
    """The three species of some events, particle after particle, in the centre-of-mass frame.

    Attributes:
        event: event of each particle, in rising order, shape (n,).
        code: PDG number, shape (n,).
        scattered: whether it is the scattered electron, shape (n,).
        z: momentum fraction, shape (n,).
        pt: transverse momentum, shape (n,), GeV.
        eta: pseudorapidity, shape (n,).
        phi: azimuth from opposite to the scattered electron, shape (n,), radians.
        dis: kinematics of the scattered electrons, each of shape (events,).
        events: number of events.
        cross_section: pb.
        beams: energies.
    """

    event: NDArray[np.int64]
    code: NDArray[np.int64]
    scattered: NDArray[np.bool_]
    z: Array
    pt: Array
    eta: Array
    phi: Array
    dis: DISVariables
    events: int
    cross_section: float
    beams: Beams

    def column(self, values: Array, kept: NDArray[np.bool_]) -> Column:
        """A quantity of some particles.

        Args:
            values: shape (n,).
            kept: shape (n,).
        """
        counts = np.bincount(self.event[kept], minlength=self.events)
        return Column(values[kept], np.concatenate([[0], np.cumsum(counts)]), np.ones(self.events))

    def counts(self, code: int) -> NDArray[np.int64]:
        """Particles of a species in each event, shape (events,).

        Args:
            code: PDG number.
        """
        return np.bincount(self.event[self.code == code], minlength=self.events)

    def sums(self) -> Array:
        """Sum of z in each event, shape (events,)."""
        return np.bincount(self.event, self.z, minlength=self.events)

    def two_largest(self, code: int) -> tuple[Array, Array]:
        """The z of the leading and second particle of a species, in events with two.

        Args:
            code: PDG number.
        """
        kept = self.code == code
        order = np.lexsort((-self.z[kept], self.event[kept]))
        event, z = self.event[kept][order], self.z[kept][order]
        first = np.searchsorted(event, np.arange(self.events))
        both = first[np.bincount(event, minlength=self.events) > 1]
        return z[both], z[both + 1]


def sample_of(events: Events, beams: Beams) -> Sample:
    """The three species of events that were made in the lab frame.

    Args:
        events: the scattered electron first in each.
        beams: energies.
    """
    lab = Momenta(*(events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass")))
    p, event = lab.boosted(center_of_mass_rapidity(beams)), np.repeat(np.arange(len(events)), events.counts)
    scattered = np.zeros(len(event), dtype=bool)
    scattered[events.offsets[:-1]] = True
    kept = np.isin(events.flat("pdg_id"), list(SPECIES)) & (np.abs(p.eta) < 10)
    opposite = p.phi[events.offsets[:-1]] + np.pi
    return Sample(
        event[kept], events.flat("pdg_id")[kept].astype(np.int64), scattered[kept], p.z(beams)[kept], p.pt[kept],
        p.eta[kept], azimuth_difference(p.phi, opposite[event])[kept],
        dis_variables(lab.take(events.offsets[:-1]).four_vectors(), beams), len(events),
        events.run.cross_section_pb or 1.0, beams,
    )  # fmt: skip


def draw_all(folder: Path, three: "Three", representation: ImageRepresentation, events: Events) -> None:
    """All figures as PNG.

    Args:
        folder: where to.
        three: what to draw.
        representation: of the model.
        events: those of Pythia8.
    """
    with house_style():
        _save(folder / "figure-03.png", electron_pixels(three.truth, representation, events))
        _save(folder / "figure-05.png", spectra(three, representation))
        _save(folder / "figure-06.png", multiplicities(three))
        _save(folder / "figure-07.png", momentum_sums(three))
        _save(folder / "figure-08.png", leading_pairs(three))
        _save(folder / "figure-09.png", dis_plane(three))
        _save(folder / "figure-10.png", reduced(three))


def _save(path: Path, figure: Figure) -> None:
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})


@dataclass(frozen=True)
class Three:
    """What every figure shows.

    Attributes:
        truth: Pythia8.
        pixels: Pythia8 in the pixels of the model.
        model: what it made.
        size: of the images, in words.
    """

    truth: Sample
    pixels: Sample
    model: Sample
    size: str

    def panel(
        self, quantity: Callable[[Sample], Column], edges: Array, label: str, density: str, **more: object
    ) -> Panel:
        """A plot: the model against Pythia8 in pixels, with Pythia8 as the third.

        Args:
            quantity: of a sample.
            edges: bins.
            label: of the horizontal axis.
            density: of the vertical axis.
            **more: other settings of the plot.
        """
        columns = Columns(quantity(self.model), quantity(self.pixels))
        return Panel(columns, edges, label, density, ratio_range=_RATIO, third=quantity(self.truth), **more)  # type: ignore[arg-type]

    def figure(
        self, panels: Sequence[Panel], columns: int, width: float, height: float, logs: Sequence[int] = ()
    ) -> Figure:
        """Plots with a legend on top.

        Args:
            panels: the plots.
            columns: most plots in a row.
            width: of a plot in inches.
            height: of a plot in inches.
            logs: numbers of the plots with a logarithmic horizontal axis.
        """
        figure, axes = panel_grid(len(panels), columns, width=width, height=height)
        for number, (pair, panel) in enumerate(zip(axes, panels, strict=True)):
            draw_panel(pair, panel)
            if number in logs:
                _logarithmic_x(pair)
        self.legend(figure)
        return figure

    def legend(self, figure: Figure) -> None:
        """The names of the samples on top.

        Args:
            figure: where.
        """
        handles = [
            Line2D([], [], color=THIRD, ls=(0, (4, 2)), lw=1.4, label=f"Pythia8, {self.truth.events:,} events"),
            Patch(facecolor=REFERENCE, alpha=0.6, label=f"Pythia8 in {self.size} pixels"),
            Patch(facecolor=CANDIDATE, label=f"model, {self.model.events:,} events"),
        ]
        high = figure.get_figheight()
        figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 1 - 0.05 / high), ncols=3,
                      borderaxespad=0)  # fmt: skip


def electron_pixels(truth: Sample, representation: ImageRepresentation, events: Events) -> Figure:
    """The momentum of electrons as images of several sizes hold it: figure 3."""
    figure, axes = panel_grid(2, 2, width=6.0, height=4.2)
    edges = (np.linspace(0.0, 30.0, 61), np.linspace(0.0, 1.0, 51))
    labels = (r"$p_\mathrm{T}$ of e⁻  [GeV]", "z of e⁻, the content of the pixels")
    for number, pair in enumerate(axes):
        base = Histogram.fill(truth.column((truth.pt, truth.z)[number], truth.code == 11), edges[number])
        pair.main.stairs(base.density, base.edges, color=INK, lw=1.6, label="Pythia8")
        below = np.where(base.entries >= 10, base.density, np.nan)
        for size, color in zip((16, 32, 64), PALETTE, strict=False):
            one = ImageRepresentation.fit(events[:5_000], rows=size, columns=size)
            filled = one.pixelate(events)
            electron = filled.pixel % 3 == one.species.index(11)
            z, eta = filled.intensity[electron], one.pixels.directions(filled.pixel[electron] // 3).eta
            value = z if number else z * center_of_mass_energy(representation.beams) / 2 / np.cosh(eta)
            counts = np.bincount(filled.image[electron], minlength=len(events))
            column = Column(value, np.concatenate([[0], np.cumsum(counts)]), np.ones(len(events)))
            found = Histogram.fill(column, edges[number])
            pair.main.stairs(found.density, found.edges, color=color, lw=1.2, label=f"{size} x {size} pixels")
            pair.ratio.stairs(np.clip(found.density / below, *_RATIO), found.edges, baseline=None, color=color, lw=1.2)
        logarithmic(pair.main)
        pair.ratio.axhline(1.0, color=INK, lw=0.8, ls=(0, (4, 3)))
        pair.ratio.set(ylim=_RATIO, ylabel="ratio")
        pair.main.set(ylabel="electrons per event  [1/GeV]" if not number else "electrons per event",
                      xlim=(edges[number][0], edges[number][-1]))  # fmt: skip
        pair.lowest.set_xlabel(labels[number])
        pair.main.legend(loc="upper center" if number else "upper right")
    return figure


def spectra(three: Three, representation: ImageRepresentation) -> Figure:
    """Spectra of z, eta and azimuth: figure 5."""
    grid = representation.pixels
    width, turn = 2 * grid.eta_range / grid.rows, 2 * np.pi / grid.columns
    panels, logs = [], []
    for code, name in SPECIES.items():
        z = three.pixels.z[three.pixels.code == code]
        low, high = np.quantile(three.pixels.eta[three.pixels.code == code], [1e-3, 1 - 1e-3])
        etas = np.arange(np.floor(low / width), np.ceil(high / width) + 1) * width
        fractions = np.linspace(0, 1, 41) if code == 11 else np.geomspace(np.quantile(z, 1e-3), z.max(), 31)
        logs += [] if code == 11 else [len(panels)]
        azimuths = -np.pi - turn / 2 + turn * np.arange(grid.columns + 1)
        panels += [
            three.panel(lambda s, c=code: s.column(s.z, s.code == c), fractions, "$z$", "per event", log=True,
                        note=name, lowest=1e-3),
            three.panel(lambda s, c=code: s.column(s.eta, s.code == c), etas, r"$\eta$", "per event", note=name),
            three.panel(lambda s, c=code: s.column(s.phi, (s.code == c) & ~s.scattered), azimuths,
                        "φ from opposite to e′  [rad]", "per event  [1/rad]", note=name),
        ]  # fmt: skip
    return three.figure(panels, 3, 4.2, 3.4, logs)


def multiplicities(three: Three) -> Figure:
    """Particles in an event: figure 6."""
    panels = []
    for code, name in SPECIES.items():
        most = int(three.pixels.counts(code).max())
        panels.append(three.panel(lambda s, c=code: Column.per_event(s.counts(c).astype(float), np.ones(s.events)),
                                  np.arange(most + 2) - 0.5, f"number of {name}", "share of events", log=True,
                                  lowest=1e-4))  # fmt: skip
    return three.figure(panels, 3, 4.2, 3.6)


def momentum_sums(three: Three) -> Figure:
    """Sum of z over the three species: figure 7."""
    panel = three.panel(lambda s: Column.per_event(s.sums(), np.ones(s.events)), np.linspace(0, 2.4, 49),
                        r"$\sum z$ of e⁻, π⁺ and K⁺", "density", log=True, lowest=1e-4)  # fmt: skip
    figure = three.figure([panel], 1, 7.6, 4.4)
    figure.axes[0].axvline(2.0, color=INK, lw=0.9, ls=":")
    return figure


def leading_pairs(three: Three) -> Figure:
    """The two largest z of pi+ and K+: figure 8."""
    rows = []
    for code, name in ((211, "π⁺"), (321, "K⁺")):
        points = [tuple(np.log10(v) for v in s.two_largest(code)) for s in (three.truth, three.pixels, three.model)]
        low = [float(np.quantile(v, 0.005)) for v in points[1]]
        edges = [np.linspace(at, 0.0 if axis == 0 else -0.2, 21) for axis, at in enumerate(low)]
        labels = (rf"$\log_{{10}} z$  leading {name}", rf"$\log_{{10}} z$  second {name}")
        rows.append((points, edges, labels))
    return _maps(three, rows)


def dis_plane(three: Three) -> Figure:
    """Density in x and Q2: figure 9."""
    points = [
        (np.log10(np.maximum(s.dis.x, 1e-6)), np.log10(np.maximum(s.dis.Q2, 1e-3)))
        for s in (three.truth, three.pixels, three.model)
    ]
    edges = [np.linspace(-2.7, 0.0, 28), np.linspace(1.2, 3.2, 26)]
    return _maps(three, [(points, edges, (r"$\log_{10} x$", r"$\log_{10}(Q^2 / \mathrm{GeV}^2)$"))])


def _maps(three: Three, rows: Sequence[tuple[Sequence[tuple[Array, ...]], Sequence[Array], tuple[str, str]]]) -> Figure:
    """Densities of the three samples and the ratio of the model to Pythia8 in pixels."""
    figure = Figure(figsize=(15.0, 3.7 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 4, squeeze=False)
    names = ("Pythia8", f"Pythia8 in {three.size} pixels", "model", "model / Pythia8 in pixels")
    sizes = (three.truth.events, three.pixels.events, three.model.events)
    for line, (points, edges, labels) in zip(grid, rows, strict=True):
        area = np.diff(edges[0])[:, None] * np.diff(edges[1])[None]
        counts = [np.histogram2d(*pair, bins=edges)[0] for pair in points]
        maps = [c / n / area for c, n in zip(counts, sizes, strict=True)]
        top = max(m.max() for m in maps)
        for axes, values, name in zip(line, maps, names, strict=False):
            mesh = axes.pcolormesh(*edges, np.where(values > 0, values, np.nan).T, norm=LogNorm(top * 1e-3, top))
            figure.colorbar(mesh, ax=axes, label="share of events per unit area")
            axes.set(title=name)
        seen = (counts[1] >= 10) & (counts[2] >= 1)
        ratio = np.where(seen, maps[2] / np.where(seen, maps[1], 1), np.nan)
        mesh = line[3].pcolormesh(*edges, ratio.T, cmap="RdBu_r", vmin=0, vmax=2)
        figure.colorbar(mesh, ax=line[3], label="ratio", extend="max")
        line[3].set(title=names[3])
        for axes in line:
            axes.set(xlabel=labels[0], ylabel=labels[1])
    return figure


def reduced(three: Three) -> Figure:
    """The reduced cross-section against Q2: figure 10."""
    beams = three.truth.beams
    plane = Plane.within(np.geomspace(5e-3, 0.6, 8), np.geomspace(25.0, 1500.0, 12), beams, Q2_min=25.0, y=(0.02, 0.95))
    figure = Figure(figsize=(15.0, 4.8), layout="constrained")
    for axes, sample, name in zip(
        figure.subplots(1, 3, sharey=True), (three.truth, three.pixels, three.model),
        ("Pythia8", f"Pythia8 in {three.size} pixels", f"model, {three.model.events:,} events"), strict=True,
    ):  # fmt: skip
        _reduced(axes, _measured(sample, plane, three.truth.cross_section), plane)
        axes.set(title=name, xscale="log", yscale="log", ylim=(0.02, 30), xlim=(22, 1700), xlabel=r"$Q^2$  [GeV$^2$]")
        axes.xaxis.set(major_locator=FixedLocator((30, 100, 300, 1000)), major_formatter="{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    figure.axes[0].set_ylabel(r"$\sigma_\mathrm{r}$ times powers of 1.5")
    figure.axes[2].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="mean $x$ of the bin")
    return figure


def _measured(sample: Sample, plane: Plane, cross_section: float) -> Reduced:
    return measure(sample.dis.x, sample.dis.Q2, np.ones(sample.events), cross_section_pb=cross_section, plane=plane,
                   beams=sample.beams)  # fmt: skip


def _reduced(axes: Axes, found: Reduced, plane: Plane) -> None:
    at = np.sqrt(plane.Q2[1:] * plane.Q2[:-1])
    rows = range(len(plane.x) - 1)
    for i, color in zip(rows, _colors(len(rows)), strict=True):
        seen = (found.entries[i] >= 5) & plane.inside[i]
        scale = 1.5 ** (len(rows) - i)
        x = np.sqrt(plane.x[i] * plane.x[i + 1])
        axes.errorbar(at[seen], scale * found.value[i][seen], scale * found.error[i][seen], fmt="o-", ms=3.5, lw=1.0,
                      color=color, label=f"{x:.2g}  (· 1.5$^{{{len(rows) - i}}}$)")  # fmt: skip


def _colors(number: int) -> Iterator[str]:
    return iter([to_hex(c) for c in colormaps["viridis"](np.linspace(0, 0.9, number))])


def _logarithmic_x(pair: PanelAxes) -> None:
    pair.main.set_xscale("log")
    low, high = pair.main.get_xlim()
    pair.main.set_xlim(max(low, 1e-5), high)
