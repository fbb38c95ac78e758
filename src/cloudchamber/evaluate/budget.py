"""How much work an evaluation may be."""

from dataclasses import dataclass, replace

from cloudchamber.errors import InputError

__all__ = ["BUDGETS", "FEWEST_EVENTS", "Budget"]

FEWEST_EVENTS = 1_000
"""An evaluation needs this many events on either side."""


@dataclass(frozen=True)
class Budget:
    """Sizes that decide how long an evaluation takes.

    Attributes:
        name: quick, standard or full.
        events: most candidate events that are compared; None for all.
        pairs: truth-truth pairs wanted.
        bootstraps: re-weightings behind each error.
        figure_events: most reference events in the figures.
        classifier_pairs: of these pairs, how many the boosted trees are trained on.
        slices: directions of the sliced tests.
        permutations: of the labels in the sliced tests.
        kernel_batches: batches of the kernel physics distance.
        neighbours: events of each sample in the tests by nearest neighbours.
        matched: events of each sample in a batch of coverage and minimum matching distance.
        matched_batches: number of these batches.
        matched_pairs: of the truth-truth pairs, how many are matched.
        cloud_events: most events of each sample for the cloud classifier; 0 for none of it.
        cloud_epochs: passes of the cloud classifier over its events.
        training_events: most events of a training set that the test of memorisation reads.
    """

    name: str
    events: int | None
    pairs: int
    bootstraps: int
    figure_events: int
    classifier_pairs: int = 10
    slices: int = 50
    permutations: int = 100
    kernel_batches: int = 10
    neighbours: int = 2_000
    matched: int = 100
    matched_batches: int = 1
    matched_pairs: int = 5
    cloud_events: int = 0
    cloud_epochs: int = 2
    training_events: int = 50_000

    @classmethod
    def named(cls, name: str) -> "Budget":
        """A budget by its name.

        Args:
            name: quick, standard or full.

        Raises:
            InputError: if there is none of this name.
        """
        if name not in BUDGETS:
            raise InputError(f"there is no budget '{name}'; choose one of {', '.join(BUDGETS)}.")
        return BUDGETS[name]

    def with_events(self, events: int) -> "Budget":
        """The same with another number of events.

        Args:
            events: most candidate events that are compared.
        """
        return replace(self, events=events, figure_events=0)

    def judging(self, events: int) -> "Budget":
        """The same with another number of events in all tests that use every event.

        Args:
            events: most candidate events that are compared.

        >>> BUDGETS["standard"].judging(100_000).cloud_events, BUDGETS["quick"].judging(100_000).cloud_events
        (100000, 0)
        """
        cloud = max(self.cloud_events, events) if self.cloud_events else 0
        return replace(self, events=events, cloud_events=cloud)

    def candidate_events(self, available: int) -> int:
        """How many of the candidate's events are compared.

        Args:
            available: how many there are.
        """
        return available if self.events is None else min(available, self.events)

    def reference_events(self, candidate: int) -> int:
        """How many reference events can be used: one block to compare with, and all pairs.

        Args:
            candidate: events of the candidate that are compared.
        """
        return max((2 * self.pairs + 1) * candidate, self.figure_events)


BUDGETS = {
    budget.name: budget
    for budget in (
        Budget("quick", 10_000, 5, 10, 30_000, classifier_pairs=3, kernel_batches=4, matched_pairs=3),
        Budget(
            "standard", 50_000, 10, 20, 250_000, classifier_pairs=5, slices=100, neighbours=5_000, matched_batches=2,
            cloud_events=50_000,
        ),
        Budget(
            "full", None, 20, 50, 1_000_000, classifier_pairs=20, slices=200, permutations=400, neighbours=10_000,
            matched=250, matched_batches=4, matched_pairs=20, cloud_events=250_000, cloud_epochs=4,
        ),
    )
}  # fmt: skip
