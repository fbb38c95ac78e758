r"""One verdict, corrected for the number of tests.

Every test with a distribution under the null hypothesis gives a p-value: the largest one-dimensional distance, the
conservation laws, both classifiers, and each multivariate number. Holm's step-down procedure (Scand. J. Stat. 6 (1979)
65) corrects m p-values p_(1) <= ... <= p_(m), whatever their correlations:

    q_(i) = max_{j <= i} min(1, (m - j + 1) p_(j))

The samples can be told apart where the smallest q is below 5 %; the tests with such a q are the reasons.

The largest distance is one test, however many distances there are, because the same maximum is taken for each
truth-truth pair as for the candidate:

    T = log max_m r_m,   r_m = W1_m / (mean of W1_m over the other pairs)

A conservation law holds exactly in the reference: an observable has one value in all N events. If k of n events of the
candidate differ from it, the chance that all k are among the n is (n)_k / (n + N)_k with falling factorials.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.score import MIN_PAIRS, Score, prediction_p_value

__all__ = [
    "SIGNIFICANCE", "Finding", "JudgedFinding", "Scored", "Verdict", "conservation_test", "distance_test", "judge",
    "largest_distances",
]  # fmt: skip

Array = NDArray[np.float64]

SIGNIFICANCE = 0.05
"""Below this p-value the samples count as distinguishable."""
_LISTED = 5


class Scored(Protocol):
    """A measurement that may have a score."""

    @property
    def species(self) -> str | None:
        """Key of the species; None for an event observable."""

    @property
    def quantity(self) -> str:
        """Key of the feature or observable."""

    @property
    def score(self) -> Score | None:
        """Value, error and floor."""


@dataclass(frozen=True)
class Finding:
    """A test of the hypothesis that both samples have one distribution.

    Attributes:
        name: what is tested.
        p_value: not corrected for other tests.
        reason: what was found, in words.
    """

    name: str
    p_value: float
    reason: str


@dataclass(frozen=True)
class JudgedFinding(Finding):
    """A test among others.

    Attributes:
        corrected: p-value corrected for the number of tests.
    """

    corrected: float

    @property
    def rejected(self) -> bool:
        """Whether this test tells the samples apart."""
        return self.corrected < SIGNIFICANCE


@dataclass(frozen=True)
class Verdict:
    """The conclusion of an evaluation.

    Attributes:
        indistinguishable: whether nothing tells the samples apart at this n; None if not decidable.
        p_value: corrected for the number of tests.
        sentence: the conclusion in one sentence.
        reasons: the tests that tell the samples apart, then what stands out, the worst first.
        tests: all tests, the smallest p-value first.
    """

    indistinguishable: bool | None
    p_value: float | None
    sentence: str
    reasons: tuple[str, ...]
    tests: tuple[JudgedFinding, ...] = ()


def judge(tests: Sequence[Finding | None], n: int, notes: Sequence[str] = (), what: str = "events") -> Verdict:
    """Conclude.

    Args:
        tests: all tests; None for one that has no p-value.
        n: events that were judged.
        notes: what stands out besides.
        what: what was judged.
    """
    judged = _holm([test for test in tests if test is not None])
    at = f"At n = {n:,} {what}"
    if not judged:
        sentence = f"{at} there is no verdict: the reference is too small for truth-truth pairs."
        return Verdict(None, None, sentence, tuple(notes))
    p_value, failed = judged[0].corrected, [test for test in judged if test.rejected]
    corrected = f"corrected for {len(judged)} tests"
    if failed:
        chance = f"p = {p_value:.1g}" if p_value >= 1e-4 else "p < 0.0001"
        sentence = f"{at} the sample can be told from the reference ({chance}, {corrected})."
    else:
        sentence = f"{at} nothing tells the sample from the reference (p = {p_value:.2f}, {corrected})."
    reasons = (*(f"{test.name}: {test.reason}" for test in failed), *notes)
    return Verdict(not failed, p_value, sentence, reasons, judged)


def _holm(tests: Sequence[Finding]) -> tuple[JudgedFinding, ...]:
    ordered = sorted(tests, key=lambda test: test.p_value)
    steps = [min(1.0, (len(ordered) - j) * test.p_value) for j, test in enumerate(ordered)]
    corrected = accumulate(steps, max)
    return tuple(JudgedFinding(t.name, t.p_value, t.reason, q) for t, q in zip(ordered, corrected, strict=True))


def conservation_test(reference: Array, candidate: Array, names: Sequence[str]) -> Finding | None:
    """Whether what never varies in the reference varies in the candidate.

    Args:
        reference: observables of shape (N, d).
        candidate: observables of shape (n, d).
        names: of the observables.

    Returns:
        None where every observable varies in the reference.
    """
    from scipy.special import gammaln

    fixed = np.flatnonzero(np.ptp(reference, axis=0) == 0)
    if not len(fixed):
        return None
    n, both = len(candidate), len(candidate) + len(reference)
    broken = (candidate[:, fixed] != reference[0, fixed]).sum(axis=0)
    logs = gammaln(n + 1) - gammaln(n - broken + 1) - gammaln(both + 1) + gammaln(both - broken + 1)
    p_value = min(1.0, len(fixed) * float(np.exp(logs.min())))
    numbers = zip(fixed.tolist(), broken.tolist(), strict=True)
    found = [f"{names[k]} in {number:,} events" for k, number in numbers if number]
    return Finding("conservation laws", p_value, f"not as in the reference: {', '.join(found) or 'none'}")


def distance_test(measurements: Sequence[Scored], n_pairs: int, what: str = "W1") -> Finding | None:
    """The largest of all one-dimensional distances in units of its floor.

    Args:
        measurements: Wasserstein distances.
        n_pairs: truth-truth pairs that a distance must have to be counted.
        what: what the distances are.

    Returns:
        None with fewer than three pairs.
    """
    whole = [m for m in measurements if m.score and m.score.ratio and m.score.n_pairs == n_pairs]
    if n_pairs < MIN_PAIRS or not whole:
        return None
    pairs = np.stack([m.score.pairs for m in whole if m.score])
    worst = max(whole, key=_ratio)
    p_value = prediction_p_value(float(np.log(_ratio(worst))), np.log(_against_others(pairs).max(axis=0)))
    return None if p_value is None else Finding("one-dimensional distances", p_value, _text(worst, what))


def _against_others(pairs: Array) -> Array:
    others = (pairs.sum(axis=1, keepdims=True) - pairs) / (pairs.shape[1] - 1)
    ratios: Array = pairs / np.maximum(others, np.finfo(float).tiny)
    return ratios


def largest_distances(measurements: Sequence[Scored], what: str = "W1") -> tuple[str, ...]:
    """The five largest distances in units of their floors, in words.

    Args:
        measurements: Wasserstein distances, or others.
        what: what the distances are.
    """
    ranked = sorted((m for m in measurements if m.score and m.score.ratio), key=_ratio, reverse=True)
    return tuple(_text(m, what) for m in ranked[:_LISTED])


def _ratio(m: Scored) -> float:
    return (m.score and m.score.ratio) or 0.0


def _text(m: Scored, what: str) -> str:
    name = m.quantity if m.species is None else f"{m.quantity} of {m.species}"
    return f"{what} of {name} is {_ratio(m):.1f} times its floor"
