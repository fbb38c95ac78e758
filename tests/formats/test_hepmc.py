import gzip
import struct
from pathlib import Path

import numpy as np
import pyhepmc
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, RunInfo
from cloudchamber.events.events import HISTORY_COLUMNS, MOMENTUM_COLUMNS
from cloudchamber.formats import files, hepmc, parquet
from cloudchamber.formats.hepmc import HepMCWriter

SUFFIXES = (".hepmc3", ".hepmc3.gz", ".hepmc3.zst")
RUN = RunInfo(
    beams=Beams(electron=10, hadron=275), cross_section_pb=1234.5, cross_section_error_pb=0.25, seed=7,
    generator="Pythia8", generator_version="8.3", settings=('a "quoted\\ \n" setting',),
)  # fmt: skip


def write(path: Path, *parts: Events) -> Path:
    with HepMCWriter(path, parts[0].run) as writer:
        for part in parts:
            writer.write(part)
    return path


def same(first: Events, second: Events) -> bool:
    return (
        first.columns == second.columns
        and np.array_equal(first.counts, second.counts)
        and np.array_equal(first.weight, second.weight)
        and all(np.array_equal(first.flat(name), second.flat(name)) for name in first.columns)
    )


def event(pdg_id: list[int], momenta: list[list[float]], **columns: list[float]) -> Events:
    px, py, pz, mass = np.array(momenta, dtype=float).T
    flat = {"pdg_id": np.array(pdg_id, dtype=np.int32), "px": px, "py": py, "pz": pz, "mass": mass}
    return Events.from_flat([len(pdg_id)], flat | {k: np.array(v) for k, v in columns.items()}, run=RUN)


def pion_decay() -> Events:
    return event(
        [11, 111, 2212, 22, 22],
        [[1, 0, -9, 0.000511], [-1, 0, 2, 0.13498], [0, 0, 270, 0.93827], [-0.5, 0.1, 1, 0], [-0.5, -0.1, 1, 0]],
        status=[1, 2, 1, 1, 1], mother=[-1, -1, -1, 1, 1],
        vx=[0, 0, 0, 1e-7, 1e-7], vy=[0, 0, 0, 2e-7, 2e-7], vz=[0, 0, 0, 3e-7, 3e-7], vt=[0, 0, 0, 4e-7, 4e-7],
    )  # fmt: skip


def test_pyhepmc_reads_momenta_bit_for_bit(stable_events: Events, tmp_path: Path) -> None:
    path = write(tmp_path / "a.hepmc3", stable_events)
    with pyhepmc.open(path) as file:
        records = list(file)
    assert len(records) == len(stable_events)
    for number, record in enumerate(records):
        particles = stable_events.particles[number]
        table = record.numpy.particles
        assert record.event_number == number
        assert table.status.tolist() == [4, 4] + [1] * len(particles)
        assert table.pid[2:].tolist() == particles.pdg_id.tolist()
        for name, source in (("px", "px"), ("py", "py"), ("pz", "pz"), ("generated_mass", "mass")):
            assert np.array_equal(getattr(table, name)[2:], np.asarray(particles[source], dtype=np.float64))
        shell = table.e**2 - table.px**2 - table.py**2 - table.pz**2 - table.generated_mass**2
        assert (np.abs(shell) <= 1e-9 * table.e**2).all()
        assert [vertex.id for vertex in record.vertices] == [-1]
        assert record.cross_section.xsec() == stable_events.run.cross_section_pb
        assert (record.momentum_unit, record.length_unit) == (pyhepmc.Units.GEV, pyhepmc.Units.MM)


def test_every_float64_survives(tmp_path: Path) -> None:
    bits = np.random.default_rng(1).integers(0, 2**63, 6_000, dtype=np.uint64)
    values = bits.view(np.float64)
    values = values[np.isfinite(values) & (np.abs(values) < 1e150)][:4_500]
    values[:4] = [-0.0, 5e-324, 1.7976931348623157e140, 0.1]
    n = len(values) // 3
    px, py, pz = values[: 3 * n].reshape(3, n)
    flat = {"pdg_id": np.full(n, 11), "px": px, "py": py, "pz": pz, "mass": np.zeros(n)}
    path = write(tmp_path / "a.hepmc3", Events.from_flat(np.ones(n, dtype=int), flat, run=RUN))
    read = hepmc.read(path)
    for name in ("px", "py", "pz"):
        assert read.flat(name).tobytes() == flat[name].tobytes()
    with pyhepmc.open(path) as file:
        assert all(record.particles[2].momentum.px == value for record, value in zip(file, px[:300], strict=False))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("level", ["stable_events", "primary_events"])
