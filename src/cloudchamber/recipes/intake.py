"""Events of other generators, made ready for training: the electron first, and all that a model must know of them.

Files that this package wrote say their beams and their level and are used as they are, and so is a folder of samples
with several beams. Others are copied into shards
inside the run's folder, with what is missing found out or given by the user:

    beams       from HepMC3's beam particles, or --beams
    electron    from HepMC3's record; in Parquet and ROOT the first particle, if it is an electron in every event, else
                the electron of highest pT
    level       from the species: `stable` where all of them live longer than c tau = 10 mm, `pi0` where neutral pions
                are the only exception, else `primary`
"""

from pathlib import Path

import numpy as np

from cloudchamber.data.split import samples
from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, Level, RunInfo
from cloudchamber.formats import files, parquet
from cloudchamber.formats.atomic import explain_os_error
from cloudchamber.physics import pdg
from cloudchamber.physics.conservation import residuals
from cloudchamber.physics.scattered import electron_first

__all__ = ["EVENTS", "ready", "with_beams"]

EVENTS = "events"
"""Folder inside a run's that holds the shards."""
_SHARD_EVENTS = 25_000
_ELECTRON, _PION = 11, 111
_LONGEST = 10.0
"""mm; what flies further is stable."""
_MISSING = 0.02
"""Largest median of missing E - pz and E + pz, as a share of the beams', that events may have."""


def ready(data: Path, out: Path, beams: str | None = None, *, resume: bool = False) -> Path:
    """Events that can be trained on: the file itself, or shards made of it.

    Args:
        data: a file of events of any format, or a folder of Parquet shards.
        out: folder of the run; the shards are made in `out/events`.
        beams: energies where the file does not say them, such as `10x275`.
        resume: take the shards that are there.

    Raises:
        InputError: if the file cannot be read, lacks something that is not given, or holds events that are not whole.
    """
    if not data.exists():
        raise InputError(f"'{data}' does not exist; check the path of --data.")
    if data.is_dir() and len(samples(data)) > 1:
        return data
    said = files.read_run(data)
    run = with_beams(said, beams, data)
    complete = (said.beams or said.protons) is not None and run.level is not None
    if (data.is_dir() or data.suffix == ".parquet") and complete:
        return data
    if run.beams is None:
        raise InputError(
            f"'{data}' does not say its beams, head-on electron and proton; give them with --beams, such as 10x275."
        )
    shards = out / EVENTS
    if not (resume and any(shards.glob("*.parquet"))):
        _write(data, shards, run)
    return shards


def with_beams(run: RunInfo, beams: str | None, source: Path) -> RunInfo:
    """What a file says of its events, and the beams that its user says.

    Args:
        run: of the file.
        beams: such as `10x275`; None for what the file says.
        source: the file.

    Raises:
        InputError: if both say beams, but not the same, or the file is of protons with protons.
    """
    if beams is None:
        return run
    given = Beams.parse(beams)
    if run.protons is not None:
        raise InputError(f"'{source}' says protons with protons, so --beams {given.name} is wrong; leave it out.")
    if run.beams is not None and run.beams != given:
        raise InputError(f"'{source}' says beams {run.beams.name}, so --beams {given.name} is wrong; leave it out.")
    return run.with_(beams=given)


def _write(data: Path, shards: Path, run: RunInfo) -> None:
    """Copy all events into shards, the electron first and the metadata complete."""
    run = run.with_(level=run.level or _level_of(data), provenance={**run.provenance, "read_from": data.name})
    ordered = not _by_column(data) or all(
        bool((np.asarray(events.electron.pdg_id) == _ELECTRON).all())
        for events in files.iterate(data)
        if bool((events.counts > 0).all())
    )
    try:
        shards.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, shards) from error
    for old in shards.glob("*.parquet"):
        old.unlink()
    start = 0
    for number, events in enumerate(files.iterate(data, _SHARD_EVENTS)):
        whole = events.final_state()
        whole = (whole if ordered else electron_first(whole)).with_run(run)
        _require_electrons(whole, start, data)
        _require_whole(whole, data)
        parquet.write(shards / f"shard-{number:05d}.parquet", whole)
        start += len(whole)


def _by_column(data: Path) -> bool:
    """Whether a file is a table of columns, whose particles may be in any order; HepMC3's reader has ordered them."""
    return data.is_dir() or data.name.endswith((".parquet", ".root"))


def _level_of(data: Path) -> Level:
    """The level of decays that the species of a file show."""
    found: set[int] = set()
    for events in files.iterate(data):
        found |= set(np.unique(events.final_state().flat("pdg_id")).tolist())
    short = {number for number in found if _is_short_lived(int(number))}
    if short - {_PION}:
        return Level.PRIMARY
    return Level.PI0 if short else Level.STABLE


def _is_short_lived(pdg_id: int) -> bool:
    c_tau = pdg.species(pdg_id).c_tau if pdg.is_known(pdg_id) else None
    return c_tau is not None and c_tau <= _LONGEST


def _require_electrons(events: Events, start: int, data: Path) -> None:
    """Refuse events without a scattered electron."""
    lacking = events.counts == 0
    lacking[~lacking] = np.asarray(events[~lacking].electron.pdg_id) != _ELECTRON
    bad = np.flatnonzero(lacking)
    if len(bad):
        raise InputError(
            f"event {start + bad[0]} of '{data}' has no final electron ({len(bad):,} of {len(events):,} events near it "
            "have none); leave out events whose electron is not seen."
        )


def _require_whole(events: Events, data: Path) -> None:
    """Refuse events that miss the beams' momentum by far: some particles were left out, or the beams are wrong."""
    beams = events.run.beams
    assert beams is not None
    missing = residuals(events, beams).momentum
    for name, sign, energy in (("E - pz", -1, beams.electron), ("E + pz", 1, beams.hadron)):
        median = float(np.median(missing[:, 0] + sign * missing[:, 3]))
        if abs(median) > _MISSING * 2 * energy:
            raise InputError(
                f"the events of '{data}' miss {-median:.3g} GeV of {name} of beams {beams.name} (median); give whole "
                "events, with all final particles, and the right beams."
            )
