"""`cloudchamber simulate zjets`, and files of muons and jets in every format."""

from pathlib import Path

import numpy as np
import pyhepmc
import pytest

from cloudchamber.cli.main import main
from cloudchamber.formats import files, parquet
from cloudchamber.physics.zjets import JET, JET_STATUS
from cloudchamber.recipes import simulation


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, patch = tmp_path_factory.mktemp("simulated") / "zjets", pytest.MonkeyPatch()
    patch.setattr(simulation, "SHARD_EVENTS", 40)
    assert command("simulate", "zjets", "--events", 60, "--seed", 3, "--out", folder) == 0
    patch.undo()
    return folder


def test_shards_are_the_same_for_any_number_of_workers(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "SHARD_EVENTS", 40)
    assert command("simulate", "zjets", "--events", 60, "--seed", 3, "--workers", 2, "--out", tmp_path / "two") == 0
    for path in sample.iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert parquet.read_run(sample).provenance["command"] == "cloudchamber simulate zjets --energy 13000 --seed 3"


@pytest.mark.parametrize("suffix", ["parquet", "hepmc3", "hepmc3.gz", "root"])
def test_every_format_holds_them(sample: Path, tmp_path: Path, suffix: str) -> None:
    events, out = parquet.read(sample), tmp_path / f"events.{suffix}"
    assert command("convert", sample, out) == 0
    again = files.read(out)
    assert np.array_equal(again.flat("pdg_id"), events.flat("pdg_id"))
    assert np.array_equal(again.flat("px").astype(np.float32), events.flat("px"))
    assert again.run == events.run
    assert command("check", out) == 0


def test_jets_are_no_particles_in_hepmc3(sample: Path, tmp_path: Path) -> None:
    assert command("convert", sample, tmp_path / "events.hepmc3") == 0
    with pyhepmc.open(str(tmp_path / "events.hepmc3")) as stream:
        for event in stream:
            assert [beam.pid for beam in event.beams] == [2212, 2212]
            for particle in event.particles:
                assert particle.status == {2212: 4, JET: JET_STATUS}.get(particle.pid, 1)


def test_check_finds_a_jet_below_the_cut(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = parquet.read(sample)
    columns = {name: events.flat(name).copy() for name in events.columns}
    columns["px"][2], columns["py"][2] = 10.0, 0.0
    parquet.write(tmp_path / "bad.parquet", type(events).from_flat(events.counts, columns, run=events.run))
    assert command("check", tmp_path / "bad.parquet") == 1
    assert "muons and jets" in capsys.readouterr().out
