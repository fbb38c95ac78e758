"""What the user sees: a bar on a terminal, and a line a minute elsewhere."""

import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

__all__ = ["ProgressDisplay"]

_SECONDS_BETWEEN_LINES = 60.0


class ProgressDisplay:
    """Progress on standard error.

    Args:
        shown: false for processes that should be silent.
    """

    def __init__(self, shown: bool = True) -> None:
        console = Console(stderr=True)
        self._shown, self._line_at = shown, time.monotonic() + _SECONDS_BETWEEN_LINES
        self._bar = Progress(
            TextColumn("training"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[text]}"),
            console=console, disable=not (shown and console.is_terminal),
        )  # fmt: skip
        self._task = self._bar.add_task("", total=1.0, text="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, done: float, elapsed: float, text: str) -> None:
        """Show where training is.

        Args:
            done: fraction of the run that is behind.
            elapsed: training time so far, in seconds.
            text: what else to show.
        """
        left = f"{timedelta(seconds=round(elapsed * (1 - done) / done))} left" if done > 0 else ""
        self._bar.update(self._task, completed=done, text=f"{text}, {left}")
        if self._shown and self._bar.disable and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + _SECONDS_BETWEEN_LINES
            sys.stderr.write(f"training {done:.1%}: {text}, {left}\n")
            sys.stderr.flush()
