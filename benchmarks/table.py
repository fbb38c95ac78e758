"""Tables for the terminal and for documents; rates beside the baseline that was measured in the same run."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

__all__ = ["Rate", "print_rates", "print_table"]


class Rate(NamedTuple):
    """Events and the wall-clock seconds they took."""

    name: str
    events: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Events per second."""
        return self.events / self.seconds


def print_rates(title: str, rates: Sequence[Rate]) -> None:
    """Print rates and their ratios to the first of them.

    Args:
        title: what was measured, and where.
        rates: the baseline, then all others.
    """
    table = Table(title=title)
    for heading in ("what", "events", "seconds", "events/s", f"ratio to '{rates[0].name}'"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for rate in rates:
        ratio = rate.per_second / rates[0].per_second
        table.add_row(rate.name, f"{rate.events:,}", f"{rate.seconds:.1f}", f"{rate.per_second:,.0f}", f"{ratio:.2f}")
    Console(width=110).print(table)


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], path: Path) -> None:
    """Print a table, and write it as Markdown.

    Args:
        title: what was measured.
        headings: of the columns.
        rows: cells, as many in each row as there are headings.
        path: of the Markdown file.
    """
    table = Table(*headings, title=title)
    for row in rows:
        table.add_row(*row)
    Console(width=40 + 28 * len(headings)).print(table)
    lines = [headings, ["---"] * len(headings), *rows]
    path.write_text("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n", encoding="utf-8")
