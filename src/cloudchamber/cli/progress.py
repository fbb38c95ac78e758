"""A progress bar on standard error; silent when it is not a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["event_bar", "stage_bar"]


class _Rate(ProgressColumn):
    """Events per second, of late."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} events/s")


@contextmanager
def event_bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar that counts events while the block runs.

    Args:
        what: what is being done, such as `simulating`.
        total: events in all, if known.

    Yields:
        A function to call with the number of events done since the last call.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


@contextmanager
def stage_bar(total: int) -> Iterator[Callable[[str, int], None]]:
    """A bar of steps in several stages while the block runs.

    Args:
        total: steps in all.

    Yields:
        A function to call with the stage and the steps done in all.
    """
    console = Console(stderr=True)
    columns = TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("warm-up", total=total)
        yield lambda stage, done: bar.update(task, description=stage, completed=done)
