"""Muons and jets against themselves and against a sample with planted faults."""

from dataclasses import replace
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


def test_the_worst_bin_of_a_planted_excess_is_found(reference: Events) -> None:
    """Events of the first half of |eta| of a jet, given weight 1.5: the ratio and its error are those of counting."""
    twice = toys(4_000, 1)
    eta = JetEvents.of(twice).eta[:, 2]
    chosen = (eta > 0) & (eta < 0.5)
    planted = replace(twice, weight=np.where(chosen, 1.5, 1.0))
    found = evaluate_zjets(planted, twice, Budget("tiny", 4_000, 3, 3, 0, classifier_pairs=3))
    (spectrum,) = (s for s in found.numbers[0].spectra if s.quantity.key == "eta_j1")
    worst = spectrum.worst
    assert worst is not None
    total = np.where(chosen, 1.5, 1.0).mean()
    assert worst.deviation == pytest.approx(1.5 / total - 1, rel=1e-6)
    inside = ((eta >= worst.low) & (eta < worst.high)).sum()
    assert 0 <= worst.low < worst.high <= 0.5
    assert worst.error == pytest.approx(np.sqrt(2 / inside), rel=0.1)
    assert worst.excess == pytest.approx(worst.deviation / np.hypot(0.02, worst.error))
    assert spectrum.within < spectrum.bins


def test_missing_pairs_above_the_cut_are_the_worst_bin_of_the_turn_on() -> None:
    """Of pairs with 0.5 < Delta R < 0.6 three in ten are left out."""
    rng = np.random.default_rng(4)
    whole = toys(9_000, 4)
    jets = JetEvents.of(whole)
    eta, phi = jets.eta.copy(), jets.phi.copy()
    distance, angle = rng.uniform(0.4, 1.0, len(whole)), rng.uniform(0, 2 * np.pi, len(whole))
    eta[:, 3], phi[:, 3] = eta[:, 2] + distance * np.cos(angle), phi[:, 2] + distance * np.sin(angle)
    momenta = jets._replace(eta=eta, phi=phi).momenta()
    columns = {"pdg_id": whole.flat("pdg_id"), "mass": whole.flat("mass")}
    columns |= {name: momenta[..., k].ravel() for k, name in enumerate(("px", "py", "pz"))}
    near = Events.from_flat(np.full(len(whole), 4), columns, run=whole.run)
    thinned = near[np.flatnonzero(~((distance > 0.5) & (distance < 0.6) & (rng.random(len(near)) < 0.3)))]
    n = min(len(thinned), 8_000)
    (one,) = evaluate_zjets(thinned, near, Budget("tiny", n, 1, 3, 0, classifier_pairs=1)).numbers
    assert one.turn_on is not None
    assert (one.turn_on.low, one.turn_on.high) == (0.5, 0.6)
    kept = len(thinned) / len(near)
    assert abs(one.turn_on.deviation - (0.7 / kept - 1)) < 4 * one.turn_on.error
    assert one.turn_on.error < 0.06


def test_close_jets_of_both_samples_are_compared_by_their_numbers() -> None:
    """A few more than five in a hundred are no finding where the reference has five in a hundred."""
    close = toys(8_400, 1, close=420)
    found = evaluate_zjets(toys(1_200, 3, close=61), close[np.random.default_rng(0).permutation(8_400)], BUDGET)
    assert not any("jets closer" in reason for reason in found.verdict.reasons)


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


@pytest.mark.parametrize("scale", [1e-5, 100.0])
def test_the_scale_of_weights_changes_no_peak(scale: float) -> None:
    masses = 90.8 + 1.4 * np.tan(np.pi * (np.random.default_rng(0).random(20_000) - 0.5))
    assert fit_peak(masses, np.full(20_000, scale)) == pytest.approx(fit_peak(masses), rel=1e-4)


def test_samples_that_cannot_be_compared_are_refused(reference: Events) -> None:
    with pytest.raises(InputError, match="at least 1,000 events"):
        evaluate_zjets(toys(500, 2), reference, BUDGET)
    with pytest.raises(InputError, match="same beams"):
        evaluate_zjets(toys(1_200, 2, run=RunInfo(protons=ProtonBeams(energy=4000))), reference, BUDGET)
