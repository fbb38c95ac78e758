"""Slices hold the events of one run, a killed run goes on, and what is made is what would have been made in one go."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Cuts, Events, ProtonBeams, RunInfo
from cloudchamber.formats import files
from cloudchamber.generate.pipeline import BLOCK, Block, Tally
from cloudchamber.recipes import slices as module
from cloudchamber.recipes.generation import GenerationSetting, Generator, generate_file, load
from cloudchamber.recipes.slices import campaign_name, estimate, generate_resumable, generate_slices, plan

SETTING = GenerationSetting(seed=5, calls=1, precision="float32")
N, SIZE = 1100, 300


class Recorded(Generator):
    """Gives simulated events as its own, block by block."""

    def pipeline(self, setting: GenerationSetting) -> "Recorded":
        self.setting = setting
        return self

    def block(self, number: int, seed: int, history: bool = False, electrons: None = None) -> Block:
        rows = (np.arange(BLOCK) + 37 * number + seed) % len(EVENTS[0])
        return Block(EVENTS[0][rows].with_run(self.run_info(self.setting)), Tally(events=BLOCK))


EVENTS: list[Events] = []


@pytest.fixture
def generator(saved: Path, tiny_events: Events) -> Generator:
    EVENTS[:] = [tiny_events]
    return Recorded(str(saved), load(str(saved)).trained)


@pytest.fixture
def whole(generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of one run made in one go."""
    folder = tmp_path_factory.mktemp("whole")
    for suffix in (".parquet", ".hepmc3.gz"):
        generate_file(generator, folder / f"a{suffix}", events=N, setting=SETTING)
    return folder


class Killed(BaseException):
    """Stands for a signal."""


def killed_after(events: int) -> Callable[[int], None]:
    made = 0

    def advance(more: int) -> None:
        nonlocal made
        made += more
        if made >= events:
            raise Killed

    return advance


def planned(folder: Path) -> list[module.Slice]:
    return plan(folder / "a.parquet", "", "", events=N, size=SIZE)


def test_slices_are_the_run_cut_in_parts(generator: Generator, whole: Path, tmp_path: Path) -> None:
    generate_slices(generator, planned(tmp_path), SETTING)
    parts = [files.read(one.path) for one in planned(tmp_path)]
    assert [len(part) for part in parts] == [300, 300, 300, 200]
    together, run = Events.concatenate(parts), files.read(whole / "a.parquet")
    for name in run.columns:
        assert np.array_equal(together.flat(name), run.flat(name))
    assert parts[1].run.provenance["events"] == "300 to 599"


