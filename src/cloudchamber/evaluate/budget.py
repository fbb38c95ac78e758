"""How much work an evaluation may be."""

from dataclasses import dataclass

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
    """

    name: str
    events: int | None
    pairs: int
    bootstraps: int
    figure_events: int

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
        Budget("quick", 10_000, 10, 10, 50_000),
        Budget("standard", 50_000, 10, 20, 250_000),
        Budget("full", None, 20, 50, 1_000_000),
    )
}
