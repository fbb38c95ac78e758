"""The report: one self-contained page with the verdict, the tables, event displays and the figures.

Figures are inline SVG whose ink takes the page's text colour, so the page needs no network and reads in light and in
dark. Event displays are inline SVG too; a script in the page adds the one that turns, and without it nothing else
is missing.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from cloudchamber.evaluate.displays import GROUPS, Display, Shown
from cloudchamber.evaluate.document import MetricsDocument, ScoreRecord
from cloudchamber.evaluate.figures.gallery import Drawn
from cloudchamber.evaluate.figures.style import INK

__all__ = ["page", "report_page"]

_PUBLISHED = ("e'", "K+", "pi+")
"""Species of tables 1 and 2 of arXiv:2410.22421."""


def report_page(document: MetricsDocument, figures: Sequence[Drawn], displays: Sequence[Display] = ()) -> str:
    """The page as HTML.

    Args:
        document: the numbers.
        figures: what was drawn.
        displays: events to look at.
    """
    from markupsafe import Markup

    return page(
        "report.html.j2", figures, document=document, pairs=_pairs_text(document), published=_published(document),
        metrics=getattr(document, "metrics", ()), tests=getattr(document.verdict, "tests", ()),
        displays=displays, groups=GROUPS, events=Markup(_events(displays)),
    )  # fmt: skip


def page(template: str, figures: Sequence[Drawn], **names: Any) -> str:  # noqa: ANN401
    """A page as HTML.

    Args:
        template: its name.
        figures: what was drawn.
        **names: what the template knows besides.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("cloudchamber.evaluate"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(number=_number, percent=_percent, count=_count)
    shown = [(d.drawing, Markup(_inline(d.svg, d.drawing.title)) if d.svg else None, d.skipped) for d in figures]
    return environment.get_template(template).render(figures=shown, **names)


def _published(document: MetricsDocument) -> list[tuple[str, dict[str, ScoreRecord | None]]]:
    """W1 of eta, phi and pT of the species that arXiv:2410.22421 tabulates."""
    found = {(m.species, m.quantity): m.score for m in document.particles}
    return [(s, {q: found.get((s, q)) for q in ("eta", "phi", "pT")}) for s in _PUBLISHED]


def _events(displays: Sequence[Display]) -> str:
    """The events as JSON for the script of the page: numbers only, so nothing needs escaping."""
    return json.dumps([{"candidate": _event(d.candidate), "reference": _event(d.reference)} for d in displays])


def _event(shown: Shown) -> dict[str, Any]:
    return {"Q2": float(f"{shown.Q2:.4g}"), "x": float(f"{shown.x:.3g}"), "tracks": [list(t) for t in shown.tracks]}


def _inline(svg: str, title: str) -> str:
    """An SVG element for the page: no prologue, ink from the page, scaled to its width, named for screen readers."""
    element = svg[svg.index("<svg") :].replace(INK, "var(--ink)")
    element = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", element, count=1)
    element = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", element, count=1)
    element = re.sub(r"<metadata>.*?</metadata>", "", element, count=1, flags=re.DOTALL)
    return element.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)


def _pairs_text(document: MetricsDocument) -> str:
    settings, scores = document.settings, [m.score for m in document.particles if m.score]
    if not settings.n_pairs:
        return "There are no floors: the reference is too small for truth-truth pairs."
    text = f"Floors are means over {settings.n_pairs} disjoint truth-truth pairs of {settings.pair_size:,} events each."
    scale = scores[0].floor_scale if scores else 1.0
    if abs(scale - 1) > 1e-9:
        text += (
            f" The reference is too small for pairs of the full size, so floors of distances were brought to it with a "
            f"factor of {scale:.2f}; give a larger reference for measured floors."
        )
    return text


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.2f} %"


def _count(value: float) -> str:
    return f"{value:,.0f}"
