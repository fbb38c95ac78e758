"""`cloudchamber generate`: one sentence for bad input, whole files or none."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cloudchamber import __version__
from cloudchamber.cli.main import main
from cloudchamber.events import Level
from cloudchamber.formats import files
from cloudchamber.physics.dis import dis_variables
from cloudchamber.recipes import generation
from cloudchamber.represent.cloud import four_momenta

MODEL = "ep-dis-10x275"


def generate(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["generate", *map(str, arguments)])
    return int(stop.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> None:
    output = capsys.readouterr().err.strip()
    assert code == 2
    assert len(output.splitlines()) == 1
    assert "Traceback" not in output
    for word in words:
        assert word in output


QUICK = ["--model", MODEL, "--events", "40", "--calls", "1", "--workers", "1", "--seed", "3"]


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_every_format_holds_the_same_events(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / f"events{suffix}"
    assert generate(*QUICK, "--out", out) == 0
    output = capsys.readouterr()
    assert "40 events" in output.out
    assert output.err == ""
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    events = files.read(out)
    assert len(events) == 40
    assert events.run.level is Level.STABLE
    assert events.run.beams is not None
    assert events.run.beams.name == "10x275"


def test_only_distilled_models_jump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = generate(*QUICK, "--sampler", "jump", "--out", tmp_path / "events.parquet")
    refused(capsys, code, "'jump' needs a model distilled")
    assert not list(tmp_path.iterdir())


def test_decays_can_be_left_out_or_kept(tmp_path: Path) -> None:
    assert generate(*QUICK, "--no-decay", "--out", tmp_path / "primary.parquet") == 0
    primary = files.read(tmp_path / "primary.parquet")
    assert primary.run.level is Level.PRIMARY
    assert 6 < primary.counts.mean() < 18
    assert generate(*QUICK, "--history", "--out", tmp_path / "history.parquet") == 0
    history = files.read(tmp_path / "history.parquet")
    assert {"status", "mother", "vx", "vt"} <= set(history.columns)
    assert set(history.flat("status").tolist()) == {1, 2}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--events", "0"], ("--events 0",)),
        (["--events", "-5"], ("--events -5",)),
        (["--events", "some"], ("--events",)),
        (["--calls", "0"], ("--calls 0",)),
        (["--calls", "-1"], ("--calls -1",)),
        (["--workers", "0"], ("--workers 0",)),
        (["--workers", "-2"], ("--workers -2",)),
        (["--batch-size", "0"], ("--batch-size 0",)),
        (["--seed", "-1"], ("--seed -1",)),
        (["--sampler", "rk45"], ("rk45", "heun")),
        (["--device", "abacus"], ("abacus", "--device cpu")),
        (["--model", "gpt"], ("'gpt' is unknown", MODEL)),
        (["--colour", "red"], ("--colour",)),
        (["--beams", "18x275"], ("trained at 10x275 only",)),
        (["--beams", "nonsense"], ("not understood",)),
        (["--q2-min", "12000"], ("--q2-min 12000", "at most 11000 GeV2")),
        (["--q2-min", "1"], ("--q2-min 1", "25 GeV2")),
        (["--y-min", "0.9", "--y-max", "0.5"], ("on y leave nothing",)),
    ],
)
def test_bad_options_are_told_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: tuple[str, ...]
) -> None:
    refused(capsys, generate(*QUICK, "--out", tmp_path / "x.parquet", *arguments), *words)
    assert not list(tmp_path.iterdir())


def test_models_of_one_setting_take_cuts(tmp_path: Path) -> None:
    """Their cross-section is the share of the training sample's."""
    cuts = ["--q2-min", "50", "--y-max", "0.6", "--no-decay", "--calls", "8"]
    assert generate(*QUICK, *cuts, "--out", tmp_path / "x.parquet") == 0
    events = files.read(tmp_path / "x.parquet")
    assert events.run.beams is not None
    variables = dis_variables(four_momenta(events.electron), events.run.beams)
    assert variables.Q2.min() >= 50
    assert variables.y.max() <= 0.6
    assert (events.run.cuts.q2_min, events.run.cuts.y_max) == (50, 0.6)
    of_training = generation.load(MODEL).trained.card.data.cross_section_pb
    assert of_training is not None
    assert events.run.cross_section_pb is not None
    assert 0.2 * of_training < events.run.cross_section_pb < 0.6 * of_training


