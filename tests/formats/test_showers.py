"""Files of showers: the data set's own Parquet, the CaloChallenge's HDF5 and binning files, and bad ones."""

import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Geometry, RunInfo, Showers
from cloudchamber.events.geometry import Layer
from cloudchamber.formats import showers as files
from cloudchamber.formats.binning import read_binning, write_binning

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"
RUN = RunInfo(generator="a program", seed=3)
BINNINGS = {
    "photon": (368, 22, [(8, 1), (16, 10), (19, 10), (5, 1), *[(0, 1)] * 8, (5, 1)]),
    "pion": (533, 211, [(8, 1), (10, 10), (10, 10), (5, 1), *[(0, 1)] * 8, (15, 10), (16, 10), (10, 1)]),
    "electron": (6480, 11, [(9, 16)] * 45),
    "fine": (40500, 11, [(18, 50)] * 45),
}
"""Cells, PDG number, and radial and angular bins of each layer of the challenge's data sets 1 to 3."""


def binning_text(particle: str) -> str:
    """A binning file as the challenge writes them."""
    _, pdg, layers = BINNINGS[particle]
    lines = [
        f'<Layer id="{k}" r_edges="{",".join(str(5 * i) for i in range(radial + 1))}" n_bin_alpha="{angular}" />'
        for k, (radial, angular) in enumerate(layers)
    ]
    head = f'<Bins>\n <Bin pid="{pdg}" etaMin="0" etaMax="130" name="{particle}">\n'
    return head + "\n".join(lines) + "</Bin></Bins>"


def challenge_file(path: Path, voxels: np.ndarray, incident: np.ndarray) -> Path:
    """A file as the challenge distributes them: float64, compressed, and without any attribute."""
    with h5py.File(path, "w") as file:
        file.create_dataset("incident_energies", data=incident.reshape(-1, 1), compression="gzip")
        file.create_dataset("showers", data=voxels, compression="gzip")
    return path


@pytest.fixture
def sample() -> Showers:
    return files.read(SAMPLE, limit=20)


def same(a: Showers, b: Showers) -> None:
    assert np.array_equal(a.incident_energy, b.incident_energy)
    assert np.array_equal(a.voxels(), b.voxels())
    assert a.geometry == b.geometry


@pytest.mark.parametrize("suffix", ["parquet", "h5"])
def test_what_is_written_is_read(sample: Showers, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out.{suffix}"
    with files.open_writer(path, RUN) as writer:
        writer.write(sample[:7])
        writer.write(sample[7:])
    again = files.read(path)
    same(again, sample)
    assert again.run == RUN
    assert files.rows(path) == 20
    assert [file.name for file in tmp_path.iterdir()] == [f"out.{suffix}"]
    same(files.read(path, limit=9), sample[:9])


def test_incident_energies_are_kept_to_the_last_bit(sample: Showers, tmp_path: Path) -> None:
    asked = np.linspace(500.0, 20_000.0, 20) / 3
    odd = replace(sample, incident_energy=asked)
    for suffix in ("parquet", "h5"):
        with files.open_writer(tmp_path / f"out.{suffix}", RUN) as writer:
            writer.write(odd)
        assert np.array_equal(files.read(tmp_path / f"out.{suffix}").incident_energy, asked)


def test_the_sample_is_of_the_data_set(sample: Showers) -> None:
    assert sample.geometry == Geometry.tungsten_silicon()
    assert sample.run.generator == "EGSnrc"
    assert sample.energy.min() >= sample.geometry.threshold
    assert 0.02 < (sample.visible_energy / sample.incident_energy).mean() < 0.028


def test_hits_of_other_programs_are_read(sample: Showers, tmp_path: Path) -> None:
    """Large lists and single precision, as Awkward writes them, and no metadata."""
    table = pa.table({
        "incident_energy": pa.array(sample.incident_energy.astype(np.float32)),
        **{
            name: pa.LargeListArray.from_arrays(pa.array(sample.offsets), pa.array(getattr(sample, name).astype(kind)))
            for name, kind in (("layer", np.uint8), ("ix", np.uint8), ("iy", np.uint8), ("energy", np.float32))
        },
    })  # fmt: skip
    pq.write_table(table, tmp_path / "hits.parquet")
    same(files.read(tmp_path / "hits.parquet"), sample)


def test_a_folder_is_its_files_in_order(sample: Showers, tmp_path: Path) -> None:
    for number, part in enumerate((sample[:5], sample[5:])):
        with files.open_writer(tmp_path / f"shard-{number}.parquet", RUN) as writer:
            writer.write(part)
    same(files.read(tmp_path), sample)


@pytest.mark.parametrize("particle", list(BINNINGS))
def test_files_of_the_challenge_are_read(particle: str, tmp_path: Path) -> None:
    cells = BINNINGS[particle][0]
    rng = np.random.default_rng(5)
    voxels = np.where(rng.random((4, cells)) < 0.1, rng.exponential(30.0, (4, cells)), 0.0)
    incident = 2.0 ** np.arange(8, 12)
    path = challenge_file(tmp_path / "dataset.hdf5", voxels, incident)
    (tmp_path / "binning.xml").write_text(binning_text(particle))
    showers = files.read(path, binning=tmp_path / "binning.xml")
    assert showers.geometry.cells == cells
    assert np.array_equal(showers.voxels(), voxels)
    assert np.array_equal(showers.incident_energy, incident)
    layer = len(BINNINGS[particle][2]) - 1
    radial, angular = BINNINGS[particle][2][layer]
    block = voxels[:, -radial * angular :].reshape(4, angular, radial)  # as the challenge's own code unfolds a layer
    first = showers.geometry.number(layer, min(2, radial - 1), 0)
    assert np.array_equal(voxels[:, first], block[:, 0, min(2, radial - 1)])


def test_a_binning_file_is_written_as_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "in.xml").write_text(binning_text("photon"))
    geometry = read_binning(tmp_path / "in.xml")
    write_binning(tmp_path / "out.xml", geometry)
    assert read_binning(tmp_path / "out.xml") == geometry
    assert 'pid="22"' in (tmp_path / "out.xml").read_text()
    pads = Geometry.tungsten_silicon()
    write_binning(tmp_path / "pads.xml", pads)
    assert read_binning(tmp_path / "pads.xml") == pads


