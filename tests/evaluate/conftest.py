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
    """Enough for a candidate and for four disjoint pairs beside the compared block."""
    return simulate_shard(DISSetting(Beams.parse("10x275"), 25.0), 10 * N, seed=5, shard=0)


@pytest.fixture(scope="session")
def candidate(truth: Events) -> Events:
    return truth[:N]


@pytest.fixture(scope="session")
def reference(truth: Events) -> Events:
    return truth[N:]


@pytest.fixture(scope="session")
def budget() -> Budget:
    return BUDGET


@pytest.fixture(scope="session")
def good(candidate: Events, reference: Events) -> Evaluation:
    """Truth against truth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TREES, "max_iter", 30)
        return evaluate(candidate, reference, BUDGET)
