"""Wiring of pixelation: a file of events in, a file of images out."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cloudchamber.errors import InputError
from cloudchamber.formats import files
from cloudchamber.formats.images import ImageHeader, Images, ImageWriter
from cloudchamber.physics.pixels import Pixels
from cloudchamber.represent.image import ImageRepresentation, Intensity
from cloudchamber.represent.rescale import Straight

__all__ = ["Pixelated", "pixelate_files"]


class Pixelated(NamedTuple):
    """What was made.

    Attributes:
        images: how many.
        empty: share of empty pixels of all channels.
    """

    images: int
    empty: float


def pixelate_files(
    source: Path,
    out: Path,
    *,
    rows: int = 64,
    columns: int = 64,
    species: str = "211,321,11",
    intensity: Intensity = "z",
    advance: Callable[[int], None] = lambda made: None,
) -> Pixelated:
    """Write events as images, piece by piece.

    Args:
        source: a file of events, or a folder of Parquet shards.
        out: the file to make.
        rows: pixels in pseudorapidity.
        columns: pixels in azimuth.
        species: PDG numbers of the channels, separated by commas.
        intensity: what a pixel holds.
        advance: told how many events have been done.

    Raises:
        InputError: if the source cannot be read, the file not be written, or a setting is impossible.
    """
    files.require_other_path(source, out)
    run = files.read_run(source)
    if run.beams is None:
        raise InputError(f"'{source}' does not say its beams; simulate events with 'cloudchamber simulate dis'.")
    for name, number in (("--rows", rows), ("--columns", columns)):
        if not 1 <= number <= 10_000:
            raise InputError(f"{name} {number} is impossible: give 1 to 10000.")
    grid, channels = Pixels.centred(rows, columns), _channels(species)
    representation = ImageRepresentation(run.beams, grid, channels, intensity, Straight(), 0.0)
    header = ImageHeader(rows=rows, columns=columns, start=grid.start, species=channels, intensity=intensity)
    images = filled = 0
    with ImageWriter(out, header, run) as writer:
        for events in files.iterate(source):
            events.require_particles(images)
            found = representation.pixelate(events)
            writer.write(Images(found, events.weight))
            images, filled = images + len(events), filled + len(found.pixel)
            advance(len(events))
    return Pixelated(images, 1 - filled / (images * header.size))


def _channels(species: str) -> tuple[int, ...]:
    try:
        channels = tuple(int(code) for code in species.split(","))
    except ValueError:
        raise InputError(f"--species '{species}' is not understood: give PDG numbers such as 211,321,11.") from None
    if 11 not in channels or len(set(channels)) < len(channels):
        raise InputError(f"--species '{species}' is impossible: give different numbers, the electron, 11, among them.")
    return channels
