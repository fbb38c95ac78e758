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
    binning: Annotated[
        Path | None,
        typer.Option(help="The CaloChallenge's binning file, where a file of showers does not tell its own."),
    ] = None,
) -> None:
    """Write events in another format: .hepmc3, .hepmc3.gz, .hepmc3.zst, .parquet or .root.

    Showers are written as .parquet or .h5, with coarser cells by --merge; a target with .txt gets their incident
    energies in GeV, one a line, as 'generate --energies' reads them.

    Example:
        cloudchamber convert events.parquet events.hepmc3.gz
        cloudchamber convert datasets/calo-wsi/test energies.txt
        cloudchamber convert datasets/calo-wsi/test coarse.h5 --merge 3x3x3

    Args:
        source: a file of events, or a folder of Parquet shards.
        target: the file to make; its suffix picks the format.
        beams: energies, where the source does not say them.
        merge: cells of showers that become one.
        binning: the CaloChallenge's binning file, where a file of showers does not tell its geometry.

    Raises:
        InputError: if the source cannot be read, says other beams, or the target cannot be written.
    """
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.errors import InputError
    from cloudchamber.formats.files import iterate, open_writer, read_run, require_other_path
    from cloudchamber.formats.showers import holds_showers
    from cloudchamber.recipes.intake import with_beams

    require_other_path(source, target)
    if merge is not None:
        from cloudchamber.recipes.shower_merging import merge_showers, read_merging

        if beams is not None or binning is not None:
            raise InputError("--beams and --binning do not apply with --merge; leave them out.")
        with event_bar("merging", None) as advance:
            written = merge_showers(source, target, read_merging(merge), advance)
        typer.echo(f"{written:,} showers written: '{target}'")
        return
    if holds_showers(source):
        if beams is not None:
            raise InputError("--beams does not apply to showers; leave it out.")
        _convert_showers(source, target, binning)
        return
    if binning is not None:
        raise InputError("--binning does not apply to events; leave it out.")
    run = with_beams(read_run(source), beams, source)
    writer, written = open_writer(target, run), 0
    with event_bar("converting", None) as advance, writer:
        for events in iterate(source):
            writer.write(events.with_run(run))
            advance(len(events))
            written += len(events)
    typer.echo(f"{written:,} events written: '{target}'")


def _convert_showers(source: Path, target: Path, binning: Path | None) -> None:
    """Write showers in another format, or their incident energies."""
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.formats import showers as files

    if target.suffix == ".txt":
        typer.echo(f"{files.write_energies(source, target, binning):,} incident energies written: '{target}'")
        return
    written = 0
    with event_bar("converting", None) as advance, files.open_writer(target, files.read_run(source)) as writer:
        for piece in files.iterate(source, binning):
            writer.write(piece)
            advance(len(piece))
            written += len(piece)
    typer.echo(f"{written:,} showers written: '{target}'")
