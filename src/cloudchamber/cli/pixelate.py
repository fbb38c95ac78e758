"""`cloudchamber pixelate`: events as images, on disk."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["pixelate"]


def pixelate(
    source: Annotated[Path, typer.Argument(help="A file of events, or a folder of Parquet shards.")],
    *,
    out: Annotated[Path, typer.Option(help="Parquet file of images to make.")],
    rows: Annotated[int, typer.Option(help="Pixels in pseudorapidity, over |eta| < 10.")] = 64,
    columns: Annotated[int, typer.Option(help="Pixels in azimuth.")] = 64,
    species: Annotated[str, typer.Option(help="PDG numbers of the channels, the electron, 11, among them.")] = (
        "211,321,11"
    ),
    intensity: Annotated[Literal["z", "pT"], typer.Option(help="What a pixel holds.")] = "z",
) -> None:
    """Write events as images of arXiv:2310.16308: lists of filled pixels in pseudorapidity and azimuth.

    Momenta are those of the centre-of-mass frame; every event is turned until its scattered electron is in column 0.

    Example:
        cloudchamber pixelate events.parquet --out images.parquet --rows 64 --columns 64

    Args:
        source: a file of events, or a folder of Parquet shards.
        out: the file to make.
        rows: pixels in pseudorapidity.
        columns: pixels in azimuth.
        species: PDG numbers, separated by commas.
        intensity: what a pixel holds.

    Raises:
        InputError: if the source cannot be read, the file not be written, or a setting is impossible.
    """
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.recipes.images import pixelate_files

    with event_bar("pixelating", None) as advance:
        made = pixelate_files(
            source, out, rows=rows, columns=columns, species=species, intensity=intensity, advance=advance
        )
    typer.echo(f"{made.images:,} images: '{out}', {made.empty:.3%} of the pixels of all channels are empty")
