"""The report of showers: one self-contained page with the verdict, the tables and the figures."""

from collections.abc import Sequence

from cloudchamber.evaluate.figures.gallery import Drawn
from cloudchamber.evaluate.report import page
from cloudchamber.evaluate.showers.document import ShowerDocument

__all__ = ["shower_page"]


def shower_page(document: ShowerDocument, figures: Sequence[Drawn]) -> str:
    """The page as HTML.

    Args:
        document: the numbers.
        figures: what was drawn.
    """
    return page(
        "showers.html.j2", figures, document=document, metrics=document.metrics, tests=document.verdict.tests,
        pairs=_pairs_text(document),
    )  # fmt: skip


def _pairs_text(document: ShowerDocument) -> str:
    settings = document.settings
    text = f"Floors are means over {settings.n_pairs} disjoint truth-truth pairs of {settings.pair_size:,} showers each"
    if settings.pair_size >= min(settings.n, settings.n_reference):
        return text + "."
    return (
        f"{text}, brought to the size compared by how each number falls with it; those of separation powers, FPD, KPD "
        "and the largest differences are of pairs of the full size, drawn with replacement from the reference."
    )
