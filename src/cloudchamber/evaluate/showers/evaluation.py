"""The whole evaluation of showers: the metrics of the CaloChallenge beside their floors, and one verdict.

`evaluate_showers` compares showers with showers of the same cells. It does not know what made either of them. Models
are told the incident energies, so both samples should have the same distribution of them; whether they do is a test of
its own, since all other numbers follow it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.evaluate.budget import FEWEST_EVENTS
from cloudchamber.evaluate.classifier import ClassifierTest, classifier_score
from cloudchamber.evaluate.distances import wasserstein_score
from cloudchamber.evaluate.measurements import Measurement
from cloudchamber.evaluate.multivariate import Metric, distribution_metrics, memorisation_metrics, physics_distances
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.progress import Progress, part, silent
from cloudchamber.evaluate.sample import Column
from cloudchamber.evaluate.score import KnownNull, Score
from cloudchamber.evaluate.showers.budget import ShowerBudget
from cloudchamber.evaluate.showers.observables import Quantity, quantities, shower_table
from cloudchamber.evaluate.showers.redraw import redrawn
from cloudchamber.evaluate.showers.response import DIFFERENCES, Responses, chi_squares, difference_scores, responses
from cloudchamber.evaluate.showers.separation import CELLS, Binned, Binning, separation_powers, statistics
from cloudchamber.evaluate.tables import Table, scores
from cloudchamber.evaluate.verdict import SIGNIFICANCE, Verdict, distance_test, judge, largest_distances
from cloudchamber.events import Geometry, RunInfo, Showers

__all__ = ["Separation", "ShowerEvaluation", "evaluate_showers"]

Array = NDArray[np.float64]

_UNTESTED = ("largest differences", "earth mover's distance")
"""Groups of metrics that repeat what another test sees."""
_DISTANCES = 5
"""Truth-truth pairs of the full size behind the floors of FPD and KPD, which fall with the size in no simple way."""


@dataclass(frozen=True)
class Separation:
    """Separation power of one histogram.

    Attributes:
        kind: what the histogram is of.
        score: value, error and floor.
    """

    kind: Quantity
    score: Score

    @property
    def measurement(self) -> Measurement:
        """The same as the verdict reads it."""
        return Measurement(None, self.kind.key, self.kind.unit, self.kind.description, self.score)


@dataclass(frozen=True)
class ShowerEvaluation:
    """All numbers of one comparison.

    Attributes:
        budget: how much work was allowed.
        plan: which showers were compared, and the truth-truth pairs.
        geometry: the cells.
        candidate: metadata of the candidate.
        reference: metadata of the reference.
        separations: of all histograms.
        responses: response and resolution against energy.
        metrics: all other numbers.
        classifier: the boosted trees.
        energies_agree: whether both samples have the same distribution of incident energies.
        verdict: the one conclusion.
    """

    budget: ShowerBudget
    plan: Plan
    geometry: Geometry
    candidate: RunInfo
    reference: RunInfo
    separations: tuple[Separation, ...]
    responses: Responses
    metrics: tuple[Metric, ...]
    classifier: ClassifierTest
    energies_agree: bool
    verdict: Verdict


@dataclass(frozen=True)
class _Both:
    """Candidate and reference, and their observables."""

    candidate: Showers
    reference: Showers
    tables: tuple[Table, Table]
    """Of candidate and reference."""
    plan: Plan


def evaluate_showers(
    candidate: Showers,
    reference: Showers,
    budget: str | ShowerBudget = "standard",
    progress: Progress = silent,
    training: Showers | None = None,
) -> ShowerEvaluation:
    """Compare showers with a reference.

    Args:
        candidate: the showers to judge.
        reference: showers of the same cells and, best, of the same incident energies.
        budget: quick, standard or full.
        progress: told of every step.
        training: showers that the candidate may have been learned from, for the test of memorisation.

    Raises:
        InputError: if the two cannot be compared, or hold too few showers.
    """
    budget = ShowerBudget.named(budget) if isinstance(budget, str) else budget
    sizes = budget.tables
    both = _checked(candidate, reference, budget, progress)
    tests, plan = both.tables[::-1], both.plan
    energies = _energy_test(both)
    separations = _separations(both, sizes.pairs, part(progress, 0.1, 0.15))
    found = responses(both.candidate, both.reference[plan.reference])
    metrics = [energies, *_response_metrics(both, found, sizes.pairs), *_movers(both, sizes.bootstraps)]
    whole, full = redrawn(tests[0], plan, min(_DISTANCES, sizes.pairs))
    metrics += physics_distances(whole, tests[1], full, sizes, part(progress, 0.15, 0.3))
    metrics += distribution_metrics(*tests, plan, sizes, part(progress, 0.3, 0.4))
    if training is not None:
        known = shower_table(training[: sizes.training_events])
        metrics += memorisation_metrics(*tests, known, plan, sizes)
    trees = classifier_score(*tests, plan, pairs=sizes.classifier_pairs, progress=part(progress, 0.4, 0.6))
    text = "area under the ROC curve of boosted trees on all observables (high level)"
    metrics.append(Metric("AUC, observables", "classifiers", "", text, trees.score, "5 folds"))
    metrics += _classifiers(both, budget, part(progress, 0.6, 1.0))
    verdict = _verdict(metrics, separations, energies, plan)
    agree = energies.score.p_value is not None and energies.score.p_value >= SIGNIFICANCE
    return ShowerEvaluation(
        budget, plan, both.reference.geometry, candidate.run, reference.run, separations, found, tuple(metrics), trees,
        agree, verdict,
    )  # fmt: skip


def _checked(candidate: Showers, reference: Showers, budget: ShowerBudget, progress: Progress) -> _Both:
    """Both samples as long as the budget allows, with their observables."""
    one, two = candidate.geometry, reference.geometry
    if (one.kind, one.layers) != (two.kind, two.layers):
        raise InputError("the showers to judge and the reference have different cells; give samples of one geometry.")
    n = budget.tables.candidate_events(len(candidate))
    a, b = candidate[:n], reference[: budget.tables.reference_events(n)]
    for showers, name in ((a, "the candidate"), (b, "the reference")):
        if len(showers) < FEWEST_EVENTS:
            raise InputError(
                f"{name} holds {len(showers)} showers; evaluate needs at least {FEWEST_EVENTS} on either side."
            )
    progress("observables", 0.02)
    return _Both(a, b, (shower_table(a), shower_table(b)), Plan.make(len(a), len(b), budget.tables.pairs))


def _energy_test(both: _Both) -> Metric:
    """Kolmogorov-Smirnov test of the incident energies, whose null distribution is known."""
    from scipy.stats import kstwobign

    a, b = (np.sort(s.incident_energy) for s in (both.candidate, both.reference[both.plan.reference]))
    values = np.concatenate([a, b])
    shares = [np.searchsorted(x, values, side="right") / len(x) for x in (a, b)]
    distance, root = float(np.abs(shares[0] - shares[1]).max()), np.sqrt(both.plan.effective_size / 2)
    known = KnownNull(0.8687 / root, 0.2603 / root, float(kstwobign.sf(distance * root)))
    score = Score(distance, known.spread, len(a), np.array([]), 0, known=known)
    text = "Kolmogorov-Smirnov distance of the incident energies; all other numbers follow it"
    return Metric("incident energies", "incident energy", "", text, score)


def _separations(both: _Both, pairs: int, progress: Progress) -> tuple[Separation, ...]:
    binning = Binning.of(both.reference)
    reference, candidate = (Binned.of(showers, binning) for showers in (both.reference, both.candidate))
    whole, plan = redrawn(reference, both.plan, pairs)
    layers = len(both.reference.geometry.layers)
    found = scores(separation_powers, statistics(layers), (whole, candidate), plan, progress=progress,
                   what="separation powers")  # fmt: skip
    return tuple(Separation(kind, score) for kind, score in zip((*quantities(layers), CELLS), found, strict=True))


def _response_metrics(both: _Both, found: Responses, pairs: int) -> Iterator[Metric]:
    size = f"{len(found.edges) - 1} bins of the incident energy"
    names = ("mean response", "resolution")
    for name, score in zip(names, chi_squares(found, len(both.candidate)), strict=True):
        yield Metric(name, "response", "", "chi-squared per bin of the incident energy", score, size)
    largest = difference_scores(both.candidate, both.reference, both.plan, pairs)
    for one, score in zip(DIFFERENCES, largest, strict=True):
        yield Metric(one.key, "largest differences", "", one.description, score, size)


def _movers(both: _Both, bootstraps: int) -> Iterator[Metric]:
    """Earth mover's distances of the observables of whole showers, and of the energies of cells."""
    kinds = quantities(len(both.reference.geometry.layers))
    for k, kind in enumerate(kinds):
        if kind.group == "whole shower":
            one, two = (Column.per_event(table.x[:, k], table.weight) for table in both.tables)
            yield from _mover(kind, (one, two), both.plan, bootstraps)
    cells = [
        Column(np.log10(showers.energy), showers.offsets, np.ones(len(showers)))
        for showers in (both.candidate, both.reference)
    ]
    kind = Quantity("log10_cell_E", "cell energies", "", "log10 of the energy of a hit in MeV")
    yield from _mover(kind, (cells[0], cells[1]), both.plan, bootstraps)


