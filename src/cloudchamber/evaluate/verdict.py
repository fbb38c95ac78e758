r"""One verdict, corrected for the number of tests.

Two statistics are judged, each against what truth-truth pairs give:

    T1 = area under the classifier's ROC curve
    T2 = log max_m r_m,   r_m = W1_m / (mean of W1_m over the other pairs)

The maximum over all distances m is taken for each pair as it is for the candidate, so that the number of
distances and their correlations need no further correction. Each gets a p-value from the prediction interval of
a Gaussian draw; the two are combined as p = min(1, 2 min(p1, p2)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.pairs import Plan
from cloudchamber.evaluate.score import MIN_PAIRS, Score, prediction_p_value

__all__ = ["SIGNIFICANCE", "Scored", "Verdict", "judge"]

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
class Verdict:
    """The conclusion of an evaluation.

    Attributes:
        indistinguishable: whether nothing tells the samples apart at this n; None if not decidable.
        p_value: corrected for the number of tests.
        sentence: the conclusion in one sentence.
        reasons: what stands out, the worst first.
    """

    indistinguishable: bool | None
    p_value: float | None
    sentence: str
    reasons: tuple[str, ...]


def judge(measurements: Sequence[Scored], area: Score, plan: Plan) -> Verdict:
    """Conclude.

    Args:
        measurements: all Wasserstein distances.
        area: the classifier's area under the curve.
        plan: which events were compared.
    """
    ranked = sorted((m for m in measurements if m.score and m.score.ratio), key=_ratio, reverse=True)
    broken = [m for m in measurements if m.score and m.score.floor == 0 and m.score.value > 0]
    reasons = (_area_text(area), *map(_broken_text, broken), *map(_text, ranked[:_LISTED]))
    p_value = 0.0 if broken else _combined(area.p_value, _largest_p_value(ranked, len(plan.pairs)))
    at = f"At n = {plan.candidate.stop:,} events"
    if p_value is None:
        return Verdict(
            None,
            None,
            f"{at} there is no verdict: the reference is too small for truth-truth pairs.",
            reasons,
        )
    if p_value >= SIGNIFICANCE:
        sentence = f"{at} nothing tells the sample from the reference (p = {p_value:.2f}, corrected for all tests)."
    else:
        chance = f"p = {p_value:.1g}" if p_value >= 1e-4 else "p < 0.0001"
        sentence = f"{at} the sample can be told from the reference ({chance}, corrected for all tests)."
    return Verdict(p_value >= SIGNIFICANCE, p_value, sentence, reasons)


def _ratio(m: Scored) -> float:
    return (m.score and m.score.ratio) or 0.0


def _largest_p_value(ranked: Sequence[Scored], n_pairs: int) -> float | None:
    whole = [m.score for m in ranked if m.score and m.score.n_pairs == n_pairs]
    if n_pairs < MIN_PAIRS or not whole:
        return None
    pairs = np.stack([score.pairs for score in whole])
    value = max(score.ratio or 0.0 for score in whole)
    return prediction_p_value(float(np.log(value)), np.log(_against_others(pairs).max(axis=0)))


def _against_others(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    others = (pairs.sum(axis=1, keepdims=True) - pairs) / (pairs.shape[1] - 1)
    ratios: NDArray[np.float64] = pairs / np.maximum(others, np.finfo(float).tiny)
    return ratios


def _combined(*p_values: float | None) -> float | None:
    known = [p for p in p_values if p is not None]
    return min(1.0, len(known) * min(known)) if known else None


def _area_text(area: Score) -> str:
    floor = "" if area.floor is None else f"; truth against truth {area.floor:.4f} ± {area.floor_spread or 0.0:.4f}"
    return f"classifier AUC {area.value:.4f} ± {area.error:.4f}{floor}"


def _name(m: Scored) -> str:
    return m.quantity if m.species is None else f"{m.quantity} of {m.species}"


def _text(m: Scored) -> str:
    return f"W1 of {_name(m)} is {_ratio(m):.1f} times its floor"


def _broken_text(m: Scored) -> str:
    return f"{_name(m)} is not conserved as in the reference"
