"""What the figures draw: two samples, their names, and the numbers of their evaluation.

Figures that need whole events (jets, other frames, pairs of particles) are drawn from the first few of them only:
`few` says how many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.budget import Budget
from cloudchamber.evaluate.derived import Derived
from cloudchamber.evaluate.evaluation import Evaluation, comparable_beams
from cloudchamber.evaluate.event_view import PairKind, pair_masses
from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.observables import OBSERVABLES, observable_matrix, one_observable
from cloudchamber.evaluate.pixelate import PIXELS, pixelate
from cloudchamber.evaluate.sample import Column, Sample
from cloudchamber.evaluate.species import Feature, Species
from cloudchamber.events import Events, RunInfo
from cloudchamber.physics.acceptance import Acceptance, accepted

__all__ = ["Columns", "Comparison", "Shared"]

Array = NDArray[np.float64]
_FEW = 4
"""Where whole events are needed, one in so many of the reference events of other figures is drawn."""


class Shared(NamedTuple):
    """One quantity of one sample, and the share of its event that each value carries; all ones by default."""

    column: Column
    share: Array | None = None

    def histogram(self, edges: Array) -> Histogram:
        """The quantity as a histogram.

        Args:
            edges: bins.
        """
        return Histogram.fill(self.column, edges, self.share)


@dataclass(frozen=True)
class Columns:
    """One quantity of both samples.

    Attributes:
        candidate: of the candidate.
        reference: of the reference.
        shares: the share of its event that each value carries, of both; all ones by default.
        members: of the other members of the candidate's ensemble; none by default.
        training: of what the ensemble was trained on; None where it is not known.
    """

    candidate: Column
    reference: Column
    shares: tuple[Array | None, Array | None] = (None, None)
    members: tuple[Shared, ...] = ()
    training: Shared | None = None

    @classmethod
    def of(cls, parts: Sequence[Shared], *, trained: bool = False) -> "Columns":
        """One quantity of candidate, reference, and other members, in this order.

        Args:
            parts: at least two.
            trained: whether the last of them is what the ensemble was trained on.
        """
        *others, training = parts if trained else (*parts, None)
        one, two, *members = (part for part in others if part is not None)
        return cls(one.column, two.column, (one.share, two.share), tuple(members), training)

    def joined(self, other: "Columns", join: Callable[[Column, Column], Shared]) -> "Columns":
        """A quantity made of two, sample by sample.

        Args:
            other: the second quantity, of the same samples.
            join: makes one of the two.
        """
        pairs = zip(self._columns, other._columns, strict=True)
        return Columns.of([join(one, two) for one, two in pairs], trained=self.training is not None)

    def histograms(self, edges: Array) -> tuple[Histogram, Histogram]:
        """Both as histograms, candidate first; that has the uncertainty of its model where there are members.

        Args:
            edges: bins.
        """
        one, two = self.shares
        candidate, reference = Histogram.fill(self.candidate, edges, one), Histogram.fill(self.reference, edges, two)
        if self.members:
            known = None if self.training is None else self.training.histogram(edges)
            candidate = candidate.with_members([member.histogram(edges) for member in self.members], known)
        return candidate, reference

    @property
    def _columns(self) -> tuple[Column, ...]:
        others = (*self.members, *(() if self.training is None else (self.training,)))
        return (self.candidate, self.reference, *(other.column for other in others))


@dataclass(frozen=True)
class Comparison:
    """Two samples side by side.

    Attributes:
        candidate: the events that are judged.
        reference: what to draw them against; may hold more events than are compared.
        acceptance: which particles were kept; None for all.
        evaluation: the numbers; None before they are known, when only some figures can be drawn.
        members: events of the other members of the candidate's ensemble; none by default.
        training: events that the ensemble was trained on; None where they are not known.
    """

    candidate: Sample
    reference: Sample
    acceptance: Acceptance | None = None
    evaluation: Evaluation | None = None
    members: tuple[Sample, ...] = ()
    training: Sample | None = None

    @classmethod
    def before(
        cls,
        candidate: Events,
        reference: Events,
        budget: Budget,
        acceptance: Acceptance | None = None,
        *,
        members: Sequence[Events] = (),
        training: Events | None = None,
    ) -> "Comparison":
        """The comparison that an evaluation will make, without its numbers.

        Args:
            candidate: the events that will be given to it.
            reference: the reference that will be given to it.
            budget: the budget that will be given to it.
            acceptance: which particles to keep; all by default.
            members: events of the other members of the candidate's ensemble.
            training: events that they were trained on; only bands of an ensemble look at them.

        Raises:
            InputError: if the samples cannot be compared, or a member's events are not whole.
        """
        beams, n = comparable_beams(candidate.run, reference.run), budget.candidate_events(len(candidate))
        judged, drawn = (
            accepted(events[:most].final_state(), acceptance)
            for events, most in ((candidate, n), (reference, max(budget.figure_events, n)))
        )
        others = tuple(
            Sample.of(accepted(events[:n].final_state(), acceptance), beams, f"member {number} of the ensemble")
            for number, events in enumerate(members, 1)
        )
        known = None
        if members and training is not None:
            learnt = training[: budget.training_events].final_state()
            known = Sample.of(accepted(learnt, acceptance), beams, "the training set")
        one, two = (Sample(kept, beams, kept.offsets) for kept in (judged, drawn))
        return cls(one, two, acceptance, members=others, training=known)

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
        known = None if self.training is None else self.training[: min(most, len(self.training))]
        return replace(self, reference=self.reference[: min(most, len(self.reference))], training=known)

    @cached_property
    def derived(self) -> tuple[Derived, ...]:
        """What is derived from whole events, of all samples."""
        return tuple(Derived(sample) for sample in self._samples)

    @property
    def _samples(self) -> tuple[Sample, ...]:
        return (self.candidate, self.reference, *self._others)

    @property
    def _others(self) -> tuple[Sample, ...]:
        return (*self.members, *(() if self.training is None else (self.training,)))

    def columns(self, parts: Sequence[Shared]) -> Columns:
        """One quantity of all samples.

        Args:
            parts: of candidate, reference, other members and training events, as many as there are.
        """
        return Columns.of(parts, trained=self.training is not None)

    def pixelated(self, pixels: int = PIXELS) -> Sample:
        """The reference as images would hold it.

        Args:
            pixels: in each direction.
        """
        events = pixelate(self.reference.events, pixels)
        return Sample(events, self.reference.beams, events.offsets)

    def both(self, quantity: Callable[[Derived], Column]) -> Columns:
        """A derived quantity of all samples.

        Args:
            quantity: from what is derived of a sample to a column.
        """
        return self.columns([Shared(quantity(derived)) for derived in self.derived])

    def each(self, quantity: Callable[[Sample], Column]) -> Columns:
        """A quantity of all samples.

        Args:
            quantity: from a sample to a column.
        """
        return self.columns([Shared(quantity(sample)) for sample in self._samples])

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
        return self.each(lambda sample: sample.feature(sample.particles(species), feature))

    def counts(self, species: Species) -> Columns:
        """Number of particles of a species in each event.

        Args:
            species: which particles.
        """
        return self.each(lambda sample: sample.counts(sample.particles(species)))

    def observable(self, key: str) -> Columns:
        """One event observable.

        Args:
            key: its name.
        """
        k = next(k for k, observable in enumerate(OBSERVABLES) if observable.key == key)
        others = [Shared(Column.per_event(x[:, k], s.weight)) for s, x in zip(self._others, self._known, strict=True)]
        if self.evaluation is None:
            found = [one_observable(sample, key) for sample in (self.candidate, self.reference)]
        else:
            found = [table[:, k] for table in self.evaluation.observables]
        both = zip((self.candidate, self.reference), found, strict=True)
        return self.columns([*(Shared(Column.per_event(v[: len(s)], s.weight[: len(v)])) for s, v in both), *others])

    @cached_property
    def _known(self) -> list[Array]:
        """Observables of the samples besides candidate and reference."""
        return [observable_matrix(sample) for sample in self._others]

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
