"""Event observables as tables of weighted rows, and tests that compare two of them.

A test is a function (reference, candidate, rng) -> one `Measured` number for each of its `Statistic`s. `scores` runs it
on the candidate and on every truth-truth pair of a `Plan`, which is how each number gets its floor.

Where a test needs equal weights, events are drawn: with replacement in proportion to their weights, or without
replacement by the exponential clocks of Efraimidis and Spirakis (Inf. Process. Lett. 97 (2006) 181), which is in
proportion to the weights as long as few of many events are drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.progress import Progress, silent
from cloudchamber.evaluate.score import Score, Tail
from cloudchamber.evaluate.threads import threads

__all__ = ["Measured", "Standard", "Statistic", "Table", "effective_size", "scores", "standard", "take_weighted"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Weighted rows.

    Attributes:
        x: one row for each event, shape (n, d).
        weight: not negative, shape (n,).
    """

    x: Array
    weight: Array

    @classmethod
    def of(cls, x: Array) -> Self:
        """A table whose rows all weigh the same.

        Args:
            x: shape (n, d).
        """
        return cls(x, np.ones(len(x)))

    def __len__(self) -> int:
        return len(self.weight)

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> "Table":
        return Table(self.x[rows], self.weight[rows])

    @property
    def share(self) -> Array:
        """Weights with sum 1, shape (n,)."""
        share: Array = self.weight / self.weight.sum()
        return share

    def drawn(self, size: int, rng: np.random.Generator) -> Array:
        """Rows drawn with replacement in proportion to their weights, shape (size, d).

        Args:
            size: how many.
            rng: source of random numbers.
        """
        return self.x[rng.choice(len(self), size, p=None if np.ptp(self.weight) == 0 else self.share)]

    def subset(self, size: int, rng: np.random.Generator) -> Array:
        """Different rows drawn in proportion to their weights, shape (size, d).

        Args:
            size: how many, at most all that have a weight.
            rng: source of random numbers.
        """
        return self.x[take_weighted(self.weight, size, rng)]


def take_weighted(weight: Array, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Different row numbers in proportion to their weights, in random order; shape (size,) or fewer.

    Args:
        weight: not negative, shape (n,).
        size: how many; fewer where fewer rows have a weight.
        rng: source of random numbers.
    """
    rows = np.flatnonzero(weight > 0)
    clocks = rng.exponential(size=len(rows)) / weight[rows]
    chosen: NDArray[np.int64] = rows[np.argsort(clocks)[:size]]
    return chosen


def effective_size(weight: Array) -> float:
    """Effective number of weighted events, (sum w)^2 / sum w^2.

    Args:
        weight: shape (n,).

    >>> effective_size(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    return float(weight.sum() ** 2 / (weight**2).sum())


class Measured(NamedTuple):
    """A number and its statistical uncertainty."""

    value: float
    error: float


class Statistic(NamedTuple):
    """How one number of a test behaves."""

    key: str
    description: str
    power: float = 0.0
    """How fast its truth-truth values approach `centre` with the number of events n: as n^-power; 0 if the test draws
    samples of a fixed size."""
    centre: float = 0.0
    tail: Tail = Tail.UPPER
    logarithmic: bool = False
    unit: str = ""


class _Blocks(Protocol):
    """A sample whose blocks of events can be taken."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Self: ...


Sample = TypeVar("Sample", bound=_Blocks)
Test = Callable[[Sample, Sample, np.random.Generator], Sequence[Measured]]


class _Job(NamedTuple, Generic[Sample]):
    reference: Sample
    candidate: Sample
    seed: int


def scores(
    test: Test[Sample],
    statistics: Sequence[Statistic],
    samples: tuple[Sample, Sample],
    plan: Plan,
    *,
    pairs: int | None = None,
    prepare: Callable[[Sample], Sample] = lambda sample: sample,
    progress: Progress = silent,
    what: str = "two-sample tests",
) -> tuple[Score, ...]:
    """The numbers of a test, each with the floor of the truth-truth pairs.

    Args:
        test: gives one number for each statistic.
        statistics: how the numbers behave.
        samples: all reference events, and the candidate's events.
        plan: which events to compare.
        pairs: use at most this many truth-truth pairs.
        prepare: done with every block before it is compared.
        progress: told of every comparison.
        what: what to call the work.
    """
    reference, candidate = samples
    chosen = plan.pairs[:pairs]
    blocks = [(plan.reference, candidate[plan.candidate]), *((a, reference[b]) for a, b in chosen)]
    jobs = (_Job(reference[block], other, seed) for seed, (block, other) in enumerate(blocks))

    def run(job: _Job[Sample]) -> Sequence[Measured]:
        return test(prepare(job.reference), prepare(job.candidate), np.random.default_rng(job.seed))

    found: list[Sequence[Measured]] = []
    with threads() as pool:
        for result in pool.map(run, jobs):
            found.append(result)
            progress(what, len(found) / len(blocks))
    return tuple(_score(k, statistic, found, plan) for k, statistic in enumerate(statistics))


def _score(k: int, statistic: Statistic, found: Sequence[Sequence[Measured]], plan: Plan) -> Score:
    value, *pairs = (result[k] for result in found)
    scale = plan.scale ** (2 * statistic.power)
    draws = statistic.centre + scale * (np.array([pair.value for pair in pairs]) - statistic.centre)
    return Score(value.value, value.error, int(plan.candidate.stop), draws, plan.pair_size, scale,
                 statistic.tail, statistic.logarithmic)  # fmt: skip


class Standard(NamedTuple):
    """Which columns vary, and their mean and spread in the reference, each of shape (d',)."""

    columns: NDArray[np.int64]
    mean: Array
    spread: Array

    def of(self, table: Table) -> Table:
        """The varying columns in units of their spread about their mean.

        Args:
            table: rows of shape (n, d).
        """
        return Table((table.x[:, self.columns] - self.mean) / self.spread, table.weight)


def standard(reference: Table) -> Standard:
    """How to standardise rows; columns that do not vary in the reference are left out.

    Args:
        reference: rows of shape (n, d).
    """
    columns = np.flatnonzero(np.ptp(reference.x, axis=0) > 0)
    mean = reference.share @ reference.x[:, columns]
    variance = reference.share @ (reference.x[:, columns] - mean) ** 2
    kept = variance > 0
    return Standard(columns[kept], mean[kept], np.sqrt(variance[kept]))
