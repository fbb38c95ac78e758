"""The seed promises: the same bytes for any division of the work, and short runs begin long ones."""

import hashlib
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.events import Events
from cloudchamber.recipes.generation import Generator

N = 520
"""Two whole blocks and a piece."""


def generated_file(name: str, out: Path, *, workers: int, batch_size: int, seed: int = 7) -> str:
    """SHA-256 of the file that the command makes."""
    words = ["generate", "--model", name, "--events", N, "--calls", 1, "--seed", seed, "--out", out,
             "--workers", workers, "--batch-size", batch_size]  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert not stop.value.code
    return hashlib.sha256(out.read_bytes()).hexdigest()


def test_files_are_the_same_for_any_workers_and_batch_size(shipped: Generator, tmp_path: Path) -> None:
    """In the format that holds most: HepMC3 with the vertices of decays, or Parquet where nothing decays."""
    suffix = ".parquet" if shipped.name.endswith("stable") else ".hepmc3"
    files = {
        (workers, size): generated_file(shipped.name, tmp_path / f"x{suffix}", workers=workers, batch_size=size)
        for workers, size in ((1, 64), (1, 1024), (2, 1024), (2, 64))
    }
    assert len(set(files.values())) == 1
    other = generated_file(shipped.name, tmp_path / f"other{suffix}", workers=1, batch_size=64, seed=8)
    assert other not in files.values()


def same(a: Events, b: Events) -> bool:
    return np.array_equal(a.counts, b.counts) and all(np.array_equal(a.flat(name), b.flat(name)) for name in a.columns)


def test_the_first_1000_of_5000_events_are_the_run_of_1000(shipped: Generator) -> None:
    short, long = (shipped.sample(n, seed=2, calls=1, sampler="euler") for n in (1_000, 5_000))
    assert len(short) == 1_000
    assert len(long) == 5_000
    assert same(short, long[:1_000])
    electrons = ak.to_numpy(long.electron.px)
    assert len(np.unique(electrons)) == 5_000  # no event is made twice


def test_python_and_the_command_make_the_same_events(shipped: Generator, tmp_path: Path) -> None:
    from cloudchamber.formats import files

    generated_file(shipped.name, tmp_path / "x.parquet", workers=1, batch_size=1024)
    assert same(files.read(tmp_path / "x.parquet"), shipped.sample(N, seed=7, calls=1))


def test_another_seed_makes_other_events(shipped: Generator, generated: Events) -> None:
    other = shipped.sample(256, seed=4, calls=2)
    assert not np.intersect1d(ak.to_numpy(other.electron.px), ak.to_numpy(generated.electron.px)).size
