"""`cloudchamber decay`: from undecayed hadrons to the stable final state."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["decay"]


def decay(
    source: Annotated[Path, typer.Argument(help="A file of events, or a folder of Parquet shards.")],
    target: Annotated[Path, typer.Argument(help="The file to make; its suffix picks the format.")],
    seed: Annotated[int, typer.Option(help="Names the random streams.")] = 1,
    history: Annotated[bool, typer.Option("--history", help="Keep decayed particles and vertices.")] = False,
) -> None:
    """Finish events of level primary or pi0 to stable with Pythia8's decay tables.

    Example:
        cloudchamber decay primary.parquet stable.parquet --seed 1

    Args:
        source: a file of events, or a folder of Parquet shards.
        target: the file to make; its suffix picks the format.
        seed: names the random streams.
        history: keep decayed particles and vertices.
    """
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.recipes.decays import decay_file

    with event_bar("decaying", None) as advance:
        events = decay_file(source, target, seed=seed, history=history, advance=advance)
    typer.echo(f"{events:,} events decayed: '{target}'")