@pytest.mark.parametrize("kill", [1, 400, 899])
def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(generator: Generator, tmp_path: Path, kill: int) -> None:
    for name in ("killed", "calm"):
        (tmp_path / name).mkdir()
    generate_slices(generator, planned(tmp_path / "calm"), SETTING)
    with pytest.raises(Killed):
        generate_slices(generator, planned(tmp_path / "killed"), SETTING, advance=killed_after(kill))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").iterdir()}
    assert len(kept) == kill // SIZE
    found: list[int] = []
    generate_slices(generator, planned(tmp_path / "killed"), SETTING, resume=True, advance=found.append)
    assert sum(found) == N
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for one, other in zip(planned(tmp_path / "killed"), planned(tmp_path / "calm"), strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()


def test_a_gap_is_filled(generator: Generator, tmp_path: Path) -> None:
    generate_slices(generator, planned(tmp_path), SETTING)
    before = {one.path: one.path.read_bytes() for one in planned(tmp_path)}
    for missing in (0, 2):
        planned(tmp_path)[missing].path.unlink()
    generate_slices(generator, planned(tmp_path), SETTING, resume=True)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("suffix", [".parquet", ".hepmc3.gz"])
def test_a_single_file_made_of_pieces_is_the_file_made_in_one_go(
    generator: Generator, whole: Path, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE", 512)
    setting = GenerationSetting(seed=5, calls=1, precision="float32")
    folder = tmp_path / "made"
    folder.mkdir()
    out = folder / f"a{suffix}"
    with pytest.raises(Killed):
        generate_resumable(generator, out, events=N, setting=setting, advance=killed_after(700))
    assert [path.name for path in folder.iterdir()] == [f"a{suffix}.pieces"]
    generate_resumable(generator, out, events=N, setting=setting)
    assert [path.name for path in folder.iterdir()] == [out.name]
    assert out.read_bytes() == (whole / f"a{suffix}").read_bytes()


def test_what_is_there_is_neither_lost_nor_mixed(generator: Generator, tmp_path: Path) -> None:
    small = plan(tmp_path / "a.parquet", "", "", events=20, size=10)
    generate_slices(generator, small, SETTING)
    with pytest.raises(InputError, match="exists already; add --resume"):
        generate_slices(generator, small, SETTING)
    with pytest.raises(InputError, match="of another run \\(its command differ"):
        generate_slices(generator, small, GenerationSetting(seed=6, calls=1), resume=True)
    larger = plan(tmp_path / "a.parquet", "", "", events=20, size=20)
    with pytest.raises(InputError, match="its events differ"):
        generate_slices(generator, larger, SETTING, resume=True)


@pytest.mark.parametrize(("name", "words"), [("o.txt", "no suffix of a known format"), ("d.parquet", "is a folder")])
def test_an_impossible_name_is_told_before_the_work(
    generator: Generator, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "d.parquet").mkdir()
    before, made = set(tmp_path.iterdir()), list[int]()
    with pytest.raises(InputError, match=words):
        generate_resumable(generator, tmp_path / name, events=N, setting=SETTING, advance=made.append)
    assert not made
    assert set(tmp_path.iterdir()) == before


def test_files_of_other_cuts_are_not_kept(generator: Generator, tmp_path: Path) -> None:
    """Also where the provenance, of an older version, does not tell them apart."""
    small = plan(tmp_path / "a.parquet", "", "", events=20, size=20)
    generate_slices(generator, small, SETTING)
    events = files.read(small[0].path)
    with files.open_writer(small[0].path, events.run.with_(cuts=Cuts(q2_min=25.00001))) as writer:
        writer.write(events.with_run(writer.run))
    with pytest.raises(InputError, match="its cuts differ"):
        generate_slices(generator, small, SETTING, resume=True)


def test_what_dead_processes_left_is_removed(generator: Generator, tmp_path: Path) -> None:
    dead, alive, foreign = (
        tmp_path / f".a_run001.parquet.{name}.part" for name in ("999999999", str(os.getppid()), "notes")
    )
    for path in (dead, alive, foreign):
        path.touch()
    generate_slices(generator, plan(tmp_path / "a.parquet", "", "", events=5, size=5), SETTING)
    assert not dead.exists()
    assert alive.exists()
    assert foreign.exists()


def test_an_estimate_scales(generator: Generator) -> None:
    setting = GenerationSetting(seed=5, calls=1, history=True)
    one = estimate(generator, ".hepmc3", 1_000, setting, workers=1)
    ten = estimate(generator, ".hepmc3", 10_000, setting, workers=1)
    assert ten.size == pytest.approx(10 * one.size, rel=0.01)
    assert 1e6 < one.size < 1e7
    assert one.seconds > 0
    with pytest.raises(InputError, match="--workers 0 is impossible"):
        estimate(generator, ".hepmc3", 1_000, setting, workers=0)


def test_a_suffix_of_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no suffix of a known format"):
        plan(tmp_path / "events.txt", ".parquet", "x", events=1, size=1)


def test_names_tell_beams_and_cuts() -> None:
    run = RunInfo(beams=Beams.parse("18x275"), cuts=Cuts(q2_min=10, q2_max=100, y_max=0.95), generator_version="1.0")
    assert campaign_name(run) == "cloudchamber-1.0_DIS-NC_18x275_q2_10to100_y_0to0.95"
    fine = run.with_(cuts=Cuts(q2_min=30.12346))
    assert campaign_name(fine) == "cloudchamber-1.0_DIS-NC_18x275_q2_30.12346to19800"
    jets = RunInfo(protons=ProtonBeams(energy=6500), generator_version="1.0")
    assert campaign_name(jets) == "cloudchamber-1.0_Z-jets_6500x6500"
