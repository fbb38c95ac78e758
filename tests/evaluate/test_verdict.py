"""The verdict: calibrated where nothing differs, decisive where something does."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import comb

from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.verdict import Finding, conservation_test, distance_test, judge, largest_distances


@dataclass(frozen=True)
class Measured:
    species: str | None
    quantity: str
    score: Score | None


def score(rng: np.random.Generator, factor: float = 1.0) -> Score:
    draws = np.abs(rng.normal(1.0, 0.35, 11))
    return Score(factor * draws[0], 0.1, 1000, draws[1:], 1000)


def area(rng: np.random.Generator) -> Finding:
    draws = rng.normal(0.5, 0.003, 11)
    p_value = Score(draws[0], 0.003, 1000, draws[1:], 1000).p_value
    assert p_value is not None
    return Finding("AUC", p_value, "")


def measurements(rng: np.random.Generator, number: int = 100) -> list[Measured]:
    return [Measured("pi+", f"q{k}", score(rng)) for k in range(number)]


def test_one_in_twenty_perfect_samples_is_rejected_whatever_the_number_of_distances() -> None:
    rng = np.random.default_rng(2)
    verdicts = [judge([distance_test(measurements(rng), 10), area(rng)], 1000) for _ in range(200)]
    rejected = np.mean([v.indistinguishable is False for v in verdicts])
    assert rejected == pytest.approx(0.05, abs=0.04)


def test_one_in_twenty_perfect_samples_is_rejected_whatever_the_number_of_tests() -> None:
    rng = np.random.default_rng(8)
    verdicts = [judge([Finding(str(k), p, "") for k, p in enumerate(rng.uniform(size=13))], 1000) for _ in range(2000)]
    assert np.mean([v.indistinguishable is False for v in verdicts]) == pytest.approx(0.05, abs=0.02)


def test_holm_corrects_each_test_for_those_that_are_left() -> None:
    tests = Finding("a", 0.03, "is odd"), Finding("b", 0.001, "is off"), None, Finding("c", 0.02, "is out")
    verdict = judge(tests, 500)
    assert [t.name for t in verdict.tests] == ["b", "c", "a"]
    assert [t.corrected for t in verdict.tests] == pytest.approx([0.003, 0.04, 0.04])
    assert verdict.p_value == pytest.approx(0.003)
    assert verdict.reasons == ("b: is off", "c: is out", "a: is odd")
    assert "corrected for 3 tests" in verdict.sentence
    assert "n = 500" in verdict.sentence


def test_one_large_distance_is_enough() -> None:
    rng = np.random.default_rng(3)
    found = [*measurements(rng), Measured("K+", "pT", score(rng, 8.0))]
    verdict = judge([distance_test(found, 10), area(rng)], 1000, largest_distances(found))
    assert verdict.indistinguishable is False
    assert "pT of K+" in verdict.reasons[0]
    assert verdict.reasons[0].startswith("one-dimensional distances")
    assert "pT of K+" in verdict.reasons[1]


def test_distances_need_three_pairs() -> None:
    few = Score(1.0, 0.1, 1000, np.array([1.0, 1.2]), 1000)
    assert distance_test([Measured(None, "y", few)], 2) is None
    assert distance_test([Measured(None, "y", None)], 10) is None


def test_a_violated_law_is_enough() -> None:
    reference, candidate = np.zeros((9000, 2)), np.zeros((1000, 2))
    reference[:, 0] = np.arange(9000)
    candidate[:20, 1] = 0.1
    test = conservation_test(reference, candidate, ["y", "recoil_pT"])
    assert test is not None
    assert test.p_value < 1e-15
    assert "recoil_pT in 20 events" in test.reason


def test_a_rare_value_has_the_chance_to_be_among_the_candidates_events() -> None:
    candidate = np.zeros((100, 1))
    candidate[:3] = 1.0
    test = conservation_test(np.zeros((400, 1)), candidate, ["n_rare"])
    assert test is not None
    assert test.p_value == pytest.approx(comb(100, 3) / comb(500, 3))
    assert conservation_test(np.arange(3.0)[:, None], candidate, ["n_rare"]) is None


def test_without_tests_there_is_no_verdict() -> None:
    verdict = judge([None, None], 1000, ["a note"])
    assert verdict.indistinguishable is None
    assert "no verdict" in verdict.sentence
    assert verdict.reasons == ("a note",)
