"""Events of other generators, made ready for training: the electron first, and all that a model must know of them.

Files that this package wrote say their beams and their level and are used as they are. Others are copied into shards
inside the run's folder, with what is missing found out or given by the user:

    beams       from HepMC3's beam particles, or --beams
    electron    from HepMC3's record; in Parquet and ROOT the first particle, if it is an electron in every event, else
                the electron of highest pT
    level       from the species: `stable` where all of them live longer than c tau = 10 mm, `pi0` where neutral pions
                are the only exception, `primary` where most of the events hold others
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, Level, RunInfo
from cloudchamber.formats import files, parquet
from cloudchamber.formats.atomic import explain_os_error
from cloudchamber.physics import pdg
from cloudchamber.physics.conservation import missing_momentum
from cloudchamber.physics.scattered import electron_first

__all__ = ["EVENTS", "ready"]

EVENTS = "events"
"""Folder inside a run's that holds the shards."""
_SHARD_EVENTS = 25_000
_ELECTRON, _PION = 11, 111
_MISSING = 0.02
"""Largest median of missing momentum, as a share of the beams' energy, that events may have."""


def ready(data: Path, out: Path, beams: str | None = None) -> Path:
    """Events that can be trained on: the file itself, or shards made of it.

    Args:
        data: a file of events of any format, or a folder of Parquet shards.
        out: folder of the run; the shards are made in `out/events`, and kept where they are there already.
        beams: energies where the file does not say them, such as `10x275`.

    Raises:
        InputError: if the file cannot be read, lacks something that is not given, or holds events that are not whole.
    """
    given, run = None if beams is None else Beams.parse(beams), files.read_run(data)
    if given is not None and run.beams not in (None, given):
        raise InputError(f"'{data}' says beams {run.beams.name}, so --beams {given.name} is wrong; leave it out.")
    if (data.is_dir() or data.suffix == ".parquet") and run.beams is not None and run.level is not None:
        return data
    run = run.with_(beams=run.beams or given)
    if run.beams is None:
        raise InputError(
            f"'{data}' does not say its beams, head-on electron and proton; give them with --beams, such as 10x275."
        )
    shards = out / EVENTS
    if not any(shards.glob("*.parquet")):
        _write(data, shards, run)
    return shards


def _write(data: Path, shards: Path, run: RunInfo) -> None:
    level = run.level or _level_of(data)
    run = run.with_(level=level, provenance={**run.provenance, "read_from": data.name})
    if data.name.endswith((".parquet", ".root")) or data.is_dir():
        ordered = all(bool((_first(events) == _ELECTRON).all()) for events in files.iterate(data))
    else:
        ordered = True
    try:
        shards.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, shards) from error
    start = 0
    for number, events in enumerate(files.iterate(data, _SHARD_EVENTS)):
        whole = events.final_state()
        whole = (whole if ordered else electron_first(whole)).with_run(run)
        _require_whole(whole, start, data)
        parquet.write(shards / f"shard-{number:05d}.parquet", whole)
        start += len(whole)
