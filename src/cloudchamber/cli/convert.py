"""`cloudchamber convert`: the same events in another format."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["convert"]


def convert(
    source: Annotated[Path, typer.Argument(help="A file of events, or a folder of Parquet shards.")],
    target: Annotated[Path, typer.Argument(help="The file to make; its suffix picks the format.")],
) -> None:
    """Write events in another format: .hepmc3, .hepmc3.gz, .hepmc3.zst, .parquet or .root.

    Example:
        cloudchamber convert events.parquet events.hepmc3.gz

    Args:
        source: a file of events, or a folder of Parquet shards.
        target: the file to make; its suffix picks the format.
    """
    raise NotImplementedError(source, target)
