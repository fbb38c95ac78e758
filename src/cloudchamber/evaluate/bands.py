"""Spectra with all their uncertainties, where the candidate is a member of an ensemble.

In each bin the candidate should lie from the reference as far as chance allows: the statistics of both, and the
uncertainty of the model (`figures.histogram`). A band that is honest holds the reference in 68 % of the bins; without
the model's part it holds fewer, unless the model is better than the statistics can see.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.comparison import Columns, Comparison
from cloudchamber.evaluate.figures.histogram import Histogram, integer_edges, quantile_edges
from cloudchamber.evaluate.figures.panels import FEWEST_ENTRIES
from cloudchamber.evaluate.observables import OBSERVABLES
from cloudchamber.evaluate.species import FEATURES, SPECIES

__all__ = ["Band", "Coverage", "bands", "coverage"]

Array = NDArray[np.float64]

_BINS = 30
_FEWEST_DRAWN = 1000
"""Species with fewer particles in the candidate than this are left out: their bins would hold a few each."""


@dataclass(frozen=True)
class Coverage:
    """How often the reference is within one standard deviation.

    Attributes:
        bins: with enough entries to be counted.
        statistics: share of them that the statistical uncertainties of both samples cover.
        total: share that these cover together with the model's uncertainty.
    """

    bins: int
    statistics: float
    total: float


@dataclass(frozen=True)
class Band:
    """One spectrum.

    Attributes:
        species: key of the species; None for an observable of the event.
        quantity: what was counted.
        candidate: with the uncertainty of the model.
        reference: with the same bins.
    """

    species: str | None
    quantity: str
    candidate: Histogram
    reference: Histogram

    @property
    def coverage(self) -> Coverage:
        """Coverage of its bins."""
        return coverage([self])


def bands(comparison: Comparison) -> tuple[Band, ...]:
    """Spectra of every species and of all event observables.

    Args:
        comparison: with other members of the candidate's ensemble.
    """
    found = []
    for species in SPECIES:
        if not species.scattered:
            columns = comparison.counts(species)
            if columns.candidate.values.sum() < _FEWEST_DRAWN:
                continue
            found.append(_band(species.key, "number", columns, integer_edges(columns.reference.values)))
        for feature in FEATURES:
            if not (species.scattered and feature.trivial_for_electron):
                columns = comparison.feature(species, feature)
                edges = np.linspace(-np.pi, np.pi, _BINS + 1) if feature.circular else _edges(columns)
                found.append(_band(species.key, feature.key, columns, edges))
    for observable in OBSERVABLES:
        columns = comparison.observable(observable.key)
        whole = observable.resolution == 1.0 and float(columns.reference.values.min(initial=0.0)) >= 0
        edges = integer_edges(columns.reference.values) if whole else _edges(columns)
        found.append(_band(None, observable.key, columns, edges))
    return tuple(found)


def coverage(found: list[Band] | tuple[Band, ...]) -> Coverage:
    """Coverage of the bins of several spectra together; bins that hold too few events to tell are not counted.

    Args:
        found: the spectra.
    """
    total = np.concatenate([[], *(b.candidate.pulls(b.reference, FEWEST_ENTRIES) for b in found)])
    bare = np.concatenate([[], *(replace(b.candidate, model=None).pulls(b.reference, FEWEST_ENTRIES) for b in found)])
    kept = np.isfinite(bare)
    if not kept.any():
        return Coverage(0, 0.0, 0.0)
    share = [float((np.abs(pulls[kept]) <= 1).mean()) for pulls in (bare, total)]
    return Coverage(int(kept.sum()), *share)


def _band(species: str | None, quantity: str, columns: Columns, edges: Array) -> Band:
    candidate, reference = columns.histograms(edges)
    return Band(species, quantity, candidate, reference)


def _edges(columns: Columns) -> Array:
    values = columns.reference.values
    return quantile_edges(values[np.isfinite(values)], _BINS, tail=1e-3)
