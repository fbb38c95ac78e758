"""How a long piece of work tells how far it is."""

from collections.abc import Callable

__all__ = ["Progress", "part", "silent"]

Progress = Callable[[str, float], None]
"""Told what is being done and which share of all the work is behind, from 0 to 1."""


def silent(what: str, share: float) -> None:
    """Tell nobody.

    Args:
        what: what is being done.
        share: which share is behind.
    """


def part(progress: Progress, start: float, stop: float) -> Progress:
    """The progress of one part of the work, told as progress of the whole.

    Args:
        progress: of the whole.
        start: share of the whole that is behind when the part begins.
        stop: share that is behind when it ends.

    >>> part(lambda what, share: print(what, share), 0.5, 1.0)("fit", 0.5)
    fit 0.75
    """
    return lambda what, share: progress(what, start + (stop - start) * share)
