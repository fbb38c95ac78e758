"""All figures of a report, each with a title and one sentence that says what to look for."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from matplotlib.figure import Figure

from cloudchamber.evaluate.figures import (
    hadronic,
    inclusive,
    masses,
    methods,
    plane,
    published,
    reduced,
    scorecard,
    spectra,
)
from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.style import house_style
from cloudchamber.physics.jets import has_fastjet

__all__ = ["DRAWINGS", "Drawing", "Drawn", "draw", "draw_all", "drawn", "save"]

DPI = 150
Compared = TypeVar("Compared")


@dataclass(frozen=True)
class Drawing(Generic[Compared]):
    """A figure that a report shows.

    Attributes:
        name: of its files.
        title: heading in the report.
        caption: what to look for, in one sentence.
        draw: makes it.
        needs_jets: whether it needs FastJet.
        needs_numbers: whether it needs the numbers of the evaluation.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Compared], Figure]
    needs_jets: bool = False
    needs_numbers: bool = False


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn, or the reason why it was not.

    Attributes:
        drawing: which.
        svg: the figure as SVG, for the page; empty where it was not drawn.
        skipped: why it was not drawn; empty where it was.
    """

    drawing: Drawing[Any]
    svg: str
    skipped: str = ""


DRAWINGS: tuple[Drawing[Comparison], ...] = (
    Drawing("ratios", "Distances in units of their floor",
            "Cells near 1 are as good as truth against truth at this number of events; dark cells are not.",
            scorecard.ratios, needs_numbers=True),
    Drawing("pulls", "Pulls of all event observables",
            "The candidate's pulls should follow the unit Gaussian as truth against truth does; long bars on the right "
            "name the observables that do not.", scorecard.pulls, needs_numbers=True),
    Drawing("mean-multiplicities", "Mean multiplicities",
            "Points should lie on zero within their errors; the band is 2 %.",
            scorecard.mean_multiplicities, needs_numbers=True),
    Drawing("all-particles", "All particles",
            "The line should follow the filled reference into the tails; these are the quantities of figure 2 of "
            "arXiv:2410.22421.", inclusive.all_particles),
    Drawing("dis-plane", "The plane of Q² and x",
            "The ratio should be white up to noise, also along the edges of the allowed region; this is figure 3 of "
            "arXiv:2410.22421 and figure 9 of arXiv:2310.16308.", plane.dis_plane),
    Drawing("dis-variables", "Deep-inelastic variables",
            "Look at the edges: the Q² cut, and y near 0 and 1.", inclusive.dis_variables),
    Drawing("dis-methods", "Deep-inelastic variables by methods that use the hadrons",
            "All must agree with the reference as well as the electron method of the figure before does.",
            methods.hadron_methods),
    Drawing("reduced-cross-section", "The reduced cross-section",
            "Points should lie on the line in every bin of x, and scaling shows as little slope; crosses are what "
            "pixels make of the reference, as in figure 10 of arXiv:2310.16308.", reduced.reduced_cross_section),
    Drawing("momentum-flow", "Flow of momentum around the electron",
            "The recoil stands opposite to the electron and the remnant forward, as in figure 1 of arXiv:2310.16308; "
            "the ratio should be white.", plane.momentum_flow),
    Drawing("three-spectra", "Spectra of e⁻, π⁺ and K⁺",
            "Look at z near 0 and 1, at the edges in pseudorapidity and at the depth of the dip in azimuth; the dashed "
            "line is what pixels make of the reference, as in figure 5 of arXiv:2310.16308.", published.three_spectra),
    Drawing("electron-pixels", "The electron's momentum in pixels",
            "A generator of images cannot be better than the pixels' line; this is figure 3 of arXiv:2310.16308.",
            published.electron_pixels),
    Drawing("three-multiplicities", "Multiplicity of e⁻, π⁺ and K⁺",
            "No event may be without an electron; this is figure 6 of arXiv:2310.16308.",
            published.three_multiplicities),
    Drawing("three-sums", "Sum of z over e⁻, π⁺ and K⁺",
            "The upper edge is momentum conservation: nothing may lie beyond it; this is figure 7 of arXiv:2310.16308.",
            published.three_sums),
    Drawing("leading-pairs", "Leading against second fraction",
            "The ratio should be white along the diagonal edge, where both are equal; this is figure 8 of "
            "arXiv:2310.16308.", plane.leading_pairs),
    Drawing("dis-plane-pixels", "The plane of Q² and x in pixels",
            "Stripes in the lower row are what pixels make of a perfect generator, as in figure 9 of arXiv:2310.16308.",
            plane.dis_plane_pixels),
    Drawing("sums", "Sums over the event",
            "Quantities that conservation fixes must be spikes at the same place; the others must agree in shape.",
            inclusive.sums),
    Drawing("transverse-momenta", "Transverse momentum by species",
            "Look at the tails, where few particles decide.", spectra.transverse_momenta),
    Drawing("pseudorapidities", "Pseudorapidity by species",
            "Look at the forward beam remnant (eta above 5), most of all for protons and neutrons.",
            spectra.pseudorapidities),
    Drawing("azimuths", "Azimuth relative to the scattered electron by species",
            "Hadrons recoil against the electron, so the distributions rise towards ± pi.", spectra.azimuths),
    Drawing("multiplicities", "Multiplicity by species",
            "Look at the share of events without any particle of the species, and at the tails.",
            spectra.multiplicities),
    Drawing("breit-frame", "The Breit frame",
            "The hump in ξ and the number of hadrons in the current hemisphere measure fragmentation as e⁺e⁻ "
            "annihilation does.", hadronic.breit_frame),
    Drawing("jets", "Jets in the lab and in the Breit frame",
            "Jets stand opposite to the electron in the lab, and a second one in the Breit frame comes from gluons; "
            "found with FastJet (arXiv:1111.6097).", hadronic.jets, needs_jets=True),
    Drawing("correlators", "Energy-energy correlators",
            "Weights peak where the hadrons recoil; correlations between particles show here that single-particle "
            "spectra hide.", hadronic.correlators),
    Drawing("masses", "Invariant masses of pairs",
            "Resonances must stand out as in the reference: pi0 and eta in photon pairs, rho0 and omega in pion "
            "pairs, K*, Delta and phi.", masses.masses),
    Drawing("masses-less-background", "Resonances without chance pairs",
            "With pairs of like charge subtracted, peaks must have the reference's place, width and height.",
            masses.masses_without_background),
    Drawing("worst-observables", "The worst event observables",
            "The twelve event observables with the largest distance in units of the floor, which stands in each plot.",
            scorecard.worst_observables, needs_numbers=True),
)  # fmt: skip


def draw_all(comparison: Comparison, folder: Path) -> Iterator[Drawn]:
    """Draw all figures, as PNG, PDF and SVG into a folder.

    Args:
        comparison: what to draw.
        folder: for the files; must exist.

    Yields:
        One figure after the other.
    """
    for drawing in DRAWINGS:
        draw(comparison, folder, drawing.name)
        yield drawn(folder, drawing)


def draw(comparison: Comparison, folder: Path, name: str) -> None:
    """Draw one figure, as PNG, PDF and SVG into a folder.

    Args:
        comparison: what to draw.
        folder: for the files; must exist.
        name: of the figure.
    """
    drawing = next(d for d in DRAWINGS if d.name == name)
    if drawing.needs_jets and not has_fastjet():
        return
    save(drawing, comparison, folder)


def save(drawing: Drawing[Compared], comparison: Compared, folder: Path) -> None:
    """Draw a figure that needs nothing that may be missing, as PNG, PDF and SVG into a folder.

    Args:
        drawing: the figure.
        comparison: what to draw.
        folder: for the files; must exist.
    """
    name = drawing.name
    with house_style(), _no_collection():
        figure = drawing.draw(comparison)
        figure.savefig(folder / f"{name}.png", dpi=DPI, pil_kwargs={"compress_level": 1})
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
        figure.savefig(folder / f"{name}.svg", transparent=True, metadata={"Date": None})


def drawn(folder: Path, drawing: Drawing[Any]) -> Drawn:
    """What `draw` made.

    Args:
        folder: where.
        drawing: which figure.
    """
    if drawing.needs_jets and not has_fastjet():
        return Drawn(drawing, "", "FastJet is not installed; in a checkout, pip install '.[jets]' brings it.")
    return Drawn(drawing, (folder / f"{drawing.name}.svg").read_text(encoding="utf-8"))


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection: a figure is thousands of objects that all live until it is saved."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
