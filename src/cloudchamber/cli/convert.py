"""`cloudchamber convert`: the same events in another format, or showers with coarser cells."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["convert"]


def convert(
    source: Annotated[Path, typer.Argument(help="A file of events, or a folder of Parquet shards.")],
    target: Annotated[Path, typer.Argument(help="The file to make; its suffix picks the format.")],
    beams: Annotated[str | None, typer.Option(help="Electron x hadron, in GeV, where the source does not say.")] = None,
    merge: Annotated[
        str | None, typer.Option(help="Of showers: cells along x, y and layers that become one, such as 3x3x3.")
    ] = None,
) -> None:
    """Write events in another format: .hepmc3, .hepmc3.gz, .hepmc3.zst, .parquet or .root.

    With --merge it writes showers with coarser cells, as .parquet or .h5.

    Example:
        cloudchamber convert events.parquet events.hepmc3.gz
        cloudchamber convert datasets/calo-wsi/test coarse.h5 --merge 3x3x3

    Args:
        source: a file of events, or a folder of Parquet shards.
        target: the file to make; its suffix picks the format.
        beams: energies, where the source does not say them.
        merge: cells of showers that become one.

    Raises:
        InputError: if the source cannot be read, says other beams, or the target cannot be written.
    """
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.errors import InputError
    from cloudchamber.formats.files import iterate, open_writer, read_run
    from cloudchamber.recipes.intake import with_beams

    if target.exists() and target.resolve() == source.resolve():
        raise InputError(f"'{target}' is both source and target; give the target another name.")
    if merge is not None:
        from cloudchamber.recipes.shower_merging import merge_showers, read_merging

        if beams is not None:
            raise InputError("--beams is for events and --merge for showers; give one of them.")
        with event_bar("merging", None) as advance:
            written = merge_showers(source, target, read_merging(merge), advance)
        typer.echo(f"{written:,} showers written: '{target}'")
        return
    run = with_beams(read_run(source), beams, source)
    writer, written = open_writer(target, run), 0
    with event_bar("converting", None) as advance, writer:
        for events in iterate(source):
            writer.write(events.with_run(run))
            advance(len(events))
            written += len(events)
    typer.echo(f"{written:,} events written: '{target}'")
