"""One quantity at a time: distances of particle features and event observables, and mean multiplicities."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cloudchamber.evaluate.budget import Budget
from cloudchamber.evaluate.distances import mean_difference, mean_per_event, wasserstein_score
from cloudchamber.evaluate.jetnet_w1 import jetnet_score
from cloudchamber.evaluate.multivariate import Metric
from cloudchamber.evaluate.observables import OBSERVABLES
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.progress import Progress, silent
from cloudchamber.evaluate.sample import Column, Particles, Sample
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.species import FEATURES, SPECIES, Feature, Species
from cloudchamber.evaluate.tables import Table
from cloudchamber.evaluate.threads import threads

__all__ = ["Measurement", "Multiplicity", "ParticleNumbers", "event_measurements", "particle_numbers"]

_JETNET_FEATURES = ("pT", "eta", "phi")


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


class ParticleNumbers(NamedTuple):
    """What is measured of the particles of each species."""

    distances: tuple[Measurement, ...]
    multiplicities: tuple[Multiplicity, ...]
    jetnet: tuple[Metric, ...]
    """W1 of pT, eta and phi by JetNet's protocol."""


class _Work(NamedTuple):
    reference: Sample
    candidate: Sample
    plan: Plan
    bootstraps: int


def particle_numbers(
    reference: Sample, candidate: Sample, plan: Plan, budget: Budget, progress: Progress = silent
) -> ParticleNumbers:
    """Distances and mean numbers of the particles, species by species.

    Args:
        reference: all reference events.
        candidate: the candidate's events.
        plan: which events to compare.
        budget: sizes.
        progress: told of every species.
    """
    work = _Work(reference, candidate, plan, budget.bootstraps)
    for sample in (reference, candidate):  # before the threads, which would each compute what is cached
        _ = sample.pdg_id, sample.electron.phi
    found: list[ParticleNumbers] = []
    with threads() as pool:
        for numbers in pool.map(lambda species: _species(work, species), SPECIES):
            found.append(numbers)
            progress("particles", len(found) / len(SPECIES))
    return ParticleNumbers(*(tuple(row for numbers in found for row in numbers[k]) for k in range(3)))  # type: ignore[arg-type]


def _species(work: _Work, species: Species) -> ParticleNumbers:
    a, b = work.candidate.particles(species), work.reference.particles(species)
    numbers = () if species.scattered else (_multiplicity(work, species, a, b),)
    rows = list(_distances(work, species, a, b))
    return ParticleNumbers(tuple(row for row, _ in rows), numbers, tuple(m for _, m in rows if m is not None))


def _multiplicity(work: _Work, species: Species, a: Particles, b: Particles) -> Multiplicity:
    candidate, reference, plan = work.candidate.counts(a), work.reference.counts(b), work.plan
    return Multiplicity(
        species.key, mean_per_event(candidate[plan.candidate]), mean_per_event(reference[plan.reference]),
        mean_difference(reference, candidate, plan),
    )  # fmt: skip


def _distances(
    work: _Work, species: Species, a: Particles, b: Particles
) -> Iterator[tuple[Measurement, Metric | None]]:
    for feature in FEATURES:
        if species.scattered and feature.trivial_for_electron:
            continue
        candidate, reference = work.candidate.feature(a, feature), work.reference.feature(b, feature)
        score = wasserstein_score(reference, candidate, work.plan, circular=feature.circular,
                                  bootstraps=work.bootstraps)  # fmt: skip
        text = f"{feature.description} of {species.key}"
        jetnet = jetnet_score(reference, candidate, work.plan) if feature.key in _JETNET_FEATURES else None
        yield Measurement(species.key, feature.key, feature.unit, text, score), _jetnet(species, feature, jetnet)


def _jetnet(species: Species, feature: Feature, score: Score | None) -> Metric | None:
    if score is None:
        return None
    return Metric(f"w1p {feature.key} of {species.key}", "JetNet W1", feature.unit,
                  f"{feature.description} of {species.key}, on the line", score,
                  "5 batches of 50,000 events drawn with replacement")  # fmt: skip


def event_measurements(reference: Table, candidate: Table, plan: Plan, budget: Budget) -> tuple[Measurement, ...]:
    """Distances of the event observables.

    Args:
        reference: observables of all reference events.
        candidate: observables of the candidate's events.
        plan: which events to compare.
        budget: sizes.
    """

    def measured(k: int) -> Measurement:
        observable = OBSERVABLES[k]
        one, two = (Column.per_event(table.x[:, k], table.weight) for table in (reference, candidate))
        score = wasserstein_score(one, two, plan, bootstraps=budget.bootstraps)
        return Measurement(None, observable.key, observable.unit, observable.description, score)

    with threads() as pool:
        return tuple(pool.map(measured, range(len(OBSERVABLES))))
