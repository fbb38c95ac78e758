"""Muons and jets against themselves and against a sample with planted faults."""

from pathlib import Path

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.evaluate.budget import Budget
from cloudchamber.evaluate.zjets.bands import jet_bands
from cloudchamber.evaluate.zjets.document import ZJetsDocument, zjets_document
from cloudchamber.evaluate.zjets.evaluation import ZJetsEvaluation, evaluate_zjets
from cloudchamber.evaluate.zjets.peak import fit_peak
from cloudchamber.evaluate.zjets.report import draw_zjets, zjets_page
from cloudchamber.events import Events, ProtonBeams, RunInfo
from cloudchamber.physics.zjets import JET, MUON, MUON_MASS, JetEvents

BUDGET = Budget("tiny", 1_200, 3, 3, 0, classifier_pairs=3)


def toys(n: int, seed: int, *, jets: int = 2, width: float = 2.5, close: int = 0, run: RunInfo | None = None) -> Events:
    """A Z of mass 91 GeV, and jets around it of which some are too close."""
    rng = np.random.default_rng(seed)
    mass = 91 + width / 2 * np.tan(np.pi * (0.96 * rng.random(n) + 0.02 - 0.5))
    eta = rng.normal(size=(n, 2 + jets))
    phi = rng.uniform(-np.pi, np.pi, size=(n, 2 + jets))
    phi[:, 3] = phi[:, 2] + rng.uniform(0.5, 2 * np.pi - 0.5, n)
    eta[:close, 3], phi[:close, 3] = eta[:close, 2], phi[:close, 2] + 0.1
    pt = 20 + np.sort(rng.exponential(30, size=(n, 2 + jets)))[:, ::-1]
    opening = np.cosh(eta[:, 1] - eta[:, 0]) - np.cos(phi[:, 1] - phi[:, 0])
    pt[:, 1] = mass**2 / (2 * pt[:, 0] * opening)
    masses = np.full((n, 2 + jets), 5.0)
    masses[:, :2] = MUON_MASS
    momenta = JetEvents(pt, eta, phi, masses).momenta()
    kinds = np.tile(np.array([MUON, -MUON, *[JET] * jets], dtype=np.int32), n)
    columns = {"pdg_id": kinds, "mass": masses.ravel()}
    columns |= {name: momenta[..., k].ravel() for k, name in enumerate(("px", "py", "pz"))}
    return Events.from_flat(np.full(n, 2 + jets), columns, run=run or RunInfo(protons=ProtonBeams(energy=6500)))


@pytest.fixture(scope="module")
def reference() -> Events:
    return toys(8_400, 1)


@pytest.fixture(scope="module")
def same(reference: Events) -> ZJetsEvaluation:
    return evaluate_zjets(toys(1_200, 2), reference, BUDGET)


def test_truth_against_truth_cannot_be_told(same: ZJetsEvaluation) -> None:
    (one,) = same.numbers
    assert one.jets == 2
    assert same.verdict.indistinguishable
    assert one.close == (0.0, 0.0)
    assert abs(one.classifier.score.value - 0.5) < 0.05
    peak, truth = one.peaks
    assert peak is not None
    assert truth is not None
    assert abs(peak.place - truth.place) < 4 * np.hypot(peak.place_error, truth.place_error)


def test_the_band_is_the_spread_of_the_members(same: ZJetsEvaluation) -> None:
    """Copies of the candidate have none; members with other Z peaks have it there, by as much as they differ."""
    copies = jet_bands(same.numbers, [toys(1_200, 2)] * 2, None)
    assert not any(np.asarray(band.candidate.model).any() for band in copies)
    widths = (0.5, 6.0)
    (band,) = (
        band for band in jet_bands(same.numbers, [toys(1_200, 5, width=w) for w in widths], None)
        if band.quantity == "m_Z"
    )  # fmt: skip
    place = int(np.argmax(band.reference.density))
    low, high = band.candidate.edges[place : place + 2]
    ends = [np.diff(np.arctan(2 * (np.array([low, high]) - 91) / w))[0] for w in (2.5, *widths)]
    expected = np.array(ends) / (0.96 * np.pi)
    spread = np.std(expected, ddof=1) / (high - low)
    assert band.candidate.model is not None
    assert band.candidate.model[place] / spread == pytest.approx(1.32, rel=0.25)  # Student's factor for three
    assert jet_bands(same.numbers, [toys(1_200, 5, jets=3)] * 2, None) == ()


def test_planted_faults_are_found(reference: Events) -> None:
    found = evaluate_zjets(toys(1_200, 3, width=6.0, close=60), reference, BUDGET)
    (one,) = found.numbers
    assert one.close[0] == pytest.approx(0.05)
    assert found.faulty == pytest.approx(0.05)
    assert found.verdict.indistinguishable is False
    assert any("jets closer than 0.4" in reason for reason in found.verdict.reasons)
    peak, truth = one.peaks
    assert peak is not None
    assert truth is not None
    assert peak.width > truth.width + 3 * peak.width_error


def test_deviations_are_those_of_the_histograms(reference: Events) -> None:
    halved = toys(4_000, 1)
    found = evaluate_zjets(halved, halved, Budget("tiny", 4_000, 3, 3, 0, classifier_pairs=3))
    for spectrum in found.numbers[0].spectra:
        assert spectrum.within == spectrum.bins
        assert spectrum.worst is None or spectrum.worst.deviation == pytest.approx(0, abs=1e-12)


def test_the_document_comes_back(same: ZJetsEvaluation) -> None:
    document = zjets_document(same, "a", "b")
    assert ZJetsDocument.model_validate_json(document.model_dump_json()) == document
    assert document.jets[0].auc.floor is not None


def test_figures_and_page_hold_spectra_and_the_plane_of_the_cut(same: ZJetsEvaluation, tmp_path: Path) -> None:
    pictures = draw_zjets(same, tmp_path)
    assert [picture.name for picture in pictures] == ["spectra-2", "plane-2"]
    page = zjets_page(zjets_document(same, "made <b>", "truth"), pictures)
    assert page.count("data:image/png;base64,") == 2
    assert "made &lt;b&gt;" in page
    assert "dR_j1j2" in page


def test_the_peak_of_a_known_distribution_is_found() -> None:
    rng = np.random.default_rng(0)
    peak = fit_peak(90.8 + 1.4 * np.tan(np.pi * (rng.random(100_000) - 0.5)))
    assert peak is not None
    assert abs(peak.place - 90.8) < 4 * peak.place_error
    assert abs(peak.width - 2.8) < 4 * peak.width_error
    assert peak.width_error < 0.03
    assert fit_peak(np.full(50, 91.0)) is None


def test_samples_that_cannot_be_compared_are_refused(reference: Events) -> None:
    with pytest.raises(InputError, match="at least 1,000 events"):
        evaluate_zjets(toys(500, 2), reference, BUDGET)
    with pytest.raises(InputError, match="same beams"):
        evaluate_zjets(toys(1_200, 2, run=RunInfo(protons=ProtonBeams(energy=4000))), reference, BUDGET)
