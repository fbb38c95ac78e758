"""What the figures of showers draw: two samples, their observables and names, and the numbers of their evaluation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.comparison import Columns
from cloudchamber.evaluate.sample import Column
from cloudchamber.evaluate.showers.evaluation import ShowerEvaluation
from cloudchamber.evaluate.showers.observables import quantities, shower_table
from cloudchamber.events import Showers

__all__ = ["ShowerComparison"]

Array = NDArray[np.float64]
_RANGES = 3


@dataclass(frozen=True)
class ShowerComparison:
    """Two samples of showers side by side.

    Attributes:
        candidate: the showers that are judged.
        reference: what to draw them against.
        numbers: of their evaluation.
    """

    candidate: Showers
    reference: Showers
    numbers: ShowerEvaluation

    @property
    def labels(self) -> tuple[str, str]:
        """Names of candidate and reference for legends."""
        return (
            f"candidate, {len(self.candidate):,} showers",
            f"{self.reference.run.generator or 'reference'}, {len(self.reference):,} showers",
        )

    @property
    def title(self) -> str:
        """Data set and incident energies."""
        low, high = (f"{e / 1e3:.3g}" for e in (self._energies.min(), self._energies.max()))
        energies = f"{low} GeV" if low == high else f"{low} to {high} GeV"
        name = self.reference.geometry.name
        return f"data set {name}, {energies}" if name else energies

    @property
    def members(self) -> tuple[()]:
        """No other members of an ensemble."""
        return ()

    @property
    def training(self) -> None:
        """No training sample of an ensemble."""
        return

    @property
    def _energies(self) -> Array:
        return self.reference.incident_energy

    @cached_property
    def tables(self) -> tuple[Array, Array]:
        """Observables of candidate and reference, in the order of `quantities`."""
        return shower_table(self.candidate).x, shower_table(self.reference).x

    @cached_property
    def keys(self) -> list[str]:
        """Names of the observables."""
        return [q.key for q in quantities(len(self.reference.geometry.layers))]

    def observable(self, key: str) -> Columns:
        """One observable of both samples.

        Args:
            key: its name.
        """
        k = self.keys.index(key)
        one, two = (Column.per_event(x[:, k], np.ones(len(x))) for x in self.tables)
        return Columns(one, two)

    def hits(self, quantity: Callable[[Showers], Array], share: Callable[[Showers], Array] | None = None) -> Columns:
        """A quantity of every hit of both samples.

        Args:
            quantity: one value for each hit.
            share: what each hit counts; one by default.
        """
        samples = (self.candidate, self.reference)
        one, two = (Column(quantity(s), s.offsets, np.ones(len(s))) for s in samples)
        return Columns(one, two) if share is None else Columns(one, two, (share(samples[0]), share(samples[1])))

    def ranges(self) -> list[tuple[str, "ShowerComparison"]]:
        """Three ranges of the incident energy with about as many showers each, with their names."""
        edges = np.quantile(self._energies, np.linspace(0, 1, _RANGES + 1))
        if edges[0] == edges[-1]:
            return [(f"{edges[0] / 1e3:.3g} GeV", self)]
        found = []
        for low, high in pairwise(edges.tolist()):
            one, two = (_between(s, low, high) for s in (self.candidate, self.reference))
            if min(len(one), len(two)) > 0:
                name = f"{low / 1e3:.2g} to {high / 1e3:.2g} GeV"
                found.append((name, ShowerComparison(one, two, self.numbers)))
        return found


def _between(showers: Showers, low: float, high: float) -> Showers:
    """Showers of a range of incident energies."""
    keep = (showers.incident_energy >= low) & (showers.incident_energy <= high)
    hit = keep[showers.row]
    cells = type(showers.cells)(*(column[hit] for column in showers.cells))
    return Showers(showers.incident_energy[keep], showers.counts[keep], cells, showers.energy[hit], showers.geometry,
                   showers.run)  # fmt: skip
