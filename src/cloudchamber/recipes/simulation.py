"""A simulated sample as a folder of Parquet shards.

Shard k holds 25,000 events (the last one the rest) and depends on the setting, the seed and k alone. So a
sample is the same for any number of workers, a longer sample begins with a shorter one, and a run that was
interrupted continues with the shards that are missing.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from cloudchamber import __version__
from cloudchamber.errors import InputError
from cloudchamber.events import RunInfo, exact
from cloudchamber.formats import files, parquet
from cloudchamber.formats.atomic import explain_os_error, remove_leftovers
from cloudchamber.recipes.workers import Advance, exit_on_sigterm, run_tasks
from cloudchamber.simulate.pythia import DISSetting, simulate_shard
from cloudchamber.simulate.zjets import ZJetsSetting, simulate_zjets

__all__ = ["SHARD_EVENTS", "Setting", "Simulated", "plan", "simulate_folder"]

Setting = DISSetting | ZJetsSetting
"""What can be simulated."""

SHARD_EVENTS = 25_000


class Shard(NamedTuple):
    """One file of the sample that is wanted."""

    number: int
    events: int

    @property
    def file_name(self) -> str:
        """Its name in the folder."""
        return f"shard-{self.number:05d}.parquet"


class Simulated(NamedTuple):
    """What a simulation left behind; cross-section of the whole sample in pb."""

    shards: int
    kept_shards: int
    cross_section_pb: float
    cross_section_error_pb: float


@dataclass(frozen=True)
class _ShardJob:
    """Simulates shards and writes them into a folder."""

    setting: Setting
    seed: int
    folder: Path

    def __call__(self, shard: Shard, advance: Advance) -> None:
        where: dict[str, Any] = {"seed": self.seed, "shard": shard.number, "advance": advance}
        if isinstance(self.setting, DISSetting):
            events = simulate_shard(self.setting, shard.events, **where)
        else:
            events = simulate_zjets(self.setting, shard.events, **where)
        run = events.run.with_(provenance=_provenance(self.setting, self.seed))
        parquet.write(self.folder / shard.file_name, events.with_run(run))


def simulate_folder(
    setting: Setting,
    folder: Path,
    *,
    events: int,
    seed: int,
    workers: int = 1,
    advance: Advance = lambda made: None,
) -> Simulated:
    """Simulate a sample into a folder; shards that are there already are kept.

    Args:
        setting: what to simulate.
        folder: made if it does not exist.
        events: size of the sample.
        seed: not negative.
        workers: processes to use.
        advance: told how many events have been made or found.

    Returns:
        How many shards there are, how many were there before, and the sample's cross-section.

    Raises:
        InputError: if a number is impossible, or the folder cannot be used or holds another sample.
    """
    _require_at_least(1, "--events", events)
    _require_at_least(0, "--seed", seed)
    _require_at_least(1, "--workers", workers)
    _prepare(folder)
    wanted = list(plan(events))
    missing = _missing_shards(folder, wanted, _expected_run(setting, seed))
    advance(events - sum(shard.events for shard in missing))
    with exit_on_sigterm():
        run_tasks(_ShardJob(setting, seed, folder), missing, workers=workers, advance=advance)
    return _summary(folder, wanted, kept=len(wanted) - len(missing))


def plan(events: int) -> Iterator[Shard]:
    """The shards of a sample.

    Args:
        events: size of the sample.

    Yields:
        Shards of `SHARD_EVENTS` events, the last one of what is left.

    >>> [shard.events for shard in plan(60_000)]
    [25000, 25000, 10000]
    """
    for number, start in enumerate(range(0, events, SHARD_EVENTS)):
        yield Shard(number, min(SHARD_EVENTS, events - start))


def _provenance(setting: Setting, seed: int) -> dict[str, str]:
    """The command in its canonical form, without what does not change a shard (its number, the workers)."""
    options = _dis_options(setting, seed) if isinstance(setting, DISSetting) else _zjets_options(setting, seed)
    return {"command": f"cloudchamber simulate {options}", "package": f"cloudchamber {__version__}"}


def _zjets_options(setting: ZJetsSetting, seed: int) -> str:
    jets = "" if setting.jets is None else f" --jets {setting.jets}"
    return f"zjets --energy {exact(setting.energy)}{jets} --seed {seed}"


def _dis_options(setting: DISSetting, seed: int) -> str:
    q2_max = "" if setting.q2_max is None else f" --q2-max {exact(setting.q2_max)}"
    more = "".join(f" --set {shlex.quote(line)}" for line in setting.extra)
    beams = f"{exact(setting.beams.electron)}x{exact(setting.beams.hadron)}"
    return (
        f"dis --beams {beams} --q2-min {exact(setting.q2_min)}{q2_max} "
        f"--level {setting.level.value}{more} --seed {seed}{' --flat-q2' if setting.flat_q2 else ''}"
    )


def _expected_run(setting: Setting, seed: int) -> RunInfo:
    return setting.run_info(seed).with_(provenance=_provenance(setting, seed))


def _prepare(folder: Path) -> None:
    """Make the folder, and remove what interrupted runs left in it."""
    if folder.name.endswith(files.SUFFIXES):
        raise InputError(
            f"--out '{folder}' must be a folder for shards of {SHARD_EVENTS:,} events; leave the suffix out, "
            "and make one file of them with 'cloudchamber convert'."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"--out '{folder}' is a file; give a folder.") from None
    except OSError as error:
        raise explain_os_error(error, folder) from error
    remove_leftovers(folder, "shard-*.parquet")


def _missing_shards(folder: Path, wanted: list[Shard], expected: RunInfo) -> list[Shard]:
    """The shards that are still to be made; all others must be parts of the sample that is wanted."""
    extra = {path.name for path in folder.glob("*.parquet")} - {shard.file_name for shard in wanted}
    if extra:
        raise InputError(
            f"'{folder}' holds another or a longer sample ('{min(extra)}' is not a part of this one); choose "
            "an empty folder."
        )
    return [shard for shard in wanted if not _is_there(folder / shard.file_name, shard, expected)]


def _is_there(path: Path, shard: Shard, expected: RunInfo) -> bool:
    """Whether a shard is whole; a shorter one (the end of a shorter sample) is to be made again."""
    if not path.exists():
        return False
    found = parquet.read_run(path).with_(cross_section_pb=None, cross_section_error_pb=None)
    differing = [name for name in RunInfo.model_fields if getattr(found, name) != getattr(expected, name)]
    events = pq.ParquetFile(path).metadata.num_rows
    if differing or events > shard.events:
        raise InputError(
            f"'{path.parent}' holds another sample ('{path.name}' differs in "
            f"{', '.join(differing) or 'length'}); "
            "choose an empty folder."
        )
    return bool(events == shard.events)


def _summary(folder: Path, shards: list[Shard], *, kept: int) -> Simulated:
    """Mean cross-section of the shards, weighted by their events."""
    runs = [parquet.read_run(folder / shard.file_name) for shard in shards]
    share = np.array([shard.events for shard in shards]) / sum(shard.events for shard in shards)
    cross_section = np.array([run.cross_section_pb for run in runs], dtype=np.float64)
    error = np.array([run.cross_section_error_pb for run in runs], dtype=np.float64)
    return Simulated(len(shards), kept, float(share @ cross_section), float(np.sqrt(((share * error) ** 2).sum())))


def _require_at_least(least: int, name: str, value: int) -> None:
    if value < least:
        raise InputError(f"{name} {value} is impossible: it must be at least {least}.")
