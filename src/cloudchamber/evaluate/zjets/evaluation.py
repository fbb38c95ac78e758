r"""Muons and jets compared with a reference, by number of jets: every number beside its floor, and one verdict.

Spectra are judged bin by bin, where the reference has enough events. With the ratio r of candidate to reference and its
statistical error s,

    deviation d = r - 1,        excess e = |d| / sqrt(0.02^2 + s^2)

so that e < 1 everywhere is a spectrum within 2 %. The floor of the worst excess is its mean over truth-truth pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from cloudchamber.errors import InputError
from cloudchamber.evaluate.budget import FEWEST_EVENTS, Budget
from cloudchamber.evaluate.classifier import ClassifierTest, classifier_score
from cloudchamber.evaluate.distances import wasserstein_score
from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.progress import Progress, part, silent
from cloudchamber.evaluate.sample import Column
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.tables import Table
from cloudchamber.evaluate.verdict import Finding, Verdict, judge
from cloudchamber.evaluate.zjets.peak import Peak, fit_peak
from cloudchamber.evaluate.zjets.quantities import Quantity, quantities, quantity_table
from cloudchamber.events import Events, RunInfo
from cloudchamber.physics.zjets import MOST_JETS, R_MIN, JetEvents, closest_pair, faults

__all__ = ["Bin", "JetNumbers", "Spectrum", "ZJetsEvaluation", "evaluate_zjets", "of_one_multiplicity"]

Array = NDArray[np.float64]
_TOLERANCE = 0.02
_FEWEST_IN_BIN, _FEWEST_OF_FEW, _MANY = 2_000, 200, 100_000
"""Events in a bin that is judged, of at least so many in all, and of fewer."""
_LISTED = 3
_TURN_ON = 1.0
"""Delta R up to which the cut turns on."""


@dataclass(frozen=True)
class Bin:
    """The worst bin of a spectrum.

    Attributes:
        low: lower edge.
        high: upper edge.
        deviation: ratio to the reference less one.
        error: its statistical error.
        excess: size of the deviation in units of 2 % and the error, in quadrature.
    """

    low: float
    high: float
    deviation: float
    error: float
    excess: float


@dataclass(frozen=True)
class Spectrum:
    """One quantity of events with one number of jets.

    Attributes:
        quantity: which.
        score: Wasserstein distance with its floor.
        bins: number of bins with enough events.
        within: of these, how many are within 2 % and the statistical error.
        worst: of these, the one of largest excess; None without any.
        excess_floor: mean of the worst excess over truth-truth pairs; None without pairs.
    """

    quantity: Quantity
    score: Score | None
    bins: int
    within: int
    worst: Bin | None
    excess_floor: float | None


@dataclass(frozen=True)
class JetNumbers:
    """All numbers of one number of jets.

    Attributes:
        jets: how many.
        plan: which events were compared.
        fewest: events in a bin that is judged.
        spectra: one for each quantity.
        classifier: boosted trees on all quantities.
        peaks: the Z peak of candidate and reference; None with too few events.
        close: share of events with two jets within Delta R = 0.4, of candidate and reference.
        turn_on: worst bin of Delta R between two jets up to 1; None with one jet.
        tables: quantities of candidate and reference, shapes (n, quantities).
        weights: of candidate and reference.
    """

    jets: int
    plan: Plan
    fewest: int
    spectra: tuple[Spectrum, ...]
    classifier: ClassifierTest
    peaks: tuple[Peak | None, Peak | None]
    close: tuple[float, float]
    turn_on: Bin | None
    tables: tuple[Array, Array]
    weights: tuple[Array, Array]

    @property
    def worst(self) -> Spectrum | None:
        """The spectrum with the bin of largest excess."""
        judged = [s for s in self.spectra if s.worst is not None]
        return max(judged, key=lambda s: s.worst.excess if s.worst else 0.0, default=None)


@dataclass(frozen=True)
class ZJetsEvaluation:
    """All numbers of one comparison.

    Attributes:
        budget: how much work was allowed.
        candidate: metadata of the candidate.
        reference: metadata of the reference.
        numbers: for each number of jets that both samples have enough of.
        shares: of events with one, two and three jets, of candidate and reference.
        faulty: share of the candidate's events that are no muons and separated jets in order above the cut.
        verdict: the one conclusion.
    """

    budget: Budget
    candidate: RunInfo
    reference: RunInfo
    numbers: tuple[JetNumbers, ...]
    shares: tuple[tuple[float, ...], tuple[float, ...]]
    faulty: float
    verdict: Verdict


def evaluate_zjets(
    candidate: Events, reference: Events, budget: str | Budget = "standard", progress: Progress = silent
) -> ZJetsEvaluation:
    """Compare muons and jets with a reference.

    Args:
        candidate: the events to judge.
        reference: events of the same protons and cuts; best 21 times as many of each number of jets.
        budget: quick, standard or full; its events are those of each number of jets.
        progress: told of every step.

    Raises:
        InputError: if the two cannot be compared, or hold too few events.
    """
    budget = Budget.named(budget) if isinstance(budget, str) else budget
    _require_comparable(candidate, reference)
    found = [
        _Pair(n, of_one_multiplicity(candidate, n), of_one_multiplicity(reference, n)) for n in range(1, 1 + MOST_JETS)
    ]
    enough = [pair for pair in found if min(len(pair.candidate), len(pair.reference)) >= FEWEST_EVENTS]
    if not enough:
        raise InputError(f"evaluate needs at least {FEWEST_EVENTS:,} events of one number of jets on either side.")
    numbers = tuple(
        _compare(pair, budget, part(progress, k / len(enough), (k + 1) / len(enough))) for k, pair in enumerate(enough)
    )
    shares = (
        tuple(len(pair.candidate) / len(candidate) for pair in found),
        tuple(len(pair.reference) / len(reference) for pair in found),
    )
    tests = [test for one in numbers for test in _tests(one)]
    verdict = judge(tests, sum(int(one.plan.candidate.stop) for one in numbers), _notes(numbers))
    return ZJetsEvaluation(budget, candidate.run, reference.run, numbers, shares,
                           float(faults(candidate).mean()), verdict)  # fmt: skip


def of_one_multiplicity(events: Events, jets: int) -> Events:
    """The events with so many jets.

    Args:
        events: muons and jets.
        jets: how many.
    """
    return events[np.flatnonzero(events.counts == 2 + jets)]


def _require_comparable(candidate: Events, reference: Events) -> None:
    one, two = candidate.run.protons, reference.run.protons
    if one is not None and two is not None and one != two:
        raise InputError(
            f"the candidate has protons of {one.energy:g} GeV and the reference of {two.energy:g} GeV; give samples of "
            "the same beams."
        )
    for events, name in ((candidate, "the candidate"), (reference, "the reference")):
        for column in ("px", "py", "pz", "mass"):
            if not np.isfinite(events.flat(column)).all():
                raise InputError(f"{name} has a {column} that is not a finite number; remove or remake the event.")
        if not (np.isfinite(events.weight).all() and (events.weight >= 0).all() and events.weight.sum() > 0):
            raise InputError(f"{name} has event weights that are negative or not finite.")


class _Pair(NamedTuple):
    """Events of one number of jets."""

    jets: int
    candidate: Events
    reference: Events


def _compare(pair: _Pair, budget: Budget, progress: Progress) -> JetNumbers:
    jets, n = pair.jets, budget.candidate_events(len(pair.candidate))
    a, b = pair.candidate[:n], pair.reference[: budget.reference_events(n)]
    plan = Plan.make(len(a), len(b), budget.pairs)
    one, two = (Table(quantity_table(events, jets), events.weight) for events in (a, b))
    work = _Work(one, two, plan, budget.bootstraps, _fewest(int(plan.reference.stop)))
    known = quantities(jets)
    spectra = []
    for k, quantity in enumerate(known):
        progress(f"spectra, {jets} jets", 0.5 * k / len(known))
        spectra.append(_spectrum(work, quantity, k))
    test = classifier_score(two, one, plan, pairs=budget.classifier_pairs, progress=part(progress, 0.5, 1.0))
    mass = [quantity.key for quantity in known].index("m_Z")
    peaks = [fit_peak(table.x[:, mass], table.weight) for table in (one[plan.candidate], two[plan.reference])]
    close = _close(a[plan.candidate]), _close(b[plan.reference])
    return JetNumbers(
        jets, plan, work.fewest, tuple(spectra), test, (peaks[0], peaks[1]), close, _turn_on(work, known),
        (one.x, two.x), (one.weight, two.weight),
    )  # fmt: skip


def _fewest(n: int) -> int:
    """Events that a bin must have to be judged, of so many in all."""
    return _FEWEST_IN_BIN if n >= _MANY else _FEWEST_OF_FEW


class _Work(NamedTuple):
    """Quantities of candidate and reference, and how to compare them."""

    candidate: Table
    reference: Table
    plan: Plan
    bootstraps: int
    fewest: int


def _spectrum(work: _Work, quantity: Quantity, k: int) -> Spectrum:
    candidate, reference = (Column.per_event(t.x[:, k], t.weight) for t in (work.candidate, work.reference))
    plan = work.plan
    score = wasserstein_score(reference, candidate, plan, circular=quantity.circular, bootstraps=work.bootstraps)
    edges = quantity.edges(reference.values)
    found = _bins(candidate[plan.candidate], reference[plan.reference], edges, work.fewest)
    worst = max(found, key=lambda one: one.excess, default=None)
    floors = [_bins(reference[one], reference[two], edges, work.fewest) for one, two in plan.pairs]
    excess = [max(one.excess for one in bins) for bins in floors if bins]
    within = sum(one.excess <= 1 for one in found)
    return Spectrum(quantity, score, len(found), within, worst, float(np.mean(excess)) if excess else None)


def _bins(candidate: Column, reference: Column, edges: Array, fewest: float) -> list[Bin]:
    """All bins in which the reference has enough events."""
    one, two = (Histogram.fill(column, edges) for column in (candidate, reference))
    found = []
    for k in np.flatnonzero(two.entries >= fewest):
        ratio = one.density[k] / two.density[k]
        # of a candidate that is the reference, since an empty bin knows no error
        error = float(two.error[k] / two.density[k] * np.sqrt(1 + two.events / one.events))
        deviation = float(ratio - 1)
        excess = abs(deviation) / float(np.hypot(_TOLERANCE, error))
        found.append(Bin(float(edges[k]), float(edges[k + 1]), deviation, error, excess))
    return found


def _turn_on(work: _Work, known: Sequence[Quantity]) -> Bin | None:
    """The worst bin of Delta R of any two jets between the cut and 1."""
    edges = np.arange(R_MIN, _TURN_ON + 0.05, 0.1).round(1)
    one, two = work.candidate[work.plan.candidate], work.reference[work.plan.reference]
    found = []
    for k, quantity in enumerate(known):
        if quantity.key.startswith("dR_j"):
            candidate, reference = (Column.per_event(table.x[:, k], table.weight) for table in (one, two))
            found += _bins(candidate, reference, edges, _FEWEST_OF_FEW)
    return max(found, key=lambda one: abs(one.deviation), default=None)


def _close(events: Events) -> float:
    close = closest_pair(JetEvents.of(events)) < R_MIN - 1e-6
    return float(events.weight @ close / events.weight.sum())


def _tests(one: JetNumbers) -> list[Finding | None]:
    score, name = one.classifier.score, f"boosted trees, {one.jets} {_plural(one.jets)}"
    floor = "" if score.floor is None else f"; truth against truth {score.floor:.4f}"
    text = f"AUC {score.value:.4f} ± {score.error:.4f}{floor}"
    found: list[Finding | None] = [None if score.p_value is None else Finding(name, score.p_value, text)]
    if one.close[0] > one.close[1]:
        n, m = int(one.plan.candidate.stop), int(one.plan.reference.stop)
        number, known = round(one.close[0] * n), round(one.close[1] * m)
        # Fisher's exact test: of all close pairs, so many or more among the candidate's events
        chance = float(hypergeom.sf(number - 1, n + m, number + known, n))
        found.append(Finding(f"jets closer than {R_MIN:g}, {one.jets} jets", chance,
                             f"{number:,} events of {n:,}; {known:,} of {m:,} in the reference"))  # fmt: skip
    return found


def _notes(numbers: Sequence[JetNumbers]) -> list[str]:
    notes = []
    for one in numbers:
        judged = sorted(((s.quantity, s.worst) for s in one.spectra if s.worst), key=lambda pair: -pair[1].excess)
        for quantity, worst in judged[:_LISTED]:
            if worst.excess > 1:
                size = f"{100 * worst.deviation:+.1f} ± {100 * worst.error:.1f} %"
                where = f"{worst.low:.3g} to {worst.high:.3g} {quantity.unit}".rstrip()
                notes.append(f"{one.jets} {_plural(one.jets)}: {quantity.key} is {size} at {where}")
    return notes


def _plural(jets: int) -> str:
    return "jet" if jets == 1 else "jets"
