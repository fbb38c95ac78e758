"""The report of muons and jets: one self-contained page with the verdict, the tables and the figures."""

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from cloudchamber.evaluate.bands import Band
from cloudchamber.evaluate.figures.style import house_style
from cloudchamber.evaluate.zjets.bands import band_key
from cloudchamber.evaluate.zjets.document import ZJetsDocument
from cloudchamber.evaluate.zjets.evaluation import JetNumbers, ZJetsEvaluation
from cloudchamber.evaluate.zjets.figures import JetTables, draw_plane, draw_spectra

__all__ = ["Picture", "draw_zjets", "save_figure", "zjets_page"]

_PLANES = {2: ("dphi_j1j2", "deta_j1j2"), 3: ("dR_j1j2", "dR_j1j3")}
_DPI = 110


class Picture(NamedTuple):
    """A drawn figure: its name, heading, and file."""

    name: str
    title: str
    path: Path


def draw_zjets(evaluation: ZJetsEvaluation, folder: Path, bands: Sequence[Band] = ()) -> list[Picture]:
    """Draw all figures, as PNG and PDF into a folder.

    Args:
        evaluation: what to draw.
        folder: for the files; must exist.
        bands: spectra with the uncertainty of the model.
    """
    drawn = []
    for one in evaluation.numbers:
        tables, plural = _tables(one, bands), "jet" if one.jets == 1 else "jets"
        drawn.append(_saved(f"spectra-{one.jets}", f"Spectra of {one.jets} {plural}", draw_spectra, tables, folder))
        if one.jets in _PLANES:
            draw = partial(draw_plane, keys=_PLANES[one.jets])
            drawn.append(_saved(f"plane-{one.jets}", f"The cut on Delta R, {one.jets} jets", draw, tables, folder))
    return drawn


def _tables(one: JetNumbers, bands: Sequence[Band]) -> JetTables:
    plan, own = one.plan, {band.quantity: band.candidate for band in bands if band.species == band_key(one.jets)}
    (a, b), (u, w) = one.tables, one.weights
    return JetTables(
        one.jets, (b[plan.reference], w[plan.reference]), {"candidate": (a[plan.candidate], u[plan.candidate])},
        bands=own,
    )  # fmt: skip


def _saved(name: str, title: str, draw: Callable[[JetTables], Figure], tables: JetTables, folder: Path) -> Picture:
    with house_style():
        save_figure(draw(tables), folder / name)
    return Picture(name, title, folder / f"{name}.png")


def save_figure(figure: Figure, stem: Path) -> None:
    """Save a figure as PNG and PDF.

    Args:
        figure: which.
        stem: path without the suffix.
    """
    figure.savefig(stem.with_suffix(".png"), dpi=_DPI, pil_kwargs={"compress_level": 6})
    figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None})


def zjets_page(document: ZJetsDocument, pictures: Sequence[Picture]) -> str:
    """The page as HTML.

    Args:
        document: the numbers.
        pictures: what was drawn.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cloudchamber.evaluate"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(number=_number, percent=_percent)
    shown: list[Mapping[str, str]] = [
        {"name": p.name, "title": p.title, "data": base64.b64encode(p.path.read_bytes()).decode()} for p in pictures
    ]
    return environment.get_template("zjets.html.j2").render(document=document, pictures=shown)


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"
