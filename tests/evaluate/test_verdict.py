"""The verdict: calibrated where nothing differs, decisive where something does."""

from dataclasses import dataclass

import numpy as np
import pytest

from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.verdict import judge

PLAN = Plan.make(1000, 21_000, 10)


@dataclass(frozen=True)
class Measured:
    species: str | None
    quantity: str
    score: Score | None


def score(rng: np.random.Generator, factor: float = 1.0) -> Score:
    draws = np.abs(rng.normal(1.0, 0.35, 11))
    return Score(factor * draws[0], 0.1, 1000, draws[1:], 1000)


def area(rng: np.random.Generator, value: float | None = None) -> Score:
    draws = rng.normal(0.5, 0.003, 11)
    return Score(draws[0] if value is None else value, 0.003, 1000, draws[1:], 1000)


def measurements(rng: np.random.Generator, number: int = 100) -> list[Measured]:
    return [Measured("pi+", f"q{k}", score(rng)) for k in range(number)]


def test_one_in_twenty_perfect_samples_is_rejected_whatever_the_number_of_tests() -> None:
    rng = np.random.default_rng(2)
    verdicts = [judge(measurements(rng), area(rng), PLAN) for _ in range(200)]
    rejected = np.mean([v.indistinguishable is False for v in verdicts])
    assert rejected == pytest.approx(0.05, abs=0.04)


def test_one_large_distance_is_enough() -> None:
    rng = np.random.default_rng(3)
    verdict = judge([*measurements(rng), Measured("K+", "pT", score(rng, 8.0))], area(rng), PLAN)
    assert verdict.indistinguishable is False
    assert "pT of K+" in verdict.reasons[1]


def test_a_large_area_is_enough() -> None:
    rng = np.random.default_rng(4)
    verdict = judge(measurements(rng), area(rng, 0.54), PLAN)
    assert verdict.indistinguishable is False
    assert "AUC 0.5400" in verdict.reasons[0]


def test_a_violated_law_is_enough() -> None:
    rng = np.random.default_rng(5)
    broken = Measured(None, "recoil_pT", Score(0.1, 0.01, 1000, np.zeros(10), 1000))
    verdict = judge([*measurements(rng), broken], area(rng), PLAN)
    assert verdict.p_value == 0
    assert "recoil_pT is not conserved" in verdict.reasons[1]


def test_without_pairs_there_is_no_verdict() -> None:
    lonely = Score(0.7, 0.01, 1000, np.array([]), 0)
    verdict = judge([Measured(None, "y", lonely)], lonely, Plan(slice(0, 1000), slice(0, 1000), ()))
    assert verdict.indistinguishable is None
    assert "no verdict" in verdict.sentence
