"""Truth against truth passes; truth that was bent does not, and the report says why."""

from collections.abc import Callable

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.evaluate import Budget, Evaluation, evaluate
from cloudchamber.evaluate.classifier import TREES
from cloudchamber.evaluate.evaluation import comparable_beams
from cloudchamber.events import Beams, Cuts, Events, Level

Columns = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def fewer_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TREES, "max_iter", 30)


def changed(events: Events, change: Callable[[Columns], None]) -> Events:
    columns = {name: events.flat(name).copy() for name in events.columns}
    change(columns)
    return Events.from_flat(events.counts, columns, events.weight.copy(), events.run)


def scale_pt(columns: Columns) -> None:
    columns["px"] *= 1.05
    columns["py"] *= 1.05


def rotate_photons(columns: Columns) -> None:
    photons = columns["pdg_id"] == 22
    angle = np.random.default_rng(1).uniform(-np.pi, np.pi, photons.sum())
    pt = np.hypot(columns["px"][photons], columns["py"][photons])
    columns["px"][photons], columns["py"][photons] = pt * np.cos(angle), pt * np.sin(angle)


def turn_pions_into_kaons(columns: Columns) -> None:
    pions = np.flatnonzero(columns["pdg_id"] == 211)[::10]
    columns["pdg_id"][pions] = 321


def ratio(evaluation: Evaluation, species: str | None, quantity: str) -> float:
    found = [m for m in (*evaluation.particles, *evaluation.events) if (m.species, m.quantity) == (species, quantity)]
    assert found[0].score is not None
    return found[0].score.ratio or np.inf


def test_truth_against_truth_passes(good: Evaluation) -> None:
    assert good.verdict.indistinguishable
    assert "nothing tells" in good.verdict.sentence
    assert good.classifier.score.value == pytest.approx(0.5, abs=0.05)
    assert len(good.plan.pairs) == 4
    ratios = [m.score.ratio for m in good.particles if m.score and m.score.ratio]
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.35)


def test_new_events_are_as_close_to_a_training_set_as_to_the_reference(good: Evaluation) -> None:
    metric = {m.name: m.score for m in good.metrics}["closer to training"]
    assert metric.value == pytest.approx(0.5, abs=4 * metric.error)
    assert metric.floor == pytest.approx(0.5, abs=0.06)


def test_conservation_of_truth_holds_to_the_precision_of_its_file(good: Evaluation) -> None:
    for residual in good.conservation:
        assert residual.candidate[0] < (1e-3 if residual.unit == "GeV" else 1e-9)
        assert residual.candidate[1] <= residual.candidate[0]


def test_scaled_transverse_momenta_fail(candidate: Events, reference: Events, good: Evaluation, budget: Budget) -> None:
    bent = evaluate(changed(candidate, scale_pt), reference, budget)
    assert bent.verdict.indistinguishable is False
    assert "can be told" in bent.verdict.sentence
    assert "conservation laws: not as in the reference: missing_E_minus_pz in 1,000 events" in bent.verdict.reasons
    assert ratio(bent, "gamma", "pT") > ratio(good, "gamma", "pT")
    assert {r.law: r.candidate[0] for r in bent.conservation}["energy"] > 0.01


def test_rotated_photon_pairs_and_changed_species_are_seen(
    candidate: Events, reference: Events, budget: Budget
) -> None:
    bent = evaluate(changed(changed(candidate, rotate_photons), turn_pions_into_kaons), reference, budget)
    assert bent.verdict.indistinguishable is False
    assert ratio(bent, None, "pairs_pi0") > 6
    assert any("pairs_pi0" in reason for reason in bent.verdict.reasons)
    assert {"AUC, observables", "sliced W1", "sliced KS"} <= {test.name for test in bent.verdict.tests if test.rejected}
    assert bent.classifier.score.value > 0.8
    numbers = {m.species: m.candidate[0] / m.reference[0] - 1 for m in bent.multiplicities}
    assert numbers["pi+"] == pytest.approx(-0.10, abs=0.05)
    assert numbers["K+"] == pytest.approx(0.10 * 4.04 / 0.48, abs=0.25)


def with_nan(columns: Columns) -> None:
    columns["pz"][40] = np.nan


def without_electron(columns: Columns) -> None:
    columns["pdg_id"][0] = 211


@pytest.mark.parametrize(("change", "says"), [(with_nan, "event 1 of .* pz"), (without_electron, "scattered electron")])
def test_bad_events_are_refused(
    change: Callable[[Columns], None], says: str, candidate: Events, reference: Events, budget: Budget
) -> None:
    with pytest.raises(InputError, match=says):
        evaluate(changed(candidate, change), reference, budget)


def test_bad_weights_are_refused(candidate: Events, reference: Events, budget: Budget) -> None:
    candidate = changed(candidate, lambda _columns: None)
    candidate.weight[3] = -1.0
    with pytest.raises(InputError, match="weights"):
        evaluate(candidate, reference, budget)


def test_too_few_events_are_refused(candidate: Events, reference: Events, budget: Budget) -> None:
    with pytest.raises(InputError, match="the candidate holds 999 events"):
        evaluate(candidate[:999], reference, budget)
    with pytest.raises(InputError, match="the reference holds 200 events"):
        evaluate(candidate, reference[:200], budget)


def test_unlike_samples_are_refused(candidate: Events) -> None:
    run = candidate.run
    other = {
        "cloudchamber decay": run.with_(level=Level.PRIMARY),
        "same beams": run.with_(beams=Beams.parse("18x275")),
        "same cuts": run.with_(cuts=Cuts(q2_min=10.0)),
    }
    for says, changed_run in other.items():
        with pytest.raises(InputError, match=says):
            comparable_beams(run, changed_run)
    with pytest.raises(InputError, match="which beams"):
        comparable_beams(run.with_(beams=None), run.with_(beams=None))
    assert comparable_beams(run.with_(beams=None, level=None), run) == run.beams


@pytest.mark.parametrize(
    ("one", "two", "sentence"),
    [
        ({"q2_min": 25.0, "q2_max": 100.0}, {"q2_min": 25.0}, "q2_max = 100 GeV2 and .* no q2_max"),
        ({"q2_min": 25.0, "y_max": 0.5}, {"q2_min": 25.0, "y_max": 0.6}, "with y_max = 0.5 and .* y_max = 0.6;"),
        ({"q2_min": 25.0, "y_max": 0.5}, {"q2_min": 25.0}, None),
        ({"q2_min": 25.0, "x_max": 0.1}, {"q2_min": 25.0, "x_max": 0.2}, "x_max = 0.1 and .* x_max = 0.2"),
        ({}, {"q2_min": 25.0, "y_min": 0.6}, None),
        ({"q2_min": 25.0, "pt_electron_min": 1.0}, {"q2_min": 25.0 + 1e-6}, None),
    ],
)
def test_samples_of_other_cuts_are_refused(
    one: dict[str, float], two: dict[str, float], sentence: str | None, candidate: Events
) -> None:
    runs = [candidate.run.with_(cuts=Cuts(**cuts)) for cuts in (one, two)]
    if sentence is None:
        assert comparable_beams(*runs) == candidate.run.beams
        return
    with pytest.raises(InputError, match=sentence):
        comparable_beams(*runs)


def test_an_unknown_budget_is_refused(candidate: Events, reference: Events) -> None:
    with pytest.raises(InputError, match="quick, standard, full"):
        evaluate(candidate, reference, "lavish")
