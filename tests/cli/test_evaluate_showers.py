"""`cloudchamber evaluate` and `convert` with files of showers: the report, energies as text, and bad input."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.evaluate.classifier import TREES
from cloudchamber.evaluate.showers.document import ShowerDocument
from cloudchamber.evaluate.showers.figures.gallery import SHOWER_DRAWINGS
from cloudchamber.events import Events, Geometry, RunInfo, Showers
from cloudchamber.formats import parquet
from cloudchamber.formats import showers as files
from cloudchamber.recipes.shower_generation import read_energies

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"
GEOMETRY = Geometry.pads(3, 4, 5.0, threshold=0.02, name="toy")


def write(path: Path, n: int, seed: int) -> Path:
    """Showers of random cells."""
    rng = np.random.default_rng(seed)
    incident = np.exp(rng.uniform(6, 10, n))
    filled = rng.random((n, GEOMETRY.cells)) < 0.4
    voxels = (0.02 + 1e-3 * incident[:, None] * rng.exponential(1.0, filled.shape)) * filled
    with files.open_writer(path, RunInfo(generator="a program")) as writer:
        writer.write(Showers.from_voxels(incident, voxels, GEOMETRY))
    return path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return int(left.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert run(*words) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    return said.err


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report made by the command; the candidate's file name must be escaped on the page."""
    folder = tmp_path_factory.mktemp("showers")
    candidate, reference = write(folder / "<b>&.h5", 1_000, 1), write(folder / "reference.parquet", 3_000, 2)
    words = ("evaluate", candidate, "--reference", reference, "--out", folder / "out", "--budget", "quick")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TREES, "max_iter", 5)
        patch.setattr("cloudchamber.evaluate.figures.gallery.DPI", 30)
        assert run(*words) == 0
    return folder / "out"


def test_the_report_holds_all_figures_and_numbers(report: Path) -> None:
    names = {path.name for path in (report / "figures").iterdir()}
    assert names == {f"{d.name}.{suffix}" for d in SHOWER_DRAWINGS for suffix in ("png", "pdf", "svg")}
    document = ShowerDocument.model_validate_json((report / "metrics.json").read_text())
    assert (document.settings.n, document.settings.n_reference) == (1_000, 1_000)
    assert document.settings.calorimeter == "toy"
    assert {"FPD", "KPD", "precision", "AUC, cells", "EMD of response"} <= {m.name for m in document.metrics}
    assert all(m.floor is not None for m in document.metrics)
    json.loads((report / "metrics.json").read_text(), parse_constant=pytest.fail)  # no NaN


def test_the_page_is_whole_and_loads_nothing(report: Path) -> None:
    page = (report / "index.html").read_text()
    assert "<b>&" not in page.replace("<b>&amp;", "")
    assert page.count("<figure") == len(SHOWER_DRAWINGS)
    assert "At n = 1,000 showers" in page
    assert not re.findall(r'(?:src|href)="https?:', page)


def test_incident_energies_as_text_are_those_of_the_file(tmp_path: Path) -> None:
    assert run("convert", SAMPLE, tmp_path / "energies.txt") == 0
    energies = read_energies(tmp_path / "energies.txt").values
    np.testing.assert_allclose(energies, files.read(SAMPLE).incident_energy, rtol=1e-15)


def test_showers_are_converted_and_back(tmp_path: Path) -> None:
    assert run("convert", SAMPLE, tmp_path / "x.h5") == 0
    assert run("convert", tmp_path / "x.h5", tmp_path / "y.parquet") == 0
    one, two = files.read(SAMPLE), files.read(tmp_path / "y.parquet")
    assert np.array_equal(one.energy, two.energy)
    assert np.array_equal(one.incident_energy, two.incident_energy)
    assert one.geometry == two.geometry


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--accept", "paper"), "--accept does not apply to showers"),
        (("--ensemble", "x"), "--ensemble does not apply to showers"),
        (("--events", "10"), "at least 1000"),
        (("--budget", "lavish"), "quick, standard, full"),
        ((), "evaluate needs at least 1000"),
    ],
)
def test_bad_options_are_told(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = write(tmp_path / "few.parquet", 20, 1)
    assert said in refused(capsys, "evaluate", few, "--reference", few, "--out", tmp_path / "out", *words)


def test_events_are_no_showers(stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet.write(tmp_path / "events.parquet", stable_events)
    words = ("evaluate", tmp_path / "events.parquet", "--reference", SAMPLE, "--out", tmp_path / "out")
    assert "is no file of showers" in refused(capsys, *words)
    words = ("convert", tmp_path / "events.parquet", tmp_path / "x.hepmc3", "--binning", SAMPLE)
    assert "--binning does not apply to events" in refused(capsys, *words)
    assert "--beams does not apply" in refused(capsys, "convert", SAMPLE, tmp_path / "x.h5", "--beams", "10x275")


def test_a_challenge_file_without_geometry_asks_for_its_binning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["incident_energies"], file["showers"] = np.ones((2, 1)), np.ones((2, 4))
    assert "--binning" in refused(capsys, "convert", tmp_path / "c.h5", tmp_path / "energies.txt")
    assert not (tmp_path / "energies.txt").exists()


def test_two_evaluations_are_put_side_by_side(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", report, report, "--all") == 0
    said = capsys.readouterr().out
    assert "A is better in 0, B in 0" in said
    assert "hits_2" in said
    assert "cell_E" in said


def test_showers_are_not_compared_with_events(report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = json.loads((report / "metrics.json").read_text())
    other["settings"]["cells"] = 7
    (tmp_path / "other.json").write_text(json.dumps(other))
    assert "different numbers of cells" in refused(capsys, "compare", report, tmp_path / "other.json")
