r"""The area under the ROC curve of weighted events, its error, its null distribution, and the weights of a classifier.

With scores s_i of candidate and r_j of reference events and normalised weights u_i and v_j,

    V_i = sum_j v_j (1[s_i > r_j] + 1/2 1[s_i = r_j]),    W_j = sum_i u_i (1[s_i > r_j] + 1/2 1[s_i = r_j])
    area = sum_i u_i V_i,      error^2 = sum_i u_i^2 (V_i - area)^2 + sum_j v_j^2 (W_j - area)^2

(DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837). For scores that know nothing, on events that the
classifier was not trained on, the area is that of the Mann-Whitney test: mean 1/2 and variance (1/n + 1/m) / 12 in the
limit of many events, with effective numbers of events n and m.

A classifier with output p = P(candidate | x) estimates the density ratio w = (1 - p) / p of reference over candidate;
its distribution shows where the two differ (arXiv:2305.16774): narrow about 1 where nothing differs, with a tail to
small w where the candidate has too many events, and to large w where it has too few.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.score import KnownNull, Score
from cloudchamber.evaluate.tables import effective_size

__all__ = [
    "LEVELS", "WEIGHT_EDGES", "Area", "WeightDistribution", "area_under_curve", "known_p_value", "score_of_halves",
    "weights_of",
]  # fmt: skip

Array = NDArray[np.float64]

LEVELS = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
"""Probabilities of the quantiles that are kept of a distribution of weights."""
WEIGHT_EDGES = np.linspace(-2.0, 2.0, 81)
"""Edges of the histogram of log10 w; the outermost bins hold everything beyond them."""


class Area(NamedTuple):
    """Area under the ROC curve."""

    value: float
    error: float
    null_spread: float
    """Standard deviation of the area of scores that know nothing."""


def area_under_curve(score: Array, is_candidate: NDArray[np.bool_], weight: Array | None = None) -> Area:
    """Area under the ROC curve with its error.

    Args:
        score: higher for events that look like the candidate's, shape (n,).
        is_candidate: shape (n,).
        weight: not negative, shape (n,); equal weights by default.

    >>> area_under_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])).value
    0.75
    """
    weight = np.ones(len(score)) if weight is None else weight
    (s, u), (r, v) = ((score[keep], weight[keep] / weight[keep].sum()) for keep in (is_candidate, ~is_candidate))
    above, below = _placements(s, r, v), 1 - _placements(r, s, u)
    area = min(1.0, float(u @ above))
    error = np.sqrt(u**2 @ (above - area) ** 2 + v**2 @ (below - area) ** 2)
    return Area(area, float(error), float(np.sqrt((1 / effective_size(u) + 1 / effective_size(v)) / 12)))


def _placements(of: Array, among: Array, weight: Array) -> Array:
    """Weight of another sample below each value, ties by half."""
    order = np.argsort(among)
    cumulative = np.concatenate([[0.0], np.cumsum(weight[order])])
    left, right = (cumulative[np.searchsorted(among[order], of, side)] for side in ("left", "right"))
    placements: Array = (left + right) / 2
    return placements


def known_p_value(areas: list[Area]) -> float:
    """Chance that one of several areas is at least as large if nothing differs, whatever their correlation.

    Args:
        areas: of the folds; Bonferroni's inequality combines them.
    """
    from scipy.stats import norm

    return float(min(1.0, len(areas) * min(norm.sf((a.value - 0.5) / a.null_spread) for a in areas)))


def score_of_halves(areas: list[Area], n: int) -> Score:
    """The mean area of classifiers that were trained on one half each and judged the other.

    Args:
        areas: of the halves.
        n: events of the candidate.
    """
    value = float(np.mean([a.value for a in areas]))
    error = float(np.sqrt(sum(a.error**2 for a in areas)) / len(areas))
    known = KnownNull(0.5, max(a.null_spread for a in areas), known_p_value(areas))
    return Score(value, error, n, np.array([]), 0, known=known)


class WeightDistribution(NamedTuple):
    """Distribution of w = (1 - p) / p in both samples."""

    candidate_quantiles: Array
    """At `LEVELS`."""
    reference_quantiles: Array
    candidate_histogram: Array
    """Shares of the candidate's events in the bins of log10 w, shape (80,)."""
    reference_histogram: Array


def weights_of(p: Array, is_candidate: NDArray[np.bool_], weight: Array | None = None) -> WeightDistribution:
    """The distribution of a classifier's density ratios.

    Args:
        p: probability that an event is the candidate's, judged by a classifier that was not trained on it, shape (n,).
        is_candidate: shape (n,).
        weight: event weights, shape (n,); equal by default.
    """
    weight = np.ones(len(p)) if weight is None else weight
    p = np.clip(p, 1e-9, 1 - 1e-9)
    logs = np.log10((1 - p) / p)
    parts = [(logs[keep], weight[keep] / weight[keep].sum()) for keep in (is_candidate, ~is_candidate)]
    quantiles = [10 ** np.quantile(x, LEVELS, weights=w, method="inverted_cdf") for x, w in parts]
    inside = (WEIGHT_EDGES[0] + 1e-9, WEIGHT_EDGES[-1] - 1e-9)
    histograms = [np.histogram(np.clip(x, *inside), WEIGHT_EDGES, weights=w)[0] for x, w in parts]
    return WeightDistribution(quantiles[0], quantiles[1], histograms[0], histograms[1])
