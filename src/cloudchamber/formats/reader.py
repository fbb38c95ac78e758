"""What all readers of events share."""

from collections.abc import Iterable

from cloudchamber.events import Events

__all__ = ["collect"]


def collect(parts: Iterable[Events], limit: int | None = None) -> Events:
    """One sample from the pieces of a file.

    Args:
        parts: pieces, at least one.
        limit: stop after this many events; what follows is then not looked at.
    """
    wanted: list[Events] = []
    left = limit
    for part in parts:
        wanted.append(part if left is None else part[:left])
        if left is not None:
            left -= len(wanted[-1])
            if left <= 0:
                break
    return Events.concatenate(wanted)
