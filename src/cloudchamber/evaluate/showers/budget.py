"""How much work an evaluation of showers may be."""

from dataclasses import dataclass, replace

from cloudchamber.errors import InputError
from cloudchamber.evaluate.budget import Budget

__all__ = ["SHOWER_BUDGETS", "ShowerBudget"]


@dataclass(frozen=True)
class ShowerBudget:
    """Sizes that decide how long an evaluation takes.

    Attributes:
        tables: those of the tests on observables; `events` is the largest number of showers that are compared.
        dense_epochs: passes of the dense classifier over the cells; 0 for none of it.
        convolutional_epochs: passes of the convolutional classifier over the cells; 0 for none of it.
        convolved: most showers of each sample for the convolutional classifier.
    """

    tables: Budget
    dense_epochs: int
    convolutional_epochs: int
    convolved: int

    @classmethod
    def named(cls, name: str) -> "ShowerBudget":
        """A budget by its name.

        Args:
            name: quick, standard or full.

        Raises:
            InputError: if there is none of this name.
        """
        if name not in SHOWER_BUDGETS:
            raise InputError(f"there is no budget '{name}'; choose one of {', '.join(SHOWER_BUDGETS)}.")
        return SHOWER_BUDGETS[name]

    def judging(self, showers: int) -> "ShowerBudget":
        """The same with another number of showers.

        Args:
            showers: most that are compared.
        """
        return replace(self, tables=replace(self.tables, events=showers))


SHOWER_BUDGETS = {
    budget.tables.name: budget
    for budget in (
        ShowerBudget(
            Budget("quick", 5_000, 10, 10, 0, classifier_pairs=5, kernel_batches=4, neighbours=1_000), 10, 0, 0
        ),
        ShowerBudget(
            Budget("standard", 20_000, 10, 20, 0, classifier_pairs=5, neighbours=2_000), 20, 5, 20_000
        ),
        ShowerBudget(
            Budget("full", None, 20, 50, 0, slices=200, permutations=400, neighbours=10_000), 30, 10, 1_000_000
        ),
    )
}  # fmt: skip
