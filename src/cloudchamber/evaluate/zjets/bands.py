"""Spectra of muons and jets with the uncertainty of the model, where the candidate is a member of an ensemble."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.bands import Band
from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.sample import Column
from cloudchamber.evaluate.zjets.evaluation import JetNumbers, of_one_multiplicity
from cloudchamber.evaluate.zjets.quantities import quantities, quantity_table
from cloudchamber.events import Events

__all__ = ["band_key", "jet_bands"]

Array = NDArray[np.float64]


def band_key(jets: int) -> str:
    """What stands in the place of a species.

    Args:
        jets: of the events.
    """
    return f"{jets}j"


def jet_bands(numbers: Sequence[JetNumbers], members: Sequence[Events], training: Events | None) -> tuple[Band, ...]:
    """Bands of all spectra that were compared, where every sample has events with so many jets.

    Args:
        numbers: of candidate and reference.
        members: events of the other members of the candidate's ensemble, at least two.
        training: events that all were trained on; None where they are not known.
    """
    found = []
    for one in numbers:
        others = [_table(events, one.jets) for events in members]
        known = None if training is None else _table(training, one.jets)
        if not all(len(weight) for _, weight in (*others, *(() if known is None else (known,)))):
            continue
        candidate = one.tables[0][one.plan.candidate], one.weights[0][one.plan.candidate]
        reference = one.tables[1][one.plan.reference], one.weights[1][one.plan.reference]
        for k, quantity in enumerate(quantities(one.jets)):
            edges = quantity.edges(reference[0][:, k])
            made, true, *rest = (_histogram(sample, k, edges) for sample in (candidate, reference, *others))
            learnt = None if known is None else _histogram(known, k, edges)
            found.append(Band(band_key(one.jets), quantity.key, made.with_members(rest, learnt), true))
    return tuple(found)


def _table(events: Events, jets: int) -> tuple[Array, Array]:
    """Quantities and weights of the events with so many jets."""
    chosen = of_one_multiplicity(events, jets)
    if not len(chosen):
        return np.empty((0, len(quantities(jets)))), np.empty(0)
    return quantity_table(chosen, jets), chosen.weight


def _histogram(sample: tuple[Array, Array], column: int, edges: Array) -> Histogram:
    values, weight = sample
    return Histogram.fill(Column.per_event(values[:, column], weight), edges)
