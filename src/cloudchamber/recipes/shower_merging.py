"""Wiring of showers with coarser cells: a file and numbers of cells in, a file out."""

import re
from collections.abc import Callable
from pathlib import Path

from cloudchamber.errors import InputError
from cloudchamber.events import Merging
from cloudchamber.formats import showers as files

__all__ = ["merge_showers", "read_merging"]


def read_merging(text: str) -> Merging:
    """How many cells become one, from a text such as 3x3x3.

    Args:
        text: cells along x (or r), along y (or alpha), and layers.

    Raises:
        InputError: if it is none.

    >>> read_merging("3x3x2")
    Merging(first=3, second=3, layers=2)
    """
    match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})x([1-9]\d{0,3})", text.strip().lower())
    if match is None:
        raise InputError(f"--merge '{text}' is impossible: give cells along x, y and layers, for example 3x3x3.")
    return Merging(*map(int, match.groups()))


def merge_showers(
    source: Path, target: Path, merging: Merging, advance: Callable[[int], None] = lambda made: None
) -> int:
    """Write showers with coarser cells, piece by piece.

    Args:
        source: a file of showers, or a folder of them.
        target: the file to make; its suffix picks the format.
        merging: how many cells become one.
        advance: told how many showers have been written.

    Returns:
        Number of showers.

    Raises:
        InputError: if the source cannot be read, its layers cannot be merged, or the target cannot be written.
    """
    written = 0
    with files.open_writer(target, files.read_run(source)) as writer:
        for showers in files.iterate(source):
            writer.write(merging.showers(showers))
            advance(len(showers))
            written += len(showers)
    return written
