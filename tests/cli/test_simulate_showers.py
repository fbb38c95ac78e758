"""`cloudchamber simulate showers`: byte identity, energies as asked for, and one sentence for bad input."""

from pathlib import Path

import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.formats import showers as files


def simulate(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["simulate", "showers", *map(str, words)])
    return int(stop.value.code or 0)


def test_files_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    options = ("--energy-range", 0.5, 20, "--events", 2_200, "--seed")
    made = []
    for workers in (1, 2):
        assert simulate(*options, 4, "--workers", workers, "--out", tmp_path / "x.parquet") == 0
        made.append((tmp_path / "x.parquet").read_bytes())
    assert made[0] == made[1]
    assert simulate(*options, 5, "--out", tmp_path / "other.parquet") == 0
    assert (tmp_path / "other.parquet").read_bytes() != made[0]


def test_a_longer_run_begins_with_a_shorter_one(tmp_path: Path) -> None:
    for events in (1_300, 1_100):
        assert simulate("--energy-range", 1, 5, "--events", events, "--out", tmp_path / f"{events}.parquet") == 0
    long, short = (files.read(tmp_path / f"{n}.parquet") for n in (1_300, 1_100))
    assert np.array_equal(long[:1_100].incident_energy, short.incident_energy)
    assert np.array_equal(long[:1_100].energy, short.energy)
    assert len(np.unique(long.incident_energy)) == 1_300
    assert long.incident_energy.min() > 1e3
    assert long.incident_energy.max() < 5e3


def test_incident_energies_are_those_asked_for(tmp_path: Path) -> None:
    energies = np.geomspace(0.6, 15, 30)
    (tmp_path / "energies.txt").write_text("".join(f"{e!r}\n" for e in energies.tolist()))
    assert simulate("--energies", tmp_path / "energies.txt", "--out", tmp_path / "x.h5") == 0
    found = files.read(tmp_path / "x.h5")
    assert np.array_equal(found.incident_energy, energies * 1e3)
    assert found.run.provenance["command"] == "cloudchamber simulate showers --energies energies.txt --seed 1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "one of --energy, --energies and --energy-range"),
        (("--energy", 5, "--energy-range", 1, 2), "one of --energy"),
        (("--energy", -1), "give GeV above 0"),
        (("--energy", 500), "give 0.5 to 20 GeV"),
        (("--energy-range", 3, 2), "two rising GeV"),
        (("--energy", 5, "--events", 0), "--events 0 is impossible"),
        (("--energy", 5, "--seed", -1), "--seed -1 is impossible"),
        (("--energy", 5, "--workers", 0), "--workers 0 is impossible"),
        (("--energies", "absent.txt"), "absent.txt"),
    ],
)
def test_bad_input_is_one_sentence(
    words: tuple[object, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(*words, "--out", tmp_path / "x.parquet") == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
