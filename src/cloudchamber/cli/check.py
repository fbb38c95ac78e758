"""`cloudchamber check`: a table of conventions and conservation laws."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudchamber.physics.conventions import Check
    from cloudchamber.physics.record import Record

__all__ = ["check"]


def check(
    file: Annotated[Path, typer.Argument(help="A file of events, or a folder of Parquet shards.")],
) -> None:
    """Judge a file by the EIC conventions and the conservation laws.

    Every rule is printed with its greatest violation and the event (counted from 0) that has it. The exit
    code is 0 if all pass, 1 if one fails, 2 if the file cannot be read.

    Example:
        cloudchamber check events.hepmc3.gz

    Args:
        file: a file of events, or a folder of Parquet shards.

    Raises:
        Exit: with code 1 if a rule fails.
    """
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.formats.files import iterate_records
    from cloudchamber.physics.conventions import judge

    seen = 0
    with event_bar("checking", None) as advance:

        def counted() -> "Iterator[Record]":
            nonlocal seen
            for record in iterate_records(file):
                yield record
                seen += len(record.events)
                advance(len(record.events))

        checks = judge(counted())
    _show(checks)
    failed = sum(not one.passed for one in checks)
    typer.echo(f"{file}: {seen:,} events, {len(checks) - failed} of {len(checks)} checks pass")
    if failed:
        raise typer.Exit(1)


def _show(checks: "list[Check]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("check", "result", "worst", "event", "tolerance", "what is measured")
    for one in checks:
        result = "[green]pass[/green]" if one.passed else "[bold red]FAIL[/bold red]"
        event = str(one.worst_event) if one.worst else ""
        table.add_row(one.name, result, f"{one.worst:.3g}", event, f"{one.tolerance:g}", one.description)
    console = Console()
    console.width = console.width if console.is_terminal else 140
    console.print(table)
