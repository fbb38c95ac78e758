"""What the figures draw: two samples, their names, and the numbers of their evaluation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.evaluation import Evaluation
from cloudchamber.evaluate.event_view import PairKind, pair_masses
from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.observables import OBSERVABLES
from cloudchamber.evaluate.sample import Column, Sample
from cloudchamber.evaluate.species import HADRONIC, Feature, Species
from cloudchamber.events import Events, RunInfo

__all__ = ["Columns", "Comparison"]

Array = NDArray[np.float64]
_BLOCK = 20_000


@dataclass(frozen=True)
class Columns:
    """One quantity of both samples."""

    candidate: Column
    reference: Column

    def histograms(self, edges: Array) -> tuple[Histogram, Histogram]:
        """Both as histograms, candidate first.

        Args:
            edges: bins.
        """
        one, two = (
            Histogram.fill(c.values, edges, float(c.weight.sum()), c.value_weights)
            for c in (self.candidate, self.reference)
        )
        return one, two


@dataclass(frozen=True)
class Comparison:
    """Two samples side by side.

    Attributes:
        evaluation: the numbers.
        candidate: the events that were judged.
        reference: what to draw them against; may hold more events than were compared.
    """

    evaluation: Evaluation
    candidate: Sample
    reference: Sample

    @classmethod
    def of(cls, evaluation: Evaluation, candidate: Events, reference: Events) -> "Comparison":
        """The comparison behind an evaluation.

        Args:
            evaluation: its result.
            candidate: the events that were given to it.
            reference: the reference that was given to it.
        """
        n, beams = evaluation.plan.candidate.stop, evaluation.beams
        judged, drawn = candidate[:n], reference[: max(evaluation.budget.figure_events, n)]
        return cls(evaluation, Sample(judged, beams, judged.offsets), Sample(drawn, beams, drawn.offsets))

    @property
    def labels(self) -> tuple[str, str]:
        """Names of candidate and reference for legends."""
        return (
            _label(self.candidate.events.run, "candidate", len(self.candidate)),
            _label(self.reference.events.run, "reference", len(self.reference)),
        )

    @property
    def title(self) -> str:
        """Beams and cuts, for the top of a figure."""
        beams, cuts = self.evaluation.beams, self.evaluation.reference.cuts
        text = rf"$ep$  {beams.electron:g} $\times$ {beams.hadron:g} GeV"
        return text if cuts.q2_min is None else text + rf"   $Q^2 > {cuts.q2_min:g}$ GeV$^2$"

    def feature(self, species: Species, feature: Feature) -> Columns:
        """One feature of the particles of a species.

        Args:
            species: which particles.
            feature: which feature.
        """
        a, b = (s.feature(s.particles(species), feature) for s in (self.candidate, self.reference))
        return Columns(a, b)

    def counts(self, species: Species) -> Columns:
        """Number of particles of a species in each event.

        Args:
            species: which particles.
        """
        a, b = (s.counts(s.particles(species)) for s in (self.candidate, self.reference))
        return Columns(a, b)

    def observable(self, key: str) -> Columns:
        """One event observable.

        Args:
            key: its name.
        """
        k = next(k for k, observable in enumerate(OBSERVABLES) if observable.key == key)
        a, b = self.evaluation.observables
        return Columns(
            Column.per_event(a[:, k], self.candidate.weight),
            Column.per_event(b[: len(self.reference), k], self.reference.weight),
        )

    def masses(self, *kinds: PairKind) -> Columns:
        """Masses of all pairs of some kinds.

        Args:
            *kinds: which pairs.
        """
        return Columns(_masses(self.candidate, kinds), _masses(self.reference, kinds))


def _masses(sample: Sample, kinds: tuple[PairKind, ...]) -> Column:
    values, events = [], []
    for start in range(0, len(sample), _BLOCK):
        hadrons = sample[start : start + _BLOCK].particles(HADRONIC)
        for kind in kinds:
            mass, event = pair_masses(hadrons, kind)
            values.append(mass)
            events.append(event + start)
    event = np.concatenate(events)
    order = np.argsort(event, kind="stable")
    offsets = np.searchsorted(event[order], np.arange(len(sample) + 1))
    return Column(np.concatenate(values)[order], offsets, sample.weight)


def _label(run: RunInfo, role: str, n: int) -> str:
    return f"{role}: {run.generator or 'unknown generator'}, {n:,} events"