def test_parquet_hepmc_parquet(suffix: str, level: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    original = request.getfixturevalue(level)
    parquet.write(tmp_path / "a.parquet", original)
    read = hepmc.read(write(tmp_path / f"a{suffix}", parquet.read(tmp_path / "a.parquet")))
    parquet.write(tmp_path / "b.parquet", read)
    again = parquet.read(tmp_path / "b.parquet")
    assert same(again, original)
    assert again.run == original.run
    assert write(tmp_path / f"b{suffix}", again).read_bytes() == (tmp_path / f"a{suffix}").read_bytes()


def test_parts_and_batches_do_not_change_the_events(stable_events: Events, tmp_path: Path) -> None:
    whole = write(tmp_path / "a.hepmc3.gz", stable_events)
    parts = write(tmp_path / "b.hepmc3.gz", stable_events[:7], stable_events[7:8], stable_events[8:])
    assert whole.read_bytes() == parts.read_bytes()
    pieces = list(hepmc.iterate(whole, 64))
    assert max(len(piece) for piece in pieces) == 64
    assert same(Events.concatenate(pieces), hepmc.read(whole))
    assert len(hepmc.read(whole, 10)) == 10
    assert [record.first for record in hepmc.iterate_records(whole, 100)] == [0, 100, 200]


def test_metadata_is_readable_by_others(stable_events: Events, tmp_path: Path) -> None:
    path = write(tmp_path / "a.hepmc3", stable_events.with_run(RUN))
    with pyhepmc.open(path) as file:
        info = next(iter(file)).run_info
    assert (info.tools[0].name, info.tools[0].version) == ("Pythia8", "8.3")
    assert info.weight_names == ["Default"]
    attributes = {name: str(info.attributes[name]) for name in info.attributes}
    assert float(attributes["electron_beam_energy"]) == 10
    assert float(attributes["ion_beam_energy"]) == 275
    assert attributes["seed"] == "7"
    assert RunInfo.model_validate_json(attributes["cloudchamber"]) == RUN
    assert hepmc.read_run(path) == RUN


def test_decays_have_vertices(tmp_path: Path) -> None:
    sample = Events.concatenate([pion_decay()] * 3)
    path = write(tmp_path / "a.hepmc3", sample)
    with pyhepmc.open(path) as file:
        record = next(iter(file))
    decay = record.vertices[1]
    assert [particle.pid for particle in decay.particles_in] == [111]
    assert [particle.id for particle in decay.particles_out] == [6, 7]
    assert tuple(getattr(decay.position, axis) for axis in "xyzt") == (1e-7, 2e-7, 3e-7, 4e-7)
    assert [particle.status for particle in record.particles] == [4, 4, 1, 2, 1, 1, 1]
    again = hepmc.read(path)
    assert again.columns == ("pdg_id", *MOMENTUM_COLUMNS, *HISTORY_COLUMNS)
    assert same(again, sample)


def test_mothers_must_come_first(tmp_path: Path) -> None:
    broken = event([11, 22], [[1, 0, -9, 0], [1, 0, 2, 0]], status=[1, 1], mother=[-1, 1], vx=[0, 0], vy=[0, 0],
                   vz=[0, 0], vt=[0, 0])  # fmt: skip
    with pytest.raises(InputError, match=r"event 0 .* mother"):
        write(tmp_path / "a.hepmc3", broken)
    assert not list(tmp_path.iterdir())


def foreign(path: Path) -> Path:
    """A record in MEV and CM as another generator makes it: the scattered electron is neither first nor alone."""
    run = pyhepmc.GenRunInfo()
    run.tools = [pyhepmc.GenRunInfo.ToolInfo("Other", "2.1", "made up")]
    run.weight_names = ["nominal", "scale up"]
    record = pyhepmc.GenEvent(pyhepmc.Units.MEV, pyhepmc.Units.CM)
    record.run_info = run
    beams = [
        pyhepmc.GenParticle((0, 0, -10e3, 10e3), 11, 4),
        pyhepmc.GenParticle((0, 0, 100e3, 100004.4), 2212, 4),
    ]
    primary, decay = pyhepmc.GenVertex((0, 0, 0, 0)), pyhepmc.GenVertex((1, 2, 3, 4))
    for beam in beams:
        primary.add_particle_in(beam)
    rho = pyhepmc.GenParticle((1e3, 0, 2e3, 2.4e3), 113, 2)
    for pid, px in ((211, 1e3), (11, 2e3), (11, 3e3)):
        primary.add_particle_out(pyhepmc.GenParticle((px, 0, 1e3, 5e3), pid, 1))
    primary.add_particle_out(rho)
    decay.add_particle_in(rho)
    for pid in (211, -211):
        decay.add_particle_out(pyhepmc.GenParticle((500, 0, 1e3, 1.2e3), pid, 1))
    record.add_vertex(primary)
    record.add_vertex(decay)
    record.weights = [2.5, 3.0]
    with pyhepmc.open(path, "w") as file:
        file.write(record)
    return path


def test_reads_other_generators(tmp_path: Path) -> None:
    (record,) = hepmc.iterate_records(foreign(tmp_path / "a.hepmc3"))
    assert record.events.flat("pdg_id").tolist() == [11, 211, 11, 211, -211]
    assert record.events.flat("px").tolist() == [2.0, 1.0, 3.0, 0.5, 0.5]
    assert record.events.weight.tolist() == [2.5]
    assert record.events.run.generator == "Other"
    assert record.events.run.beams == Beams(electron=10, hadron=100.004)
    assert record.facts is not None
    assert record.facts.joined_beams.tolist() == [True]
    assert record.facts.standard_units.tolist() == [False]
    assert record.facts.status_faults.tolist() == [0]
    assert np.isnan(record.facts.cross_section_pb).all()


def test_the_scattered_electron_is_the_one_that_comes_from_the_beam(tmp_path: Path) -> None:
    """Beam to e- to e- and a photon; another electron of higher pT comes from a pion. Without ancestors pT decides."""
    record = pyhepmc.GenEvent(pyhepmc.Units.GEV, pyhepmc.Units.MM)
    beams = [pyhepmc.GenParticle((0, 0, -10, 10), 11, 4), pyhepmc.GenParticle((0, 0, 100, 100.0044), 2212, 4)]
    hard, radiation, decay = (pyhepmc.GenVertex((0, 0, 0, 0)) for _ in range(3))
    for beam in beams:
        hard.add_particle_in(beam)
    pion = pyhepmc.GenParticle((9, 0, 1, 9.1), 111, 2)
    electron = pyhepmc.GenParticle((3, 0, 0, 3), 11, 21)
    hard.add_particle_out(pion)
    hard.add_particle_out(electron)
    decay.add_particle_in(pion)
    for pid, px in ((11, 8.0), (-11, 1.0), (22, 0.5)):
        decay.add_particle_out(pyhepmc.GenParticle((px, 0, 1, px + 1), pid, 1))
    radiation.add_particle_in(electron)
    for pid, px in ((22, 1.0), (11, 2.0)):
        radiation.add_particle_out(pyhepmc.GenParticle((px, 0, 0, px), pid, 1))
    for vertex in (hard, decay, radiation):
        record.add_vertex(vertex)
    with pyhepmc.open(tmp_path / "a.hepmc3", "w") as file:
        file.write(record)
    found = hepmc.read(tmp_path / "a.hepmc3")
    assert found.flat("px")[0] == 2.0
    assert sorted(found.flat("px")) == [0.5, 1.0, 1.0, 2.0, 8.0]
    (first,) = hepmc.iterate_records(tmp_path / "a.hepmc3")
    assert first.events.flat("px")[0] == 8.0  # as the record is written, which is what `check` judges
    assert hepmc.read(foreign(tmp_path / "b.hepmc3")).flat("px").tolist() == [3.0, 1.0, 2.0, 0.5, 0.5]


def test_truncated_plain_text(stable_events: Events, tmp_path: Path) -> None:
    text = write(tmp_path / "whole.hepmc3", stable_events[:30]).read_bytes()
    mark = text.rindex(b"END_EVENT_LISTING") + len(b"END_EVENT_LISTING")
    lines = [place for place, letter in enumerate(text) if letter == ord("\n") and place < mark]
    for place in {*range(0, mark, 997), *range(mark - 40, mark), *lines[::60], lines[-1], lines[-1] + 1}:
        (tmp_path / "cut.hepmc3").write_bytes(text[:place])
        with pytest.raises(InputError):
            hepmc.read(tmp_path / "cut.hepmc3")


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_truncated_compressed(suffix: str, stable_events: Events, tmp_path: Path) -> None:
    packed = write(tmp_path / f"whole{suffix}", stable_events[:30]).read_bytes()
    for place in {
        *range(0, len(packed), 499),
        *range(len(packed) - 12, len(packed) - 4 * (suffix == ".hepmc3.zst")),
    }:
        (tmp_path / f"cut{suffix}").write_bytes(packed[:place])
        with pytest.raises(InputError):
            hepmc.read(tmp_path / f"cut{suffix}")


def test_truncated_gzip_of_truncated_text(stable_events: Events, tmp_path: Path) -> None:
    text = write(tmp_path / "whole.hepmc3", stable_events[:30]).read_bytes()
    for place in range(10, len(text) - 60, 3001):
        (tmp_path / "cut.hepmc3.gz").write_bytes(gzip.compress(text[:place]))
        with pytest.raises(InputError):
            hepmc.read(tmp_path / "cut.hepmc3.gz")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b"P 3 -1 11 ", b"P 3 -1 x11 ", "damaged near event 0: a line is not understood"),
        (b"P 3 -1 11 ", b"P 5 -1 11 ", "not numbered from 1"),
        (b"P 4 -1 ", b"Q 4 -1 ", "lines that are not of HepMC3 text"),
        (b"E 1 1 ", b"E 1 1 1", "fewer or more particles than it announces"),
        (b"V -1 0 [1,2]", b"V -1 0 [1,999]", "does not exist"),
        (b"W 1\n", b"W one\n", "'one' is not a number"),
        (b"W 1\n", b"W\n", "a line of weights is cut short"),
        (b"U GEV MM\n", b"U GEV\n", "a line of units is cut short"),
        (b"W 1\n", b"W 1\nA 0 GenCrossSection \n", "a cross-section is cut short"),
        (b"HepMC::Asciiv3-START", b"HepMC::IO_GenEvent-START", "HepMC2"),
        (b'"seed":11', b'"seed":"no"', "metadata"),
        (b"HepMC::Asciiv3-END_EVENT_LISTING\n", b"HepMC::Asciiv3-END_EVENT_LISTING\nmore\n", "goes on after"),
    ],
)
def test_damage(old: bytes, new: bytes, sentence: str, stable_events: Events, tmp_path: Path) -> None:
    path = write(tmp_path / "a.hepmc3", stable_events[:5])
    text = path.read_bytes()
    assert old in text
    path.write_bytes(text.replace(old, new, 1))
    with pytest.raises(InputError, match=sentence):
        hepmc.read(path)


