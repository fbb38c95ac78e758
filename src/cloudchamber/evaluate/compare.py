r"""Two evaluations side by side, and which is better where.

What truth against truth gives is the best that any sample can do, so a number v with the floor f is judged by

    d = |v - f|     of samples of one size,         d = |v / f - 1|     otherwise,

because distances and their floors fall with the number of events. A is better than B where d_B - d_A is more than
three standard errors, so that equal samples win by chance in a few of a thousand rows.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.evaluate.document import MetricsDocument, ScoreRecord
from cloudchamber.evaluate.showers.document import ShowerDocument

__all__ = ["SIGMAS", "Contest", "Document", "Row", "compare"]

SIGMAS = 3.0
"""Differences of fewer standard errors than this count as none."""

Document = MetricsDocument | ShowerDocument
_ALIKE = {
    "cloudchamber.metrics": (
        ("beams", "beams"), ("levels of decays", "level"), ("selections of particles", "acceptance"),
    ),
    "cloudchamber.shower-metrics": (("numbers of layers", "layers"), ("numbers of cells", "cells")),
}  # fmt: skip


class Row(NamedTuple):
    """One number of both evaluations."""

    group: str
    name: str
    unit: str
    a: ScoreRecord
    b: ScoreRecord
    better: str
    """A, B, or empty where the errors do not tell."""


class Contest(NamedTuple):
    """Two evaluations."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    """What makes the two differ besides the samples."""

    def wins(self, side: str) -> int:
        """Rows in which one side is better.

        Args:
            side: A or B.
        """
        return sum(row.better == side for row in self.rows)


def compare(a: Document, b: Document) -> Contest:
    """Put two evaluations side by side.

    Args:
        a: the first.
        b: the second.

    Raises:
        InputError: if one is of events and one of showers, or they differ in beams, levels of decays, selections of
            particles or cells.
    """
    if a.schema_name != b.schema_name:
        raise InputError("one evaluation is of events and the other of showers; compare like with like.")
    for what, name in _ALIKE[a.schema_name]:
        one, two = getattr(a.settings, name), getattr(b.settings, name)
        if one != two:
            raise InputError(f"the two evaluations have different {what}, {one} and {two}; compare like with like.")
    same_size = a.settings.n == b.settings.n
    found = {(group, name): (unit, score) for group, name, unit, score in _scores(b)}
    rows = []
    for group, name, unit, score in _scores(a):
        if (group, name) in found:
            other = found[group, name][1]
            rows.append(Row(group, name, unit, score, other, _better(score, other, same_size)))
    if not rows:
        raise InputError("the two evaluations have no number in common; make both with the same version.")
    return Contest(tuple(rows), tuple(_notes(a, b, same_size)))


def _scores(document: Document) -> Iterator[tuple[str, str, str, ScoreRecord]]:
    if isinstance(document, ShowerDocument):
        for one in document.metrics:
            yield one.group, one.name, one.unit, one
        for power in document.separations:
            yield "separation power", power.name, "", power
        return
    yield "classifier", "AUC of boosted trees", "", document.classifier.area
    for metric in getattr(document, "metrics", ()):
        yield metric.group, metric.name, metric.unit, metric
    for m in document.multiplicities:
        if m.score:
            yield "mean number, relative difference", m.species, "", m.score
    for w in (*document.particles, *document.events):
        if w.score:
            name = w.quantity if w.species is None else f"{w.quantity} of {w.species}"
            yield "W1 of events" if w.species is None else "W1 of particles", name, w.unit, w.score


def _better(a: ScoreRecord, b: ScoreRecord, same_size: bool) -> str:
    one, two = _distance(a, same_size), _distance(b, same_size)
    if one is None or two is None:
        return ""
    difference, error = two[0] - one[0], float(np.hypot(one[1], two[1]))
    if abs(difference) <= SIGMAS * error:
        return ""
    return "A" if difference > 0 else "B"


def _distance(score: ScoreRecord, same_size: bool) -> tuple[float, float] | None:
    """Distance from the floor, and its error."""
    if score.floor is None or (not same_size and score.floor == 0):
        return None
    scale = 1.0 if same_size else abs(score.floor)
    return abs(score.value - score.floor) / scale, score.error / scale


def _notes(a: Document, b: Document, same_size: bool) -> Iterator[str]:
    if not same_size:
        yield (
            f"A has {a.settings.n:,} and B {b.settings.n:,} events or showers: values and floors fall with their "
            "number, so ratios are compared."
        )
    if a.settings.reference.get("name") != b.settings.reference.get("name"):
        yield "The references have different names; check that they hold events of the same kind."
    if a.settings.version != b.settings.version:
        yield f"A was made with version {a.settings.version} and B with {b.settings.version}."
