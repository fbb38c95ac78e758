"""All numbers that look at several observables, or at the whole event, at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from cloudchamber.evaluate.budget import Budget
from cloudchamber.evaluate.energy_mover import COVERAGE_MMD, coverage_and_mmd
from cloudchamber.evaluate.frechet import FPD, frechet_physics_distance
from cloudchamber.evaluate.kernel import KPD, kernel_physics_distance
from cloudchamber.evaluate.neighbours import MEMORISATION, PRDC, memorisation, precision_recall_density_coverage
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.progress import Progress, part, silent
from cloudchamber.evaluate.sample import Sample
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.sliced import sliced_scores
from cloudchamber.evaluate.tables import Standard, Statistic, Table, scores, standard
from cloudchamber.evaluate.verdict import Finding

__all__ = [
    "Compared", "Metric", "distribution_metrics", "memorisation_metrics", "multivariate_metrics", "physics_distances",
    "table_metrics",
]  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """One number of the evaluation.

    Attributes:
        name: what it is called.
        group: the kind of metric.
        unit: unit of the value; empty for a pure number.
        description: one sentence.
        score: value, error and floor.
        sizes: what the number depends on besides the events, in words.
    """

    name: str
    group: str
    unit: str
    description: str
    score: Score
    sizes: str = ""

    @property
    def words(self) -> str:
        """Value, error and floor."""
        score, unit = self.score, f" {self.unit}" if self.unit else ""
        floor = (
            "" if score.floor is None else f"; truth against truth {score.floor:.4g} ± {score.floor_spread or 0:.2g}"
        )
        return f"{score.value:.4g} ± {score.error:.2g}{unit}{floor}"

    @property
    def finding(self) -> Finding | None:
        """The number as a test; None where it has no p-value."""
        p_value = self.score.p_value
        return None if p_value is None else Finding(self.name, p_value, self.words)


@dataclass(frozen=True)
class Compared:
    """A sample and its event observables.

    Attributes:
        sample: the events.
        table: their observables and weights.
    """

    sample: Sample
    table: Table


def multivariate_metrics(
    reference: Compared, candidate: Compared, plan: Plan, budget: Budget, progress: Progress = silent
) -> Iterator[Metric]:
    """All multivariate numbers that need no training.

    Args:
        reference: all reference events.
        candidate: the candidate's events.
        plan: which events to compare.
        budget: sizes.
        progress: told of every comparison.

    Yields:
        Each as soon as it is measured.
    """
    yield from table_metrics(reference.table, candidate.table, plan, budget, part(progress, 0.0, 0.8))
    yield from _matched(reference.sample, candidate.sample, plan, budget, part(progress, 0.8, 1.0))


def table_metrics(
    reference: Table, candidate: Table, plan: Plan, budget: Budget, progress: Progress = silent
) -> Iterator[Metric]:
    """Those of them that look at tables of observables.

    Args:
        reference: all reference events.
        candidate: the candidate's events.
        plan: which events to compare.
        budget: sizes.
        progress: told of every comparison.

    Yields:
        Each as soon as it is measured.
    """
    yield from physics_distances(reference, candidate, plan, budget, part(progress, 0.0, 0.5))
    yield from distribution_metrics(reference, candidate, plan, budget, part(progress, 0.5, 1.0))


def physics_distances(
    reference: Table, candidate: Table, plan: Plan, budget: Budget, progress: Progress = silent
) -> Iterator[Metric]:
    """FPD and KPD.

    Args:
        reference: all reference events.
        candidate: the candidate's events.
        plan: which events to compare.
        budget: sizes.
        progress: told of every comparison.

    Yields:
        Each as soon as it is measured.
    """
    tables, scale = (reference, candidate), standard(reference)
    varying = partial(_columns, scale)
    fpd = scores(frechet_physics_distance, [FPD], tables, plan, prepare=varying, progress=part(progress, 0.0, 0.25),
                 what="Fréchet physics distance")  # fmt: skip
    yield _metric(FPD, "FPD and KPD", fpd[0], f"all {len(scale.columns)} observables that vary")
    batches = partial(kernel_physics_distance, batches=budget.kernel_batches)
    kpd = scores(batches, [KPD], tables, plan, prepare=varying, progress=part(progress, 0.25, 1.0),
                 what="kernel physics distance")  # fmt: skip
    yield _metric(KPD, "FPD and KPD", kpd[0], f"median of {budget.kernel_batches} batches of at most 5,000 events")


def distribution_metrics(
    reference: Table, candidate: Table, plan: Plan, budget: Budget, progress: Progress = silent
) -> Iterator[Metric]:
    """Sliced tests, and precision, recall, density and coverage.

    Args:
        reference: all reference events.
        candidate: the candidate's events.
        plan: which events to compare.
        budget: sizes.
        progress: told of every comparison.

    Yields:
        Each as soon as it is measured.
    """
    tables, scale = (reference, candidate), standard(reference)
    yield from _sliced(tables, scale, plan, budget, part(progress, 0.0, 0.5))
    k_nearest = partial(precision_recall_density_coverage, size=_subset(budget.neighbours, plan))
    found = scores(k_nearest, PRDC, tables, plan, prepare=scale.of, progress=part(progress, 0.5, 1.0),
                   what="neighbours")  # fmt: skip
    text = f"k = 5, {_subset(budget.neighbours, plan):,} events of each sample"
    yield from (_metric(one, "neighbours", score, text) for one, score in zip(PRDC, found, strict=True))


def _subset(wanted: int, plan: Plan) -> int:
    """How many events can be drawn from the candidate, the compared block and each half of a pair."""
    sizes = (wanted, plan.candidate.stop, plan.reference.stop, plan.pair_size or wanted)
    return int(min(sizes))


def _columns(scale: Standard, table: Table) -> Table:
    return Table(table.x[:, scale.columns], table.weight)


def _metric(one: Statistic, group: str, score: Score, sizes: str) -> Metric:
    return Metric(one.key, group, one.unit, one.description, score, sizes)


def _sliced(
    tables: tuple[Table, Table], scale: Standard, plan: Plan, budget: Budget, progress: Progress
) -> Iterator[Metric]:
    reference, candidate = scale.of(tables[0][plan.reference]), scale.of(tables[1][plan.candidate])
    found = sliced_scores(reference, candidate, np.random.default_rng(len(candidate)), slices=budget.slices,
                          permutations=budget.permutations, progress=progress)  # fmt: skip
    sizes = f"{budget.slices} slices, {budget.permutations} permutations"
    text = "of random slices of all observables"
    yield Metric("sliced W1", "sliced", "sigma", f"mean W1 {text}", found.wasserstein, sizes)
    yield Metric("sliced KS", "sliced", "", f"mean Kolmogorov-Smirnov distance {text}", found.kolmogorov, sizes)


def _matched(reference: Sample, candidate: Sample, plan: Plan, budget: Budget, progress: Progress) -> Iterator[Metric]:
    n = min(budget.matched, _subset(budget.matched * budget.matched_batches, plan) // budget.matched_batches)
    test = partial(coverage_and_mmd, n=n, batches=budget.matched_batches)
    found = scores(test, COVERAGE_MMD, (reference, candidate), plan, pairs=budget.matched_pairs, progress=progress,
                   what="energy mover's distance")  # fmt: skip
    sizes = f"n = {n:,} events of each sample, {budget.matched_batches} batches, R = 1, phi periodic"
    for one, score in zip(COVERAGE_MMD, found, strict=True):
        yield _metric(one, "energy mover's distance", score, sizes)


def memorisation_metrics(
    reference: Table, candidate: Table, training: Table, plan: Plan, budget: Budget
) -> Iterator[Metric]:
    """Whether the candidate's events are closer to the training set than events can be.

    Args:
        reference: observables of all reference events.
        candidate: observables of the candidate's events.
        training: observables of the training set.
        plan: which events to compare.
        budget: sizes.

    Yields:
        The share of events that are closer to the training set, and the ratio of distances.
    """
    scale = standard(reference)
    size = min(_subset(budget.neighbours, plan), len(training))
    test = partial(memorisation, training=scale.of(training), size=size)
    found = scores(test, MEMORISATION, (reference, candidate), plan, prepare=scale.of)
    text = f"{size:,} events of each sample"
    yield from (_metric(one, "memorisation", score, text) for one, score in zip(MEMORISATION, found, strict=True))