def test_momenta_that_are_not_a_number_are_read(stable_events: Events, tmp_path: Path) -> None:
    path = write(tmp_path / "a.hepmc3", stable_events[:5])
    lines = path.read_bytes().split(b"\n")
    row = next(i for i, line in enumerate(lines) if line.startswith(b"P 3 "))
    words = lines[row].split(b" ")
    words[4] = b"nan"
    lines[row] = b" ".join(words)
    path.write_bytes(b"\n".join(lines))
    (events,) = hepmc.iterate(path)
    assert np.isnan(events.flat("px")).sum() == 1
    with pytest.raises(InputError, match=r"event 0 .* px that is not finite"):
        files.read(path)


def test_a_flipped_bit_in_gzip_is_found(stable_events: Events, tmp_path: Path) -> None:
    path = write(tmp_path / "a.hepmc3.gz", stable_events[:30])
    packed = bytearray(path.read_bytes())
    for place in range(20, len(packed), 1201):
        flipped = packed.copy()
        flipped[place] ^= 16
        path.write_bytes(flipped)
        with pytest.raises(InputError):
            hepmc.read(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"hello\n", "not a whole HepMC3"),
        (struct.pack("200B", *range(200)), "not a whole HepMC3"),
    ],
)
def test_not_hepmc(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "a.hepmc3").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        hepmc.read(tmp_path / "a.hepmc3")


def test_no_events_and_no_file(tmp_path: Path) -> None:
    with pyhepmc.open(tmp_path / "a.hepmc3", "w"):
        pass
    with pytest.raises(InputError):
        hepmc.read(tmp_path / "a.hepmc3")
    with pytest.raises(InputError, match="does not exist"):
        hepmc.read(tmp_path / "b.hepmc3")
    with pytest.raises(InputError, match="no events to write"), HepMCWriter(tmp_path / "c.hepmc3", RUN):
        pass


def test_refuses_what_hepmc_cannot_hold(stable_events: Events, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="beams"):
        write(tmp_path / "a.hepmc3", stable_events.with_run(RunInfo()))
    bad = Events.concatenate([event([11], [[1, 2, 3, 0]]), event([11], [[1, np.nan, 3, 0]])])
    with pytest.raises(InputError, match=r"event 1 .* py"):
        write(tmp_path / "a.hepmc3", bad)
    with pytest.raises(InputError, match="event 0 has no particles"):
        write(tmp_path / "a.hepmc3", stable_events.select(stable_events.particles.pz > 1e9))
    assert not list(tmp_path.iterdir())
