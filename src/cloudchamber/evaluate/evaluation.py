"""The whole evaluation: every number beside its floor, and one verdict.

`evaluate` compares events with events. It does not know, and cannot ask, what made either of them.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.evaluate.budget import FEWEST_EVENTS, Budget
from cloudchamber.evaluate.classifier import ClassifierTest, classifier_score
from cloudchamber.evaluate.conservation import Residual, residuals
from cloudchamber.evaluate.measurements import Measurement, Multiplicity, event_measurements, particle_numbers
from cloudchamber.evaluate.multivariate import Compared, Metric, memorisation_metrics, multivariate_metrics
from cloudchamber.evaluate.observables import OBSERVABLES, observable_matrix
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.progress import Progress, part, silent
from cloudchamber.evaluate.roc import WeightDistribution
from cloudchamber.evaluate.sample import Sample
from cloudchamber.evaluate.tables import Table
from cloudchamber.evaluate.threads import threads
from cloudchamber.evaluate.verdict import (
    Verdict,
    conservation_test,
    distance_test,
    judge,
    largest_distances,
)
from cloudchamber.events import Beams, Cuts, Events, RunInfo
from cloudchamber.physics.acceptance import Acceptance, accepted

__all__ = ["Evaluation", "Measurement", "Multiplicity", "comparable_beams", "evaluate"]

Array = NDArray[np.float64]

_UNTESTED = ("JetNet W1",)
"""Groups of metrics that repeat what another test sees."""
_BLOCK = 10_000
_COMPARED_CUTS = tuple(f"{name}_{end}" for name in ("q2", "x", "y") for end in ("min", "max"))
_CUT_ROUNDING = 1e-6


@dataclass(frozen=True)
class Evaluation:
    """All numbers of one comparison.

    Attributes:
        budget: how much work was allowed.
        plan: which events were compared, and the truth-truth pairs.
        beams: energies in GeV.
        candidate: metadata of the candidate.
        reference: metadata of the reference.
        effective_sizes: effective number of weighted events compared, of candidate and reference.
        particles: Wasserstein distances of particle features by species.
        events: Wasserstein distances of the event observables.
        multiplicities: mean numbers of particles.
        conservation: residuals of the conservation laws.
        classifier: the classifier test.
        verdict: the one conclusion.
        observables: event observables of all candidate and reference events that were used.
        metrics: all other numbers: JetNet's W1, multivariate two-sample tests, and both classifiers.
        cloud_weights: density ratios by the cloud classifier; None where the budget does not train it.
        acceptance: which particles were kept; None for all.
    """

    budget: Budget
    plan: Plan
    beams: Beams
    candidate: RunInfo
    reference: RunInfo
    effective_sizes: tuple[float, float]
    particles: tuple[Measurement, ...]
    events: tuple[Measurement, ...]
    multiplicities: tuple[Multiplicity, ...]
    conservation: tuple[Residual, ...]
    classifier: ClassifierTest
    verdict: Verdict
    observables: tuple[Array, Array]
    metrics: tuple[Metric, ...] = ()
    cloud_weights: WeightDistribution | None = None
    acceptance: Acceptance | None = None


def evaluate(
    candidate: Events,
    reference: Events,
    budget: str | Budget = "standard",
    progress: Progress = silent,
    training: Events | None = None,
    *,
    acceptance: Acceptance | None = None,
) -> Evaluation:
    """Compare events with a reference.

    Args:
        candidate: the events to judge, the scattered electron first in each; decayed particles are left out.
        reference: events of the same level, beams and cuts; best 21 times as many as the candidate has.
        budget: quick, standard or full.
        progress: told of every step.
        training: events that the candidate may have been learned from, for the test of memorisation.
        acceptance: which particles to keep; all by default. With one, conservation laws are not judged.

    Raises:
        InputError: if the two cannot be compared, hold too few events, or hold numbers that are not finite.
    """
    budget = Budget.named(budget) if isinstance(budget, str) else budget
    progress("checking the events", 0.0)
    beams = comparable_beams(candidate.run, reference.run)
    n = budget.candidate_events(len(candidate))
    a = _checked(accepted(candidate[:n].final_state(), acceptance), beams, "the candidate")
    b = _checked(accepted(reference[: budget.reference_events(n)].final_state(), acceptance), beams, "the reference")
    plan = Plan.make(len(a), len(b), budget.pairs)
    particles = particle_numbers(b, a, plan, budget, part(progress, 0.0, 0.15))
    one, two = _compared(a, part(progress, 0.15, 0.18)), _compared(b, part(progress, 0.18, 0.3))
    events = event_measurements(two.table, one.table, plan, budget)
    progress("conservation laws", 0.32)
    conservation = () if acceptance else residuals(a.events, b.events[plan.reference], beams)
    metrics = [*particles.jetnet, *multivariate_metrics(two, one, plan, budget, part(progress, 0.33, 0.5))]
    if training is not None:
        comparable_beams(training.run, reference.run)
        learnt = accepted(training[: budget.training_events].final_state(), acceptance)
        known = _compared(_checked(learnt, beams, "the training set"))
        metrics += memorisation_metrics(two.table, one.table, known.table, plan, budget)
    classifier = classifier_score(two.table, one.table, plan, pairs=budget.classifier_pairs,
                                  progress=part(progress, 0.5, 0.7))  # fmt: skip
    text = "area under the ROC curve of boosted trees on all event observables"
    metrics.append(Metric("AUC, observables", "classifiers", "", text, classifier.score, "5 folds"))
    cloud, weights = _cloud(b[plan.reference], a, budget, part(progress, 0.7, 1.0))
    metrics += cloud
    return Evaluation(
        budget, plan, beams, candidate.run, reference.run, (a.effective_size, b[plan.reference].effective_size),
        particles.distances, events, particles.multiplicities, conservation, classifier,
        _verdict([*particles.distances, *events], metrics, (two.table, one.table), plan),
        (one.table.x, two.table.x), tuple(metrics), weights, acceptance,
    )  # fmt: skip


def _compared(sample: Sample, progress: Progress = silent) -> Compared:
    """A sample with its observables, computed block by block on all cores."""
    starts = range(0, len(sample), _BLOCK)
    x = np.empty((len(sample), len(OBSERVABLES)))

    def fill(start: int) -> None:
        x[start : start + _BLOCK] = observable_matrix(sample[start : start + _BLOCK])

    with threads() as pool:
        for done, _ in enumerate(pool.map(fill, starts), 1):
            progress("event observables", done / len(starts))
    return Compared(sample, Table(x, sample.weight))


def _cloud(
    reference: Sample, candidate: Sample, budget: Budget, progress: Progress
) -> tuple[list[Metric], WeightDistribution | None]:
    if not budget.cloud_events:
        return [], None
    from cloudchamber.evaluate.cloud_classifier import cloud_classifier_score

    n = budget.cloud_events
    test = cloud_classifier_score(reference[slice(0, n)], candidate[slice(0, n)], epochs=budget.cloud_epochs,
                                  progress=progress)  # fmt: skip
    text = "area under the ROC curve of a transformer on the particles, their pairs and sums over the event"
    size = f"2 folds, {budget.cloud_epochs} epochs, at most {n:,} events of each sample"
    return [Metric("AUC, particle cloud", "classifiers", "", text, test.score, size)], test.weights


def _verdict(
    measurements: list[Measurement], metrics: list[Metric], tables: tuple[Table, Table], plan: Plan
) -> Verdict:
    reference, candidate = tables
    tests = [
        conservation_test(reference.x, candidate.x[plan.candidate], [o.key for o in OBSERVABLES]),
        distance_test(measurements, len(plan.pairs)),
        *(metric.finding for metric in metrics if metric.group not in _UNTESTED),
    ]
    trees = [f"{m.name}: {m.words}" for m in metrics if m.group == "classifiers"]
    return judge(tests, int(plan.candidate.stop), (*trees, *largest_distances(measurements)))


def comparable_beams(candidate: RunInfo, reference: RunInfo) -> Beams:
    """The beams of two samples that may be compared.

    Args:
        candidate: metadata of the candidate.
        reference: metadata of the reference.

    Raises:
        InputError: if levels, beams or cuts differ, or no beams are known.
    """
    if candidate.level and reference.level and candidate.level != reference.level:
        raise InputError(
            f"the candidate is at level '{candidate.level}' and the reference at '{reference.level}'; bring "
            "both to the same level with 'cloudchamber decay' first."
        )
    beams = candidate.beams or reference.beams
    if beams is None:
        raise InputError("neither file says which beams it was made with; evaluate needs them in one of the two.")
    if reference.beams and reference.beams != beams:
        raise InputError(
            f"the candidate has beams {beams.name} and the reference {reference.beams.name}; give samples "
            "of the same beams."
        )
    _require_same_cuts(candidate.cuts, reference.cuts)
    return beams


def _require_same_cuts(candidate: Cuts, reference: Cuts) -> None:
    """Refuse cuts on Q2, x or y that differ.

    Files that state no cut at all may have been made with any; cuts on x and y are often made after the simulation, so
    that a file does not state them.
    """
    if Cuts() in (candidate, reference):
        return
    for name in _COMPARED_CUTS:
        one, two = getattr(candidate, name), getattr(reference, name)
        unknown = one is None or two is None
        if unknown and (one == two or not name.startswith("q2")):
            continue
        if unknown or not math.isclose(one, two, rel_tol=_CUT_ROUNDING):
            raise InputError(
                f"the candidate was made with {_cut_in_words(name, one)} and the reference with "
                f"{_cut_in_words(name, two)}; give samples with the same cuts."
            )


def _cut_in_words(name: str, value: float | None) -> str:
    unit = " GeV2" if name.startswith("q2") else ""
    return f"no {name}" if value is None else f"{name} = {value:g}{unit}"


def _checked(events: Events, beams: Beams, name: str) -> Sample:
    if len(events) < FEWEST_EVENTS:
        raise InputError(f"{name} holds {len(events)} events; evaluate needs at least {FEWEST_EVENTS} on either side.")
    return Sample.of(events, beams, name)