def _mover(kind: Quantity, columns: tuple[Column, Column], plan: Plan, bootstraps: int) -> Iterator[Metric]:
    score = wasserstein_score(columns[1], columns[0], plan, bootstraps=bootstraps)
    if score is not None:
        text = f"earth mover's (Wasserstein) distance of: {kind.description}"
        yield Metric(f"EMD of {kind.key}", "earth mover's distance", kind.unit, text, score)


def _classifiers(both: _Both, budget: ShowerBudget, progress: Progress) -> Iterator[Metric]:
    """The classifiers of cells."""
    from cloudchamber.evaluate.showers.classifiers import classifier_of_cells
    from cloudchamber.evaluate.showers.nets import ConvolutionalNet, DenseNet, Hits

    geometry = both.reference.geometry
    threshold = max(geometry.threshold, float(np.quantile(both.reference.energy, 1e-3)))
    most = len(both.candidate)
    reference, candidate = (Hits.of(s, threshold) for s in (both.reference[both.plan.reference], both.candidate))
    features = reference.event.shape[1]
    kinds: tuple[tuple[str, str, Callable[[], object], int, int], ...] = (
        ("AUC, cells", "dense layers on all cells (low level)", lambda: DenseNet(geometry.cells, features),
         budget.dense_epochs, most),
        ("AUC, convolutions", "convolutions over layers and both axes",
         lambda: ConvolutionalNet(geometry.shapes, features), budget.convolutional_epochs,
         min(most, budget.convolved)),
    )  # fmt: skip
    for k, (name, text, make, epochs, n) in enumerate(kinds):
        if epochs:
            few = [hits.first(n) for hits in (reference, candidate)]
            score = classifier_of_cells(few[0], few[1], make, epochs=epochs,  # type: ignore[arg-type]
                                        progress=part(progress, k / 2, (k + 1) / 2))  # fmt: skip
            sizes = f"2 folds, {epochs} epochs, {n:,} showers of each sample"
            yield Metric(name, "classifiers", "", f"area under the ROC curve of {text}", replace(score, n=n), sizes)


def _verdict(metrics: list[Metric], separations: tuple[Separation, ...], energies: Metric, plan: Plan) -> Verdict:
    histograms = [one.measurement for one in separations]
    pairs = max(one.score.n_pairs for one in separations)
    tests = [
        distance_test(histograms, pairs, "separation power"),
        *(metric.finding for metric in metrics if metric.group not in _UNTESTED),
    ]
    areas = [f"{m.name}: {m.words}" for m in metrics if m.group == "classifiers"]
    notes = (*areas, *largest_distances(histograms, "separation power"))
    verdict = judge(tests, int(plan.candidate.stop), notes, "showers")
    if (energies.score.p_value or 0.0) >= SIGNIFICANCE:
        return verdict
    advice = (
        "The incident energies are distributed differently, and all else follows them: write those of the reference "
        "with 'cloudchamber convert REFERENCE energies.txt' and generate with --energies energies.txt."
    )
    return replace(verdict, reasons=(advice, *verdict.reasons))
