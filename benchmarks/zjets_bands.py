"""Spectra of draws of a Bayesian model with their bands, as `zjets.py bands` measures and docs/zjets.md shows them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.sample import Column
from cloudchamber.evaluate.zjets.figures import JetTables
from cloudchamber.evaluate.zjets.quantities import quantities, quantity_table
from cloudchamber.events import Events

__all__ = ["BANDS", "FEWEST", "MeasuredDraws", "measure_draws"]

Array = NDArray[np.float64]
BANDS = "bands"
FEWEST = 400
"""Events that Pythia8 leads one to expect among those of all draws, in a bin whose pull counts."""


@dataclass(frozen=True)
class MeasuredDraws:
    """Quantities of events of each draw, of the training sample and of Pythia8.

    Attributes:
        jets: how many.
        draws: shape (draws, n, quantities).
        training: shape (m, quantities).
        truth: shape (k, quantities).
    """

    jets: int
    draws: Array
    training: Array
    truth: Array

    def save(self, path: Path) -> None:
        """Write all.

        Args:
            path: of an .npz file.
        """
        arrays = {name: getattr(self, name).astype(np.float32) for name in ("draws", "training", "truth")}
        np.savez_compressed(path, jets=self.jets, **arrays)

    @classmethod
    def read(cls, path: Path) -> "MeasuredDraws":
        """What `save` wrote.

        Args:
            path: of the file.
        """
        with np.load(path) as file:
            arrays = (file[name].astype(np.float64) for name in ("draws", "training", "truth"))
            return cls(int(file["jets"]), *arrays)

    def bands(self, *, shared: bool = True) -> dict[str, Histogram]:
        """The mean of the draws with its band, by quantity.

        Args:
            shared: add the error that all draws share, as the training sample shows it.
        """
        found = {}
        for k, quantity in enumerate(quantities(self.jets)):
            edges = quantity.edges(self.truth[:, k])
            first, *rest = (_filled(draw[:, k], edges) for draw in self.draws)
            learnt = _filled(self.training[:, k], edges) if shared else None
            band = first.with_members(rest, learnt).model
            found[quantity.key] = replace(_filled(self.draws[..., k].ravel(), edges), model=band)
        return found

    def width(self, *, shared: bool = True, band: bool = True) -> float:
        """Root mean square of the pulls of all bins with enough events.

        Args:
            shared: see `bands`.
            band: whether the model's uncertainty counts beside the statistical one.
        """
        pulls = []
        for k, (quantity, made) in enumerate(
            zip(quantities(self.jets), self.bands(shared=shared).values(), strict=True)
        ):
            truth = _filled(self.truth[:, k], quantity.edges(self.truth[:, k]))
            pulls.append((made if band else replace(made, model=None)).pulls(truth, FEWEST))
        return float(np.sqrt(np.nanmean(np.concatenate(pulls) ** 2)))

    def tables(self, name: str) -> JetTables:
        """What figures draw.

        Args:
            name: of the model.
        """
        pooled = self.draws.reshape(-1, self.draws.shape[-1])
        reference, candidate = ((x, np.ones(len(x))) for x in (self.truth, pooled))
        return JetTables(self.jets, reference, {name: candidate}, known="Pythia8", bands=self.bands())


def measure_draws(draws: Sequence[Events], training: Events, truth: Events, jets: int) -> MeasuredDraws:
    """Quantities of samples.

    Args:
        draws: events of each draw.
        training: what the model was trained on, with so many jets.
        truth: events of Pythia8 with so many jets.
        jets: how many.
    """
    made = np.stack([quantity_table(events, jets) for events in draws])
    return MeasuredDraws(jets, made, quantity_table(training, jets), quantity_table(truth, jets))


def _filled(values: Array, edges: Array) -> Histogram:
    return Histogram.fill(Column.per_event(values, np.ones(len(values))), edges)
