"""A long run of `generate`, killed again and again and resumed, beside the same run left alone; and the memory of both.

    python benchmarks/large_runs.py --events 1000000 --kills 5 --workers 1 --folder runs/large

Every run is the command itself, in a process group of its own. The times of the kills are drawn uniformly over the
duration of the run that was left alone; a kill is SIGKILL to the whole group, and the next attempt is the same command.
Peak memory is the kernel's high-water mark (VmHWM) of each process of the group, summed over them.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

_POLL = 0.1
_MIB = 2**20


@dataclass(frozen=True)
class Run:
    """What a run took.

    Attributes:
        name: what it was.
        events: of the run.
        seconds: of all attempts together.
        peak_mib: largest memory of any attempt.
        kills: attempts that were killed, each with the seconds it had run.
        sha256: of the file.
        size: of the file in bytes.
    """

    name: str
    events: int
    seconds: float
    peak_mib: float
    kills: tuple[float, ...]
    sha256: str
    size: int


@dataclass(frozen=True)
class Attempt:
    """One start of the command.

    Attributes:
        seconds: it ran.
        peak_mib: memory of its process group.
        killed: whether it was killed; otherwise it ended well.
    """

    seconds: float
    peak_mib: float
    killed: bool


def command(chosen: argparse.Namespace, events: int, out: Path, *, resume: bool) -> list[str]:
    """The command of a run.

    Args:
        chosen: the options of the benchmark.
        events: of the run.
        out: the file to make.
        resume: whether what was made is kept.
    """
    given = {"--model": chosen.model, "--events": events, "--seed": chosen.seed, "--workers": chosen.workers,
             "--out": out}  # fmt: skip
    words = [str(word) for pair in given.items() for word in pair]
    return [sys.executable, "-m", "cloudchamber", "generate", *words, *(["--resume"] if resume else [])]


def attempt(words: list[str], limit: float | None = None) -> Attempt:
    """Run a command in a process group of its own.

    Args:
        words: the command.
        limit: kill the group after so many seconds.

    Raises:
        RuntimeError: if the command fails by itself.
    """
    start, peaks, killed = time.monotonic(), dict[int, float](), False
    process = subprocess.Popen(words, start_new_session=True)
    while process.poll() is None:
        peaks |= _high_water(process.pid)
        if limit is not None and time.monotonic() - start > limit:
            os.killpg(process.pid, signal.SIGKILL)
            killed = True
            process.wait()
        time.sleep(_POLL)
    if process.returncode != (-signal.SIGKILL if killed else 0):
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}")
    return Attempt(time.monotonic() - start, sum(peaks.values()), killed)


def _high_water(group: int) -> dict[int, float]:
    """Largest resident memory so far of each process of a group, MiB."""
    found = {}
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            if os.getpgid(int(place.name)) != group:
                continue
            lines = (place / "status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found |= {int(place.name): int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")}
    return found


def run(name: str, chosen: argparse.Namespace, events: int, *, resume: bool, stops: tuple[float, ...] = ()) -> Run:
    """Make a file, killed at some times, and remove it after its checksum is known.

    Args:
        name: what it is called.
        chosen: the options of the benchmark.
        events: of the run.
        resume: whether what was made is kept.
        stops: seconds after which one attempt after the other is killed.
    """
    out = chosen.folder / f"{name.replace(', ', '-')}{chosen.suffix}"
    words, attempts = command(chosen, events, out, resume=resume), []
    for limit in [*stops, None]:
        attempts.append(attempt(words, limit))
        if not attempts[-1].killed:
            break
    digest = hashlib.sha256()
    with out.open("rb") as file:
        while chunk := file.read(16 * _MIB):
            digest.update(chunk)
    size = out.stat().st_size
    out.unlink()
    return Run(
        name, events, sum(a.seconds for a in attempts), max(a.peak_mib for a in attempts),
        tuple(a.seconds for a in attempts if a.killed), digest.hexdigest(), size,
    )  # fmt: skip


def report(runs: list[Run], chosen: argparse.Namespace) -> None:
    """Print the table and the conclusions, and write them.

    Args:
        runs: short, short resumable, long, long killed.
        chosen: the options of the benchmark.
    """
    table = Table(title=f"{chosen.model}, {chosen.suffix}, {chosen.workers} process(es)")
    for heading in ("run", "events", "kills", "seconds", "GB", "peak MiB", "SHA-256"):
        table.add_column(heading, justify="left" if heading == "run" else "right")
    for one in runs:
        table.add_row(one.name, f"{one.events:,}", str(len(one.kills)), f"{one.seconds:,.0f}", f"{one.size / 1e9:.2f}",
                      f"{one.peak_mib:,.0f}", one.sha256[:16])  # fmt: skip
    short, short_resumable, long, killed = runs
    same = {"short": short.sha256 == short_resumable.sha256, "long": long.sha256 == killed.sha256}
    ratios = {"alone": long.peak_mib / short.peak_mib, "resumable": killed.peak_mib / short_resumable.peak_mib}
    console = Console(width=120)
    console.print(table)
    console.print(f"killed {len(killed.kills)} times and resumed, the file is the same byte for byte: {same['long']}")
    console.print(
        f"peak memory, long run / short run: {ratios['alone']:.3f} alone, {ratios['resumable']:.3f} resumable"
    )
    found = {
        "runs": [asdict(one) for one in runs], "identical": same, "memory_ratio": ratios, "kill_seed": chosen.kill_seed,
    }  # fmt: skip
    (chosen.folder / "large_runs.json").write_text(json.dumps(found, indent=2))


def main() -> None:
    """Measure, print and write `large_runs.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ep-dis-10x275-fast")
    parser.add_argument("--events", type=int, default=1_000_000, help="of the long runs")
    parser.add_argument("--short", type=int, default=100_000, help="events of the runs whose memory is compared with")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--kill-seed", type=int, default=1, help="draws the times of the kills")
    parser.add_argument("--seed", type=int, default=1, help="of the events")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--suffix", default=".hepmc3.zst")
    parser.add_argument("--folder", type=Path, required=True, help="for the files, one at a time, and the result")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    runs = [
        run("short, alone", chosen, chosen.short, resume=False),
        run("short, resumable", chosen, chosen.short, resume=True),
        run("long, alone", chosen, chosen.events, resume=False),
    ]
    rng = np.random.default_rng(chosen.kill_seed)
    moments = np.sort(rng.uniform(0.0, runs[-1].seconds, chosen.kills))
    stops = tuple(np.diff(moments, prepend=0.0).tolist())
    runs.append(run("long, killed", chosen, chosen.events, resume=True, stops=stops))
    report(runs, chosen)


if __name__ == "__main__":
    main()
