"""The laws for the model of any beams: exact sums at every setting, exact cuts, the seed promises, cross-sections."""

import hashlib
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events
from cloudchamber.formats import files
from cloudchamber.physics.dis import beam_momenta, dis_variables
from cloudchamber.recipes.generation import Generator, load
from cloudchamber.recipes.store import model_names
from cloudchamber.represent.cloud import four_momenta

pytestmark = pytest.mark.skipif("ep-dis" not in model_names(), reason="no model of any beams is installed")
CUTS = {"q2_min": 10.0, "q2_max": 200.0, "y_min": 0.02, "y_max": 0.9}


@pytest.fixture(scope="module")
def model() -> Generator:
    return load("ep-dis")


def generated(model: Generator, beams: str, n: int = 256, **options: float) -> Events:
    return model.sample(n, seed=3, calls=2, beams=beams, **options)


@pytest.mark.parametrize("name", ["5x41", "18x275", "7x166"])
def test_sums_are_exact_and_cuts_hold_at_any_beams(model: Generator, name: str) -> None:
    beams = Beams.parse(name)
    events = generated(model, name, **CUTS)
    assert events.run.beams == beams
    total = sum(beam_momenta(beams))
    for row, component in enumerate(("E", "px", "py", "pz")):
        sums = ak.to_numpy(ak.sum(getattr(events.particles, component), axis=1))
        np.testing.assert_allclose(sums, total[row], atol=1e-9 * total[0])
    variables = dis_variables(four_momenta(events.electron), beams)
    assert variables.Q2.min() >= 10
    assert variables.Q2.max() <= 200
    assert variables.y.min() >= 0.02
    assert variables.y.max() <= 0.9
    assert events.run.cuts.q2_max == 200
    assert events.run.cross_section_pb is not None
    assert events.run.cross_section_error_pb is not None
    assert 0 < events.run.cross_section_error_pb < 0.02 * events.run.cross_section_pb


def test_tighter_cuts_have_smaller_cross_sections(model: Generator) -> None:
    found = [generated(model, "10x100", 10, q2_min=q).run.cross_section_pb for q in (1.0, 10.0, 100.0)]
    assert all(value is not None for value in found)
    assert found == sorted(found, reverse=True)


def test_short_runs_begin_long_ones_also_inside_cuts(model: Generator) -> None:
    short, long = (generated(model, "18x275", n, **CUTS) for n in (300, 520))
    for column in ("pdg_id", "px", "py", "pz", "mass"):
        np.testing.assert_array_equal(short.flat(column), long[:300].flat(column))


def test_files_are_the_same_for_any_workers_and_tell_the_cross_section(tmp_path: Path) -> None:
    digests = set()
    for workers in (1, 2):
        out = tmp_path / f"events-{workers}.hepmc3"
        words = f"generate --model ep-dis --beams 10x166 --q2-min 5 --events 300 --calls 1 --seed 2 --workers {workers}"
        with pytest.raises(SystemExit) as stop:
            main([*words.split(), "--out", str(out)])
        assert not stop.value.code
        digests.add(hashlib.sha256(out.read_bytes()).hexdigest())
        run = files.read_run(out)
        assert run.beams == Beams.parse("10x166")
        assert f"GenCrossSection {run.cross_section_pb!r}" in out.read_text()
        assert " --beams 10x166 --q2-min 5" in run.provenance["command"]
    assert len(digests) == 1


def test_given_electrons_are_completed_at_their_beams(model: Generator) -> None:
    electrons = generated(model, "5x100", 40, q2_min=2.0)
    done = model.complete(electrons, seed=5, calls=1)
    assert done.run.beams == Beams.parse("5x100")
    for column in ("px", "py", "pz", "mass"):
        np.testing.assert_array_equal(ak.to_numpy(done.electron[column]), ak.to_numpy(electrons.electron[column]))
    total = sum(beam_momenta(Beams.parse("5x100")))
    np.testing.assert_allclose(ak.to_numpy(ak.sum(done.particles.E, axis=1)), total[0], rtol=1e-9)
    with pytest.raises(InputError, match="leave --beams out"):
        model.complete(electrons, beams="10x100")
    with pytest.raises(InputError, match="cuts select"):
        model.complete(electrons, q2_min=5.0)