def test_outputs_of_no_known_format_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, generate(*QUICK, "--out", tmp_path / "x.hepmc3.tree.root"), "abconv", "treeroot")
    refused(capsys, generate(*QUICK, "--out", tmp_path / "x.txt"), "suffix", ".hepmc3.gz")
    refused(capsys, generate(*QUICK), "--out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".parquet", ".hepmc3", ".hepmc3.gz", ".root"])
def test_outputs_that_cannot_be_written_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    refused(capsys, generate(*QUICK, "--out", tmp_path / "none" / f"x{suffix}"), "does not exist")
    (tmp_path / "file").touch()
    refused(capsys, generate(*QUICK, "--out", tmp_path / "file" / f"x{suffix}"), f"x{suffix}")
    refused(capsys, generate(*QUICK, "--out", Path("/proc") / f"x{suffix}"), f"x{suffix}")


@pytest.mark.parametrize("suffix", [".parquet", ".hepmc3", ".hepmc3.gz"])
def test_a_full_disk_is_told_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    (tmp_path / f".x{suffix}.{os.getpid()}.part").symlink_to("/dev/full")
    refused(capsys, generate(*QUICK, "--out", tmp_path / f"x{suffix}"), "disk is full")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_half_way_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def filling(*arguments: object) -> Iterator[object]:
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    monkeypatch.setattr(generation, "_blocks", filling)
    refused(capsys, generate(*QUICK, "--out", tmp_path / "x.hepmc3"), "disk is full")
    assert not list(tmp_path.iterdir())


def test_a_damaged_model_is_told_in_one_sentence(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(saved.read_bytes())
    content[-40] ^= 1
    saved.write_bytes(content)
    refused(capsys, generate("--model", saved, "--out", tmp_path / "x.parquet"), "damaged", "copy both files again")
    saved.write_bytes(content[:100])
    refused(capsys, generate("--model", saved, "--out", tmp_path / "x.parquet"), "damaged")
    refused(capsys, generate("--model", tmp_path, "--out", tmp_path / "x.parquet"), "card")


def test_the_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate("--help") == 0
    assert f"cloudchamber generate --model {MODEL} --events 10000 --seed 1 --out events.hepmc3.gz" in " ".join(
        capsys.readouterr().out.split()
    )


def test_slices_in_a_folder_have_the_names_of_the_campaigns(tmp_path: Path) -> None:
    assert generate(*QUICK, "--slices", "25", "--out", tmp_path / "run") == 0
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == [f"cloudchamber-{__version__}_DIS-NC_10x275_q2_25to11000_run00{k}.hepmc3.zst" for k in (1, 2)]
    assert [len(files.read(tmp_path / "run" / name)) for name in names] == [25, 15]
    assert generate(*QUICK, "--slices", "25", "--out", tmp_path / "run", "--resume") == 0


def test_a_file_can_be_made_resumably(tmp_path: Path) -> None:
    assert generate(*QUICK, "--out", tmp_path / "a.hepmc3", "--resume") == 0
    assert generate(*QUICK, "--out", tmp_path / "b.hepmc3") == 0
    assert (tmp_path / "a.hepmc3").read_bytes() == (tmp_path / "b.hepmc3").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_dry_run_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(*QUICK, "--out", tmp_path / "a.hepmc3", "--dry-run") == 0
    assert re.search(r"40 events would take about 0:00:0\d with 1 process and 0\.\d MB", capsys.readouterr().out)
    assert not list(tmp_path.iterdir())


def test_impossible_slices_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, generate(*QUICK, "--slices", "0", "--out", tmp_path / "run"), "--slices of 0 is impossible")
    (tmp_path / "file").touch()
    refused(capsys, generate(*QUICK, "--slices", "5", "--out", tmp_path / "file" / "run"), "is not a folder")
    refused(capsys, generate(*QUICK, "--slices", "5", "--out", tmp_path / "a.txt"), "no suffix of a known format")


def test_electrons_of_a_file_are_completed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(*QUICK, "--out", tmp_path / "a.parquet") == 0
    capsys.readouterr()
    model = ["--model", MODEL, "--calls", "1", "--workers", "1", "--electrons", tmp_path / "a.parquet"]
    assert generate(*model, "--seed", "9", "--out", tmp_path / "b.parquet") == 0
    assert "40 events" in capsys.readouterr().out
    one, other = (files.read(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    assert one.electron.px.tolist() == other.electron.px.tolist()
    assert not np.array_equal(one.counts, other.counts)
    refused(capsys, generate(*model, "--events", "41", "--out", tmp_path / "c.parquet"), "--events 41", "holds 40")
    refused(capsys, generate(*model, "--events", "0", "--out", tmp_path / "c.parquet"), "--events 0 is impossible")
    assert not (tmp_path / "c.parquet").exists()