def test_one_of_several_particles_is_chosen(tmp_path: Path) -> None:
    inner = [binning_text(name).split("\n", 1)[1].removesuffix("</Bins>") for name in ("photon", "pion")]
    (tmp_path / "two.xml").write_text("<Bins>" + "".join(inner) + "</Bins>")
    assert read_binning(tmp_path / "two.xml", "pion").cells == 533
    with pytest.raises(InputError, match="bins for photon, pion"):
        read_binning(tmp_path / "two.xml")


def test_unequal_angles_cannot_be_written(tmp_path: Path) -> None:
    geometry = Geometry(kind="polar", layers=(Layer(id=0, first=(0.0, 1.0), second=(-math.pi, 0.0, 1.0)),))
    with pytest.raises(InputError, match="unequal bins"):
        write_binning(tmp_path / "out.xml", geometry)


BAD_XML = {
    "damaged": ("<Bins><Bin>", "not valid XML"),
    "empty": ("<Bins></Bins>", "no layers"),
    "no bins": ('<Bins><Bin name="e"><Layer id="0" r_edges="0" n_bin_alpha="1"/></Bin></Bins>', "no cells"),
    "words": ('<Bins><Bin name="e"><Layer id="0" r_edges="0,x" n_bin_alpha="1"/></Bin></Bins>', "not understood"),
    "missing": ('<Bins><Bin name="e"><Layer id="0" r_edges="0,1"/></Bin></Bins>', "not understood"),
}


@pytest.mark.parametrize("kind", list(BAD_XML))
def test_bad_binning_files_are_told_in_one_sentence(kind: str, tmp_path: Path) -> None:
    text, says = BAD_XML[kind]
    (tmp_path / "bad.xml").write_text(text)
    with pytest.raises(InputError, match=says):
        read_binning(tmp_path / "bad.xml")


def test_bad_files_are_told_in_one_sentence(sample: Showers, tmp_path: Path) -> None:
    whole = challenge_file(tmp_path / "whole.h5", np.zeros((2, 7)), np.ones(2))
    with pytest.raises(InputError, match="does not say where its cells are"):
        files.read(whole)
    (tmp_path / "binning.xml").write_text(binning_text("photon"))
    with pytest.raises(InputError, match="7 cells and its geometry 368"):
        files.read(whole, binning=tmp_path / "binning.xml")
    (tmp_path / "cut.h5").write_bytes(whole.read_bytes()[:600])
    (tmp_path / "cut.parquet").write_bytes(SAMPLE.read_bytes()[:6000])
    for name in ("cut.h5", "cut.parquet"):
        with pytest.raises(InputError, match="is not a whole"):
            files.read(tmp_path / name)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["events"] = np.zeros(3)
    with pytest.raises(InputError, match="no file of showers"):
        files.read(tmp_path / "other.h5")
    pq.write_table(pa.table({"incident_energy": [1.0]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="no column"):
        files.read(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="does not exist"):
        files.read(tmp_path / "nothing.parquet")
    with pytest.raises(InputError, match="no suffix of a format"):
        files.open_writer(tmp_path / "out.txt", RUN)
    bad = replace(sample, energy=-sample.energy)
    with files.open_writer(tmp_path / "negative.parquet", RUN) as writer:
        writer.write(bad)
    with pytest.raises(InputError, match=r"negative.parquet.*not a positive number"):
        files.read(tmp_path / "negative.parquet")
    with pytest.raises(InputError, match="no events"), files.open_writer(tmp_path / "none.h5", RUN):
        pass
