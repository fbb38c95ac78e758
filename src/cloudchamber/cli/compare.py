"""`cloudchamber compare`: two evaluations side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from cloudchamber.evaluate.compare import Contest, Row
    from cloudchamber.evaluate.document import ScoreRecord

__all__ = ["compare"]

_REMARKABLE = 2.0
_NARROWEST = 110


def compare(
    first: Annotated[Path, typer.Argument(help="A: a metrics.json, or the folder of a report.", metavar="A")],
    second: Annotated[Path, typer.Argument(help="B: another.", metavar="B")],
    *,
    everything: Annotated[bool, typer.Option("--all", help="Show every number, not only the remarkable.")] = False,
) -> None:
    """Put two evaluations side by side: value, floor and ratio of each, and which is better beyond errors.

    Better is what lies closer to its floor by more than three standard errors. Without --all, rows are shown where
    one is better or a ratio is above 2, and the first test.

    Example:
        cloudchamber compare report/metrics.json other/metrics.json

    Args:
        first: the evaluation A.
        second: the evaluation B.
        everything: show every number.
    """
    from rich.console import Console

    from cloudchamber.evaluate.compare import compare as contest_of
    from cloudchamber.recipes.comparison import read_metrics

    a, b = read_metrics(first), read_metrics(second)
    contest = contest_of(a, b)
    console = Console(soft_wrap=False)
    if console.width < _NARROWEST:
        console = Console(width=_NARROWEST)
    for name, document in (("A", a), ("B", b)):
        console.print(f"{name}: {document.settings.candidate['name']}, n = {document.settings.n:,}", markup=False)
        console.print(f"   {document.verdict.sentence}", markup=False)
    for note in contest.notes:
        console.print(note, markup=False)
    console.print(_table([row for row in contest.rows if everything or _remarkable(row, contest)]))
    console.print(f"of {len(contest.rows)} numbers, A is better in {contest.wins('A')}, B in {contest.wins('B')}")


def _remarkable(row: "Row", contest: "Contest") -> bool:
    ratios = [score.ratio or 0.0 for score in (row.a, row.b)]
    return row is contest.rows[0] or bool(row.better) or max(ratios) > _REMARKABLE


def _table(rows: list["Row"]) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for heading in ("quantity", "unit"):
        table.add_column(heading, overflow="fold")
    for heading in ("A", "floor", "ratio", "B", "floor", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("better")
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            table.add_section()
            table.add_row(f"[bold]{escape(group)}[/bold]")
        table.add_row(f"  {escape(row.name)}", escape(row.unit), *_cells(row.a), *_cells(row.b), row.better)
    return table


def _cells(score: "ScoreRecord") -> tuple[str, str, str]:
    return (
        f"{score.value:.3g} ± {score.error:.1g}",
        "–" if score.floor is None else f"{score.floor:.3g}",
        "–" if score.ratio is None else f"{score.ratio:.2f}",
    )
