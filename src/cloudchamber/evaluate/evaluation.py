"""The whole evaluation: every number beside its floor, and one verdict.

`evaluate` compares events with events. It does not know, and cannot ask, what made either of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.evaluate.acceptance import Acceptance, accepted
from cloudchamber.evaluate.budget import FEWEST_EVENTS, Budget
from cloudchamber.evaluate.classifier import ClassifierTest, classifier_score
from cloudchamber.evaluate.conservation import Residual, residuals
from cloudchamber.evaluate.distances import mean_difference, mean_per_event, wasserstein_score
from cloudchamber.evaluate.observables import OBSERVABLES, observable_matrix
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.progress import Progress, part, silent
from cloudchamber.evaluate.sample import Column, Particles, Sample
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.species import FEATURES, SPECIES, Species
from cloudchamber.evaluate.verdict import Verdict, judge
from cloudchamber.events import Beams, Events, RunInfo

__all__ = ["Evaluation", "Measurement", "Multiplicity", "comparable_beams", "evaluate"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """One Wasserstein distance.

    Attributes:
        species: key of the species; None for an event observable.
        quantity: key of the feature or of the observable.
        unit: unit of the distance.
        description: what was measured, in words.
        score: value, error and floor; None where there were too few particles.
    """

    species: str | None
    quantity: str
    unit: str
    description: str
    score: Score | None


@dataclass(frozen=True)
class Multiplicity:
    """Mean number of particles of one species per event.

    Attributes:
        species: key of the species.
        candidate: mean and its error.
        reference: mean and its error.
        score: size of the relative difference; None where the reference has no such particle.
    """

    species: str
    candidate: tuple[float, float]
    reference: tuple[float, float]
    score: Score | None


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
    acceptance: Acceptance | None = None


def evaluate(
    candidate: Events, reference: Events, budget: str | Budget = "standard", progress: Progress = silent, *,
    acceptance: Acceptance | None = None,
) -> Evaluation:  # fmt: skip
    """Compare events with a reference.

    Args:
        candidate: the events to judge, the scattered electron first in each; decayed particles are left out.
        reference: events of the same level, beams and cuts; best 21 times as many as the candidate has.
        budget: quick, standard or full.
        progress: told of every step.
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
    particles, multiplicities = _particles(a, b, plan, budget, part(progress, 0.0, 0.3))
    matrices = tuple(
        observable_matrix(sample, part(progress, *shares)) for sample, shares in ((a, (0.3, 0.32)), (b, (0.32, 0.5)))
    )
    events = _events((a, matrices[0]), (b, matrices[1]), plan, budget)
    progress("conservation laws", 0.55)
    conservation = () if acceptance else residuals(a.events, b.events[plan.reference], beams)
    classifier = classifier_score((matrices[1], b.weight), (matrices[0], a.weight), plan, part(progress, 0.57, 1.0))
    sizes = a.effective_size, b[plan.reference].effective_size
    verdict = judge([*particles, *events], classifier.score, plan)
    return Evaluation(
        budget, plan, beams, candidate.run, reference.run, sizes,
        particles, events, multiplicities, conservation, classifier, verdict, (matrices[0], matrices[1]), acceptance,
    )  # fmt: skip


def comparable_beams(candidate: RunInfo, reference: RunInfo) -> Beams:
    """The beams of two samples that may be compared.

    Args:
        candidate: metadata of the candidate.
        reference: metadata of the reference.

    Raises:
        InputError: if levels, beams or Q2 cuts differ, or no beams are known.
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
    for name in ("q2_min", "q2_max"):
        one, two = getattr(candidate.cuts, name), getattr(reference.cuts, name)
        if one is not None and two is not None and one != two:
            raise InputError(
                f"the candidate was made with {name} = {one:g} GeV2 and the reference with {two:g} GeV2; "
                "give samples with the same cuts."
            )
    return beams


def _checked(events: Events, beams: Beams, name: str) -> Sample:
    if len(events) < FEWEST_EVENTS:
        raise InputError(f"{name} holds {len(events)} events; evaluate needs at least {FEWEST_EVENTS} on either side.")
    return Sample.of(events, beams, name)


def _particles(
    a: Sample, b: Sample, plan: Plan, budget: Budget, progress: Progress
) -> tuple[tuple[Measurement, ...], tuple[Multiplicity, ...]]:
    measurements: list[Measurement] = []
    multiplicities: list[Multiplicity] = []
    for k, species in enumerate(SPECIES):
        progress(f"particles: {species.key}", k / len(SPECIES))
        in_a, in_b = a.particles(species), b.particles(species)
        if not species.scattered:
            multiplicities.append(_multiplicity(species, a.counts(in_a), b.counts(in_b), plan))
        measurements.extend(_distances(species, (a, in_a), (b, in_b), plan, budget))
    return tuple(measurements), tuple(multiplicities)


def _multiplicity(species: Species, candidate: Column, reference: Column, plan: Plan) -> Multiplicity:
    return Multiplicity(
        species.key, mean_per_event(candidate[plan.candidate]), mean_per_event(reference[plan.reference]),
        mean_difference(reference, candidate, plan),
    )  # fmt: skip


def _distances(
    species: Species, a: tuple[Sample, Particles], b: tuple[Sample, Particles], plan: Plan, budget: Budget
) -> Iterator[Measurement]:
    for feature in FEATURES:
        if species.scattered and feature.trivial_for_electron:
            continue
        candidate, reference = (sample.feature(particles, feature) for sample, particles in (a, b))
        score = wasserstein_score(reference, candidate, plan, circular=feature.circular, bootstraps=budget.bootstraps)
        yield Measurement(species.key, feature.key, feature.unit, f"{feature.description} of {species.key}", score)


def _events(a: tuple[Sample, Array], b: tuple[Sample, Array], plan: Plan, budget: Budget) -> tuple[Measurement, ...]:
    found = []
    for k, observable in enumerate(OBSERVABLES):
        candidate, reference = (Column.per_event(matrix[:, k], sample.weight) for sample, matrix in (a, b))
        score = wasserstein_score(reference, candidate, plan, bootstraps=budget.bootstraps)
        found.append(Measurement(None, observable.key, observable.unit, observable.description, score))
    return tuple(found)
