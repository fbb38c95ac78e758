"""What the figures draw: two samples, their names, and the numbers of their evaluation.

Figures that need whole events (jets, other frames, pairs of particles) are drawn from the first few of them only:
`few` says how many.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.budget import Budget
from cloudchamber.evaluate.derived import Derived
from cloudchamber.evaluate.evaluation import Evaluation, comparable_beams
from cloudchamber.evaluate.event_view import PairKind, pair_masses
from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.observables import OBSERVABLES, one_observable
from cloudchamber.evaluate.pixelate import PIXELS, pixelate
from cloudchamber.evaluate.sample import Column, Sample
from cloudchamber.evaluate.species import Feature, Species
from cloudchamber.events import Events, RunInfo
from cloudchamber.physics.acceptance import Acceptance, accepted

__all__ = ["Columns", "Comparison"]

Array = NDArray[np.float64]
_FEW = 4
"""Where whole events are needed, one in so many of the reference events of other figures is drawn."""


@dataclass(frozen=True)
class Columns:
    """One quantity of both samples.

    Attributes:
        candidate: of the candidate.
        reference: of the reference.
        shares: the share of its event that each value carries, of both; all ones by default.
    """

    candidate: Column
    reference: Column
    shares: tuple[Array | None, Array | None] = (None, None)

    def histograms(self, edges: Array) -> tuple[Histogram, Histogram]:
        """Both as histograms, candidate first.

        Args:
            edges: bins.
        """
        one, two = self.shares
        return Histogram.fill(self.candidate, edges, one), Histogram.fill(self.reference, edges, two)


@dataclass(frozen=True)
class Comparison:
    """Two samples side by side.

    Attributes:
        candidate: the events that are judged.
        reference: what to draw them against; may hold more events than are compared.
        acceptance: which particles were kept; None for all.
        evaluation: the numbers; None before they are known, when only some figures can be drawn.
    """

    candidate: Sample
    reference: Sample
    acceptance: Acceptance | None = None
    evaluation: Evaluation | None = None

    @classmethod
    def before(
        cls, candidate: Events, reference: Events, budget: Budget, acceptance: Acceptance | None = None
    ) -> "Comparison":
        """The comparison that an evaluation will make, without its numbers.

        Args:
            candidate: the events that will be given to it.
            reference: the reference that will be given to it.
            budget: the budget that will be given to it.
            acceptance: which particles to keep; all by default.

        Raises:
            InputError: if the two cannot be compared.
        """
        beams, n = comparable_beams(candidate.run, reference.run), budget.candidate_events(len(candidate))
        judged, drawn = (
            accepted(events[:most].final_state(), acceptance)
            for events, most in ((candidate, n), (reference, max(budget.figure_events, n)))
        )
        return cls(Sample(judged, beams, judged.offsets), Sample(drawn, beams, drawn.offsets), acceptance)

    @classmethod
    def of(cls, evaluation: Evaluation, candidate: Events, reference: Events) -> "Comparison":
        """The comparison behind an evaluation.

        Args:
            evaluation: its result.
            candidate: the events that were given to it.
            reference: the reference that was given to it.
        """
        return cls.before(candidate, reference, evaluation.budget, evaluation.acceptance).with_numbers(evaluation)

    def with_numbers(self, evaluation: Evaluation) -> "Comparison":
        """The same with the numbers of the evaluation.

        Args:
            evaluation: of these events.
        """
        a, b = evaluation.observables
        return replace(self, evaluation=replace(evaluation, observables=(a, b[: len(self.reference)])))

    @property
    def numbers(self) -> Evaluation:
        """The numbers, for figures that need them.

        Raises:
            ValueError: if they are not known yet.
        """
        if self.evaluation is None:
            raise ValueError("this figure needs the numbers of the evaluation")
        return self.evaluation

    @cached_property
    def few(self) -> "Comparison":
        """The same with fewer reference events, for what needs whole events."""
        most = max(len(self.candidate), len(self.reference) // _FEW)
        return replace(self, reference=self.reference[: min(most, len(self.reference))])

    @cached_property
    def derived(self) -> tuple[Derived, Derived]:
        """What is derived from whole events, of candidate and reference."""
        return Derived(self.candidate), Derived(self.reference)

    def pixelated(self, pixels: int = PIXELS) -> Sample:
        """The reference as images would hold it.

        Args:
            pixels: in each direction.
        """
        events = pixelate(self.reference.events, pixels)
        return Sample(events, self.reference.beams, events.offsets)

    def both(self, quantity: Callable[[Derived], Column]) -> Columns:
        """A derived quantity of both samples.

        Args:
            quantity: from what is derived of a sample to a column.
        """
        one, two = (quantity(derived) for derived in self.derived)
        return Columns(one, two)

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
        beams, cuts = self.reference.beams, self.reference.events.run.cuts
        text = rf"$ep$  {beams.electron:g} $\times$ {beams.hadron:g} GeV"
        text = text if cuts.q2_min is None else text + rf"   $Q^2 > {cuts.q2_min:g}$ GeV$^2$"
        return text if self.acceptance is None else text + rf"   $|\eta| < {self.acceptance.eta:g}$"

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
        if self.evaluation is None:
            return self._columns(*(one_observable(sample, key) for sample in (self.candidate, self.reference)))
        k = next(k for k, observable in enumerate(OBSERVABLES) if observable.key == key)
        a, b = self.evaluation.observables
        return self._columns(a[:, k], b[:, k])

    def _columns(self, candidate: Array, reference: Array) -> Columns:
        """One number for each event, or for the first of them."""
        found = ((self.candidate, candidate), (self.reference, reference))
        one, two = (Column.per_event(v[: len(s)], s.weight[: len(v)]) for s, v in found)
        return Columns(one, two)

    def masses(self, *kinds: PairKind) -> Columns:
        """Masses of all pairs of some kinds.

        Args:
            *kinds: which pairs.
        """
        return self.both(lambda derived: _masses(derived, kinds))


def _masses(derived: Derived, kinds: tuple[PairKind, ...]) -> Column:
    sample, found = derived.sample, [pair_masses(derived.hadrons, kind) for kind in kinds]
    values, event = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(event, kind="stable")
    offsets = np.searchsorted(event[order], np.arange(len(sample) + 1))
    return Column(values[order], offsets, sample.weight)


def _label(run: RunInfo, role: str, n: int) -> str:
    return f"{role}: {run.generator or 'unknown generator'}, {n:,} events"
