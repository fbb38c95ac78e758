"""All figures of a report of showers, each with a title and one sentence that says what to look for."""

from collections.abc import Iterator
from pathlib import Path

from cloudchamber.evaluate.figures.gallery import Drawing, Drawn, drawn, save
from cloudchamber.evaluate.showers.figures.comparison import ShowerComparison
from cloudchamber.evaluate.showers.figures.displays import displays
from cloudchamber.evaluate.showers.figures.linearity import linearity
from cloudchamber.evaluate.showers.figures.profiles import profiles
from cloudchamber.evaluate.showers.figures.spectra import (
    layer_energies,
    layer_hits,
    layer_shapes,
    separations,
    whole_showers,
    worst_histograms,
)

__all__ = ["SHOWER_DRAWINGS", "draw_showers"]

SHOWER_DRAWINGS: tuple[Drawing[ShowerComparison], ...] = (
    Drawing("separations", "Separation powers of all layers in units of their floor",
            "Cells near 1 are as good as truth against truth at this number of showers; dark cells are not.",
            separations),
    Drawing("displays", "Showers",
            "The first candidate of each quarter of the energies, chosen by nobody, beside the reference of the "
            "nearest incident energy: cores, halos and gaps should look alike.", displays),
    Drawing("linearity", "Response and resolution",
            "Points should lie on the line within their errors; the band is the reference's statistical error.",
            linearity),
    Drawing("profiles", "Profiles along and across the axis",
            "The ratio should be one from the first layer to the last and into the halo.", profiles),
    Drawing("whole-showers", "Whole showers and energies of cells",
            "Look at the response, at both ends of the number of hits, and at the edge of the cells' energies.",
            whole_showers),
    Drawing("layer-energies", "Energies of layers",
            "Look at the first layers, where showers begin late, and at the tails of the last.", layer_energies),
    Drawing("layer-hits", "Hits of layers",
            "Look at the share of showers without a hit in the layer.", layer_hits),
    Drawing("layer-shapes", "Centres and widths of layers",
            "Spikes come from layers with one hit; they should be as high as in the reference.", layer_shapes),
    Drawing("worst-histograms", "The worst histograms",
            "The ten histograms with the largest separation power in units of the floor, which stands in each plot.",
            worst_histograms),
)  # fmt: skip


def draw_showers(comparison: ShowerComparison, folder: Path) -> Iterator[Drawn]:
    """Draw all figures, as PNG, PDF and SVG into a folder.

    Args:
        comparison: what to draw.
        folder: for the files; must exist.

    Yields:
        One figure after the other.
    """
    for drawing in SHOWER_DRAWINGS:
        save(drawing, comparison, folder)
        yield drawn(folder, drawing)
