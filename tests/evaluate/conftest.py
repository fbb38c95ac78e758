"""Truth events for the evaluation, and a budget that fits into a test."""

import pytest

from cloudchamber.evaluate import Budget, Evaluation, evaluate
from cloudchamber.evaluate.classifier import TREES
from cloudchamber.events import Beams, Events
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

N = 1000
BUDGET = Budget(
    "test", N, 4, 5, 5000, classifier_pairs=4, slices=8, permutations=40, kernel_batches=2, neighbours=300, matched=8,
    matched_pairs=3,
)  # fmt: skip


@pytest.fixture(scope="session")
def truth() -> Events:
    """Enough for a candidate, four disjoint pairs beside the compared block, and a training set."""
    return simulate_shard(DISSetting(Beams.parse("10x275"), 25.0), 11 * N, seed=5, shard=0)


@pytest.fixture(scope="session")
def candidate(truth: Events) -> Events:
    return truth[:N]


@pytest.fixture(scope="session")
def reference(truth: Events) -> Events:
    return truth[N : 10 * N]


@pytest.fixture(scope="session")
def budget() -> Budget:
    return BUDGET


@pytest.fixture(scope="session")
def good(truth: Events, candidate: Events, reference: Events) -> Evaluation:
    """Truth against truth, with a training set that neither of them holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TREES, "max_iter", 30)
        return evaluate(candidate, reference, BUDGET, training=truth[10 * N :])
