"""The whole evaluation of showers: one verdict that finds what was planted, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.evaluate.budget import Budget
from cloudchamber.evaluate.classifier import TREES
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.showers.budget import ShowerBudget
from cloudchamber.evaluate.showers.document import ShowerDocument, shower_document
from cloudchamber.evaluate.showers.evaluation import ShowerEvaluation, evaluate_showers
from cloudchamber.evaluate.showers.redraw import redrawn
from cloudchamber.evaluate.showers.response import chi_squares, responses
from cloudchamber.evaluate.showers.separation import Binned, Binning, separation_powers, statistics
from cloudchamber.evaluate.tables import Table, scores
from cloudchamber.events import Geometry, Showers

GEOMETRY = Geometry.pads(3, 4, 5.0, threshold=0.02)
SMALL = ShowerBudget(
    Budget("small", 1_000, 5, 5, 0, classifier_pairs=3, slices=20, permutations=60, kernel_batches=2, neighbours=300),
    3, 0, 0,
)  # fmt: skip


def toy(n: int, seed: int, *, scale: float = 1.0, low: float = 500.0) -> Showers:
    """Showers whose cells are independent exponentials in proportion to the incident energy, half of them empty."""
    rng = np.random.default_rng(seed)
    incident = np.exp(rng.uniform(np.log(low), np.log(20_000.0), n))
    filled = rng.random((n, GEOMETRY.cells)) < 0.5
    voxels = (0.02 + scale * 1e-3 * incident[:, None] * rng.exponential(1.0, filled.shape)) * filled
    return Showers.from_voxels(incident, voxels, GEOMETRY)


@pytest.fixture(scope="module")
def evaluated() -> dict[str, ShowerEvaluation]:
    """Of a good sample, of one with 6 % too much energy, and of one with other incident energies."""
    reference = toy(6_000, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TREES, "max_iter", 10)
        return {
            name: evaluate_showers(candidate, reference, SMALL)
            for name, candidate in {
                "good": toy(1_000, 2), "scaled": toy(1_000, 3, scale=1.06), "harder": toy(1_000, 4, low=1_000.0),
            }.items()
        }  # fmt: skip


def rejected(evaluation: ShowerEvaluation) -> set[str]:
    return {test.name for test in evaluation.verdict.tests if test.rejected}


def test_nothing_is_found_where_nothing_differs(evaluated: dict[str, ShowerEvaluation]) -> None:
    good = evaluated["good"]
    assert good.verdict.indistinguishable
    assert good.energies_agree
    assert "At n = 1,000 showers nothing tells" in good.verdict.sentence
    names = {test.name for test in good.verdict.tests}
    assert {"mean response", "resolution", "FPD", "KPD", "coverage", "AUC, observables", "AUC, cells",
            "incident energies", "one-dimensional distances"} <= names  # fmt: skip


def test_too_much_energy_is_found_by_the_response(evaluated: dict[str, ShowerEvaluation]) -> None:
    scaled = evaluated["scaled"]
    assert "mean response" in rejected(scaled)
    assert "resolution" not in rejected(scaled)
    (largest,) = (m for m in scaled.metrics if m.name == "largest difference of the response")
    assert largest.score.value == pytest.approx(0.06, abs=4 * largest.score.error)
    assert scaled.energies_agree


def test_other_incident_energies_are_told_first(evaluated: dict[str, ShowerEvaluation]) -> None:
    harder = evaluated["harder"]
    assert not harder.energies_agree
    assert "incident energies" in rejected(harder)
    assert "cloudchamber convert REFERENCE energies.txt" in harder.verdict.reasons[0]


def test_the_document_is_strict_json_that_comes_back(evaluated: dict[str, ShowerEvaluation]) -> None:
    for evaluation in evaluated.values():
        document = shower_document(evaluation, "a", "b")
        assert ShowerDocument.model_validate_json(document.model_dump_json()) == document
        assert len(document.separations) == len(statistics(3))
        assert len(document.response) == 10
        assert document.response[3].high == document.response[4].low


def test_other_cells_and_too_few_showers_are_refused() -> None:
    one = toy(1_000, 5)
    other = Showers.from_voxels(one.incident_energy, one.voxels(), Geometry.pads(3, 4, 6.0))
    with pytest.raises(InputError, match="different cells"):
        evaluate_showers(other, one, SMALL)
    with pytest.raises(InputError, match="holds 999 showers"):
        evaluate_showers(one[:999], one, SMALL)


def test_redrawn_pairs_give_the_floor_of_fresh_samples() -> None:
    reference, n, pairs = toy(2_000, 6), 2_000, 20
    binning = Binning.of(reference)
    binned = Binned.of(reference, binning)
    whole, plan = redrawn(binned, Plan.make(n, n, 5), pairs)
    assert plan.pair_size == n
    assert plan.full_size
    floors = [s.floor for s in scores(separation_powers, statistics(3), (whole, binned), plan)]
    fresh = [
        [m.value for m in separation_powers(Binned.of(toy(n, 100 + k), binning), Binned.of(toy(n, 200 + k), binning),
                                            np.random.default_rng(0))]
        for k in range(pairs)
    ]  # fmt: skip
    assert np.mean(np.array(floors) / np.mean(fresh, axis=0)) == pytest.approx(1.0, abs=0.03)


def test_pairs_of_the_full_size_are_left_alone() -> None:
    table, plan = Table.of(np.zeros((100, 1))), Plan.make(10, 100, 3)
    assert redrawn(table, plan, 7).plan == plan


def test_chi_squared_of_truth_is_one_per_bin() -> None:
    found = [chi_squares(responses(toy(1_000, 300 + k), toy(1_000, 400 + k)), 1_000) for k in range(20)]
    values = np.array([[score.value for score in scores_] for scores_ in found])
    assert values.mean(axis=0) == pytest.approx([1.0, 1.0], abs=4 * np.sqrt(0.2 / 20) + 0.05)
    assert min(score.p_value or 0.0 for scores_ in found for score in scores_) > 1e-4


def test_the_same_incident_energies_are_no_difference() -> None:
    reference = toy(1_000, 7)
    candidate = replace(reference, energy=reference.energy * 1.001)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TREES, "max_iter", 3)
        assert evaluate_showers(candidate, reference, replace(SMALL, dense_epochs=0)).energies_agree
