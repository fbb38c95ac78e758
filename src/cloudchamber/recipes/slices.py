"""Long generation runs: one file or numbered slices, made so that a killed run loses little.

A slice holds consecutive events, and an event depends on its number only, so whatever is missing can be made later and
is what it would have been. With `resume`, slices that are whole are kept. A single file is made from pieces of 25,600
events, which wait in a folder beside it until all are there; they hold float64 numbers, so the file is the same as one
made in one go.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cloudchamber import __version__
from cloudchamber.errors import InputError, require
from cloudchamber.events import RunInfo, exact
from cloudchamber.formats import files, parquet
from cloudchamber.formats.atomic import explain_os_error, remove_leftovers, require_no_folder
from cloudchamber.generate.pipeline import BLOCK, Tally
from cloudchamber.recipes.generation import GenerationSetting, Generator, stream
from cloudchamber.recipes.workers import Advance, exit_on_sigterm

__all__ = ["PIECE", "Estimate", "Slice", "campaign_name", "estimate", "generate_resumable", "generate_slices", "plan"]

PIECE = 100 * BLOCK
"""Events in a piece of a single file."""
_EVENTS = "events"


@dataclass(frozen=True)
class Slice:
    """One file of a run.

    Attributes:
        path: its name.
        numbers: of its events.
    """

    path: Path
    numbers: range


@dataclass(frozen=True)
class Estimate:
    """What a run would take.

    Attributes:
        seconds: wall-clock time, without the start.
        size: bytes of all files.
    """

    seconds: float
    size: int


def campaign_name(run: RunInfo) -> str:
    """The name of a production file, without its number: `<tag>_<process>_<beams>_q2_<min>to<max>`.

    Args:
        run: metadata with beams and cuts; without an upper cut, Q2 ends at s; cuts on x and y follow if there are any.
            Collisions of protons with protons make Z + jets.

    >>> from cloudchamber.events import Beams, Cuts
    >>> run = RunInfo(beams=Beams.parse("10x275"), cuts=Cuts(q2_min=25.0), generator_version="0.1.0")
    >>> campaign_name(run)
    'cloudchamber-0.1.0_DIS-NC_10x275_q2_25to11000'
    """
    parts = [f"cloudchamber-{run.generator_version or __version__}", "DIS-NC" if run.protons is None else "Z-jets"]
    if run.protons is not None:
        parts.append(f"{exact(run.protons.energy)}x{exact(run.protons.energy)}")
    if run.beams is not None:
        s = 4 * run.beams.electron * run.beams.hadron
        most = f"{s:g}" if run.cuts.q2_max is None else exact(run.cuts.q2_max)
        parts += [run.beams.name, f"q2_{exact(run.cuts.q2_min or 0)}to{most}"]
    for name in ("x", "y"):
        low, high = (getattr(run.cuts, f"{name}_{end}") for end in ("min", "max"))
        if (low, high) != (None, None):
            parts.append(f"{name}_{exact(low or 0)}to{exact(1 if high is None else high)}")
    return "_".join(parts)


def plan(out: Path, suffix: str, name: str, *, events: int, size: int) -> list[Slice]:
    """The slices of a run.

    Args:
        out: a file's name, to which numbers are added, or a folder for files with the campaign's names.
        suffix: of the files in a folder.
        name: of the files in a folder.
        events: of the run.
        size: events of a slice.

    Raises:
        InputError: if `out` has a suffix of no known format.

    >>> [(s.path.name, s.numbers) for s in plan(Path("a.hepmc3.gz"), "", "", events=5, size=3)]
    [('a_run001.hepmc3.gz', range(0, 3)), ('a_run002.hepmc3.gz', range(3, 5))]
    """
    known = max((end for end in files.SUFFIXES if out.name.endswith(end)), key=len, default=None)
    if known is not None:
        return _cut(out.parent, out.name.removesuffix(known), known, events=events, size=size)
    if out.suffix and not out.is_dir():
        raise InputError(
            f"'{out.name}' has no suffix of a known format; use one of {', '.join(files.SUFFIXES)}, or give a folder."
        )
    return _cut(out, name, suffix, events=events, size=size)


def _cut(folder: Path, stem: str, ending: str, *, events: int, size: int) -> list[Slice]:
    count = -(-events // size)
    digits = max(3, len(str(count)))
    return [
        Slice(folder / f"{stem}_run{k + 1:0{digits}d}{ending}", range(k * size, min((k + 1) * size, events)))
        for k in range(count)
    ]


def generate_slices(
    generator: Generator,
    slices: list[Slice],
    setting: GenerationSetting,
    *,
    resume: bool = False,
    workers: int = 1,
    batch_size: int = 1024,
    advance: Advance = lambda made: None,
) -> Tally:
    """Generate numbered files, each of which appears when it is whole.

    Args:
        generator: a loaded model.
        slices: see `plan`.
        setting: what to generate.
        resume: keep the files that are there already; without it they are refused.
        workers: processes to use.
        batch_size: events in flight in each process.
        advance: told how many events have been made or found.

    Returns:
        Counts over the blocks that were made now.

    Raises:
        InputError: if a file cannot be written, is there already, or belongs to another run.
    """
    expected, tally, folder = generator.run_info(setting), Tally(), slices[0].path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    remove_leftovers(folder, "*")
    missing = [one for one in slices if not _is_there(one, expected, resume)]
    advance(sum(len(one.numbers) for one in slices) - sum(len(one.numbers) for one in missing))
    with exit_on_sigterm():
        for group in _consecutive(missing):
            numbers = range(group[0].numbers.start, group[-1].numbers.stop)
            blocks = stream(generator, numbers, setting, workers=workers, batch_size=batch_size)
            rest = next(blocks)
            tally += rest.tally
            for one in group:
                with files.open_writer(one.path, expected) as writer:
                    while (left := len(one.numbers) - writer.events_written) > 0:
                        if not len(rest.events):
                            rest = next(blocks)
                            tally += rest.tally
                        writer.run = _signed(rest.events.run, one)
                        writer.write(rest.events[:left])
                        advance(min(left, len(rest.events)))
                        rest = rest._replace(events=rest.events[left:])
    return tally


def generate_resumable(
    generator: Generator,
    out: Path,
    *,
    events: int,
    setting: GenerationSetting,
    workers: int = 1,
    batch_size: int = 1024,
    advance: Advance = lambda made: None,
) -> Tally:
    """Generate one file; what is made is kept in `<out>.pieces` until the file is whole.

    Args:
        generator: a loaded model.
        out: the file to make.
        events: number of events.
        setting: what to generate.
        workers: processes to use.
        batch_size: events in flight in each process.
        advance: told how many events have been made or found.

    Returns:
        Counts over the blocks that were made now.

    Raises:
        InputError: if a number is impossible, the file cannot be written, or the pieces belong to another run.
    """
    if events < 1:
        raise InputError(f"--events {events} is impossible: give a positive number.")
    require_no_folder(out)
    unopened = files.open_writer(out, generator.run_info(setting))
    pieces = out.with_name(f"{out.name}.pieces")
    slices = _cut(pieces, "piece", ".parquet", events=events, size=PIECE)
    remove_leftovers(out.parent, out.name)
    tally = generate_slices(
        generator, slices, setting, resume=True, workers=workers, batch_size=batch_size, advance=advance
    )
    with exit_on_sigterm(), unopened as writer:
        for piece in slices:
            for block in parquet.iterate(piece.path, BLOCK):
                writer.run = _unsigned(block.run)
                writer.write(block)
    shutil.rmtree(pieces)
    return tally


def estimate(generator: Generator, name: str, events: int, setting: GenerationSetting, *, workers: int) -> Estimate:
    """Time and size of a run, from three blocks made here.

    Args:
        generator: a loaded model.
        name: of a file, whose suffix picks the format.
        events: of the run.
        setting: what to generate.
        workers: processes that would share the work.

    Raises:
        InputError: if there are no workers, or no format has the suffix.
    """
    require(workers > 0, f"--workers {workers} is impossible: give a positive number.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        with files.open_writer(path, generator.run_info(setting)) as writer:
            blocks = stream(generator, range(3 * BLOCK), setting)
            writer.write(next(blocks).events)
            start = time.perf_counter()
            for block in blocks:
                writer.write(block.events)
            spent = (time.perf_counter() - start) / (2 * BLOCK)
        size = path.stat().st_size / (3 * BLOCK)
    return Estimate(spent * events / workers, round(size * events))


def _is_there(one: Slice, expected: RunInfo, resume: bool) -> bool:
    """Whether a slice is whole; one of another run is refused."""
    if not one.path.exists():
        return False
    if not resume:
        raise InputError(f"'{one.path}' exists already; add --resume to keep what is there, or choose another --out.")
    found, wanted = files.read_run(one.path), _signed(expected, one)
    differing = [name for name, value in wanted.provenance.items() if found.provenance.get(name) != value]
    differing += [name for name in ("beams", "cuts") if getattr(found, name) != getattr(wanted, name)]
    if differing:
        raise InputError(
            f"'{one.path}' is of another run (its {', '.join(differing)} differ); remove it, or choose another --out."
        )
    return True


def _signed(run: RunInfo, one: Slice) -> RunInfo:
    """Metadata that say which events of a run these are."""
    return run.with_(provenance={**run.provenance, _EVENTS: f"{one.numbers.start} to {one.numbers.stop - 1}"})


def _unsigned(run: RunInfo) -> RunInfo:
    return run.with_(provenance={name: value for name, value in run.provenance.items() if name != _EVENTS})


def _consecutive(slices: list[Slice]) -> Iterator[list[Slice]]:
    """Slices in groups without gaps."""
    group: list[Slice] = []
    for one in slices:
        if group and one.numbers.start != group[-1].numbers.stop:
            yield group
            group = []
        group.append(one)
    if group:
        yield group
