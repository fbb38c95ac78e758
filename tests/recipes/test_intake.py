"""Events of other generators: what is found out, what is put in order, and one sentence for what is missing."""

from pathlib import Path

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, Level, ProtonBeams, RunInfo
from cloudchamber.formats import files, parquet
from cloudchamber.recipes.intake import ready, with_beams


def shuffled(events: Events) -> Events:
    """Without metadata, and the particles of every event in random order."""
    rng = np.random.default_rng(4)
    rows = np.concatenate(
        [a + rng.permutation(b - a) for a, b in zip(events.offsets, events.offsets[1:], strict=False)]
    )
    columns = {name: events.flat(name)[rows] for name in events.columns}
    return Events.from_flat(events.counts, columns, events.weight, RunInfo())


def test_files_of_the_package_are_used_as_they_are(tiny_data: Path, tmp_path: Path) -> None:
    assert ready(tiny_data, tmp_path / "run") == tiny_data
    assert not (tmp_path / "run").exists()


def test_protons_with_protons_take_no_beams() -> None:
    with pytest.raises(InputError, match="says protons with protons, so --beams 10x275 is wrong"):
        with_beams(RunInfo(protons=ProtonBeams(energy=6500)), "10x275", Path("zjets.parquet"))


@pytest.mark.parametrize("suffix", [".parquet", ".root", ".hepmc3.gz"])
def test_particles_in_any_order(suffix: str, stable_events: Events, tmp_path: Path) -> None:
    path = tmp_path / f"mine{suffix}"
    mixed = shuffled(stable_events)
    with files.open_writer(path, mixed.run.with_(beams=stable_events.run.beams if "hepmc" in suffix else None)) as out:
        out.write(mixed)
    shards = ready(path, tmp_path / "run", None if "hepmc" in suffix else "10x275")
    found = parquet.read(shards)
    assert shards == tmp_path / "run" / "events"
    assert found.run.beams == Beams.parse("10x275")
    assert found.run.level is Level.STABLE
    if "hepmc" not in suffix:  # in files that say they are this package's, the first electron is the scattered one
        np.testing.assert_array_equal(found.electron.px, stable_events.electron.px)
    np.testing.assert_array_equal(found.counts, stable_events.counts)
    assert sorted(found.flat("pz")) == sorted(stable_events.flat("pz"))


def test_the_level_is_seen_in_the_species(primary_events: Events, stable_events: Events, tmp_path: Path) -> None:
    pion = stable_events.with_run(RunInfo())
    pdg_id = pion.flat("pdg_id").copy()
    pdg_id[np.flatnonzero(pdg_id == 22)[0]] = 111
    with_pion = Events.from_flat(pion.counts, {**{n: pion.flat(n) for n in pion.columns}, "pdg_id": pdg_id})
    samples = {Level.PRIMARY: primary_events.with_run(RunInfo()), Level.PI0: with_pion, Level.STABLE: pion}
    for level, events in samples.items():
        parquet.write(tmp_path / f"{level}.parquet", events)
        assert parquet.read_run(ready(tmp_path / f"{level}.parquet", tmp_path / level, "10x275")).level is level


def test_shards_are_made_again_unless_the_run_is_resumed(stable_events: Events, tmp_path: Path) -> None:
    path, out = tmp_path / "mine.parquet", tmp_path / "run"
    parquet.write(path, stable_events.with_run(RunInfo()))
    ready(path, out, "10x275")
    parquet.write(path, stable_events[:100].with_run(RunInfo()))
    assert len(parquet.read(ready(path, out, "10x275", resume=True))) == len(stable_events)
    assert len(parquet.read(ready(path, out, "10x275"))) == 100


def test_what_is_missing_is_told(stable_events: Events, tmp_path: Path) -> None:
    def refused(events: Events, words: str, beams: str | None = "10x275") -> None:
        parquet.write(tmp_path / "mine.parquet", events)
        with pytest.raises(InputError, match=words):
            ready(tmp_path / "mine.parquet", tmp_path / "run", beams)

    bare = stable_events.with_run(RunInfo())
    refused(bare, r"does not say its beams, .* --beams", beams=None)
    refused(bare, r"miss .* GeV of E - pz of beams 18x275 \(median\)", beams="18x275")
    refused(bare, r"miss .* GeV of E \+ pz of beams 10x250 \(median\)", beams="10x250")
    refused(stable_events, "says beams 10x275, so --beams 5x41 is wrong", beams="5x41")
    refused(bare.select(bare.particles.pdg_id != 11), "event 0 of .* has no final electron")
