"""`cloudchamber check`: a table of conventions and conservation laws."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["check"]


def check(
    file: Annotated[Path, typer.Argument(help="A file of events, or a folder of Parquet shards.")],
) -> None:
    """Judge a file by the EIC conventions and the conservation laws.

    Example:
        cloudchamber check events.hepmc3.gz

    Args:
        file: a file of events, or a folder of Parquet shards.
    """
    raise NotImplementedError(file)
