"""All figures of a report, each with a title and one sentence that says what to look for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from matplotlib.figure import Figure

from cloudchamber.evaluate.figures import inclusive, plane, scorecard, spectra
from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.style import house_style

__all__ = ["DRAWINGS", "Drawing", "Drawn", "draw_all"]

DPI = 150


@dataclass(frozen=True)
class Drawing:
    """A figure that a report shows.

    Attributes:
        name: of its files.
        title: heading in the report.
        caption: what to look for, in one sentence.
        draw: makes it.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Comparison], Figure]


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn.

    Attributes:
        drawing: which.
        svg: the figure as SVG, for the page.
    """

    drawing: Drawing
    svg: str


DRAWINGS = (
    Drawing("ratios", "Distances in units of their floor",
            "Cells near 1 are as good as truth against truth at this number of events; dark cells are not.",
            scorecard.ratios),
    Drawing("mean-multiplicities", "Mean multiplicities",
            "Points should lie on zero within their errors; the band is 2 %.", scorecard.mean_multiplicities),
    Drawing("all-particles", "All particles",
            "The line should follow the filled reference into the tails; these are the quantities of figure 2 of "
            "arXiv:2410.22421.", inclusive.all_particles),
    Drawing("dis-plane", "The plane of Q² and x",
            "The ratio should be white up to noise, also along the edges of the allowed region; this is figure 3 of "
            "arXiv:2410.22421.", plane.dis_plane),
    Drawing("dis-variables", "Deep-inelastic variables",
            "Look at the edges: the Q² cut, and y near 0 and 1.", inclusive.dis_variables),
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
    Drawing("masses", "Invariant masses of pairs",
            "Resonances must stand out as in the reference: pi0 and eta in photon pairs, rho0 and omega in pion "
            "pairs, K* and Delta.", spectra.masses),
    Drawing("worst-observables", "The worst event observables",
            "The twelve event observables with the largest distance in units of the floor, which stands in each plot.",
            scorecard.worst_observables),
)  # fmt: skip


def draw_all(comparison: Comparison, folder: Path) -> Iterator[Drawn]:
    """Draw all figures, as PNG and PDF into a folder and as SVG for the page.

    Args:
        comparison: what to draw.
        folder: for the files; must exist.

    Yields:
        One figure after the other.
    """
    with house_style():
        for drawing in DRAWINGS:
            figure = drawing.draw(comparison)
            figure.savefig(folder / f"{drawing.name}.png", dpi=DPI)
            figure.savefig(folder / f"{drawing.name}.pdf", metadata={"CreationDate": None})
            text = StringIO()
            figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
            yield Drawn(drawing, text.getvalue())
