"""What all writers of events and showers share: one file that appears whole, or not at all, when a block ends."""

from abc import ABC, abstractmethod
from collections.abc import Sized
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo
from cloudchamber.formats.atomic import atomic_path

__all__ = ["EventWriter", "SampleWriter"]

Sample = TypeVar("Sample", bound=Sized)


class SampleWriter(ABC, Generic[Sample]):
    """Streams a sample into one file, which appears under its name when the block ends well.

    Args:
        path: the file to make.
        run: metadata of the sample; `writer.run` may be replaced until it is written (HepMC3 does so with the
            first events, the other formats at the end).

    Raises:
        InputError: if the file cannot be written, or no event was.
    """

    def __init__(self, path: Path, run: RunInfo) -> None:
        self.path, self.run = path, run
        self.events_written = 0
        self._open = False
        self._atomic = atomic_path(path)

    def __enter__(self) -> Self:
        self._temporary = self._atomic.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and not self._open:
                raise InputError(f"there are no events to write to '{self.path}'.")
            if self._open:
                self._close(whole=error is None)
        except (OSError, InputError) as failed:
            first = failed if error is None else error
            self._atomic.__exit__(type(first), first, first.__traceback__)
            raise first from first.__cause__
        self._atomic.__exit__(kind, error, trace)

    def write(self, events: Sample) -> None:
        """Append events.

        Args:
            events: all parts of a file must have the same columns.
        """
        if len(events) == 0:
            return
        if not self._open:
            self._begin(events)
            self._open = True
        self._append(events)
        self.events_written += len(events)

    @abstractmethod
    def _begin(self, events: Sample) -> None:
        """Open `self._temporary` and write what comes before the first events."""

    @abstractmethod
    def _append(self, events: Sample) -> None:
        """Write a part of at least one event."""

    @abstractmethod
    def _close(self, whole: bool) -> None:
        """Write what comes last, if the file is to be whole, and close it."""


class EventWriter(SampleWriter[Events]):
    """Streams events into one file; see `SampleWriter`."""
