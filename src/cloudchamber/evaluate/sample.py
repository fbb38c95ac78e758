"""A sample as flat columns, checked once, and its particles by species.

Event k owns the particles offsets[k] to offsets[k + 1]; the first of them is the scattered electron. Columns
stay in the precision of the file; whatever is computed from them is computed in float64.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.evaluate.species import Feature, Species
from cloudchamber.events import Beams, Events
from cloudchamber.events.events import MOMENTUM_COLUMNS
from cloudchamber.physics.dis import DISVariables, dis_variables
from cloudchamber.physics.kinematics import Momenta

__all__ = ["Column", "Particles", "Sample"]

Array = NDArray[np.float64]
_ELECTRON = 11


@dataclass(frozen=True)
class Column:
    """One quantity of some particles (or of each event), jagged by event.

    Attributes:
        values: shape (k,).
        offsets: where each event starts, shape (n + 1,).
        weight: event weights, shape (n,).
    """

    values: Array
    offsets: NDArray[np.int64]
    weight: Array

    @classmethod
    def per_event(cls, values: Array, weight: Array) -> "Column":
        """One value for each event.

        Args:
            values: shape (n,).
            weight: event weights, shape (n,).
        """
        return cls(values, np.arange(len(values) + 1), weight)

    def __getitem__(self, events: slice) -> "Column":
        offsets = self.offsets[events.start : events.stop + 1]
        return Column(self.values[offsets[0] : offsets[-1]], offsets - offsets[0], self.weight[events])

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Values in each event, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def value_weights(self) -> Array | None:
        """Weight of each value, shape (k,); None if all events weigh the same."""
        return None if np.ptp(self.weight) == 0 else np.repeat(self.weight, self.counts)


@dataclass(frozen=True)
class Particles:
    """The particles of one species in a sample.

    Attributes:
        momenta: in GeV, each column of shape (k,).
        pdg_id: shape (k,).
        event: the event of each particle, shape (k,).
        offsets: where each event starts, shape (n + 1,).
    """

    momenta: Momenta
    pdg_id: NDArray[np.int32]
    event: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Particles in each event, shape (n,)."""
        return np.diff(self.offsets)

    def total(self, values: Array) -> Array:
        """Sum over the particles of each event, shape (n,).

        Args:
            values: one for each particle, shape (k,).
        """
        return np.bincount(self.event, values, minlength=len(self.offsets) - 1).astype(np.float64)

    def largest(self, values: Array, empty: float = 0.0) -> Array:
        """Maximum over the particles of each event, shape (n,).

        Args:
            values: one for each particle, shape (k,).
            empty: the result for an event without such a particle.
        """
        result = np.full(len(self.offsets) - 1, empty)
        filled = self.counts > 0
        if filled.any():
            result[filled] = np.maximum.reduceat(values, self.offsets[:-1][filled])
        return result

    def take(self, keep: NDArray[np.bool_]) -> "Particles":
        """Some of the particles.

        Args:
            keep: mask of shape (k,).
        """
        rows = np.flatnonzero(keep)
        return Particles(
            self.momenta.take(rows), self.pdg_id[rows], self.event[rows], np.searchsorted(rows, self.offsets)
        )


@dataclass(frozen=True)
class Sample:
    """Events as flat columns, with the scattered electron first in each event.

    Attributes:
        events: the events they come from.
        beams: energies in GeV.
        offsets: where each event starts, shape (n + 1,).
    """

    events: Events
    beams: Beams
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, events: Events, beams: Beams, name: str) -> "Sample":
        """A checked sample.

        Args:
            events: at least one particle each, the scattered electron first.
            beams: energies in GeV.
            name: what to call the sample in a message, such as 'the reference'.

        Raises:
            InputError: if there are no events, an event does not begin with an electron, or a number is not
                finite.
        """
        if len(events) == 0:
            raise InputError(f"{name} holds no events; give a file that does.")
        sample = cls(events, beams, events.offsets)
        _require_electrons(sample, name)
        for column in MOMENTUM_COLUMNS:
            finite = np.isfinite(events.flat(column))
            if not finite.all():
                row = int(np.flatnonzero(~finite)[0])
                event = int(np.searchsorted(sample.offsets, row, side="right")) - 1
                raise InputError(
                    f"event {event} of {name} has a {column} that is not a finite number; remove or remake it."
                )
        if not (np.isfinite(events.weight).all() and (events.weight >= 0).all() and events.weight.sum() > 0):
            raise InputError(
                f"{name} has event weights that are negative or not finite; evaluate needs positive weights."
            )
        return sample

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, events: slice) -> "Sample":
        part = self.events[events]
        return Sample(part, self.beams, part.offsets)

    @property
    def weight(self) -> Array:
        """Event weights, shape (n,)."""
        return self.events.weight

    @property
    def effective_size(self) -> float:
        """Effective number of events, (sum w)^2 / sum w^2."""
        return float(self.weight.sum() ** 2 / (self.weight**2).sum())

    @cached_property
    def pdg_id(self) -> NDArray[np.int32]:
        """Species of every particle, shape (k,)."""
        return self.events.flat("pdg_id").astype(np.int32)

    @cached_property
    def _columns(self) -> tuple[NDArray[np.floating], ...]:
        return tuple(self.events.flat(name) for name in MOMENTUM_COLUMNS)

    @cached_property
    def electron(self) -> Momenta:
        """Scattered electrons, each column of shape (n,)."""
        return self.momenta(self.offsets[:-1])

    @cached_property
    def dis(self) -> DISVariables:
        """Q2, x, y and W2 by the electron method."""
        return dis_variables(self.electron.four_vectors(), self.beams)

    def feature(self, particles: Particles, feature: Feature) -> Column:
        """One feature of some particles.

        Args:
            particles: of this sample.
            feature: which.
        """
        values = feature.of(particles.momenta, self.electron.phi[particles.event], self.beams)
        return Column(values, particles.offsets, self.weight)

    def counts(self, particles: Particles) -> Column:
        """Number of some particles in each event.

        Args:
            particles: of this sample.
        """
        return Column.per_event(particles.counts.astype(np.float64), self.weight)

    def momenta(self, rows: NDArray[np.integer]) -> Momenta:
        """Momenta of some particles, in float64.

        Args:
            rows: row numbers into the flat columns.
        """
        return Momenta(*(column[rows].astype(np.float64) for column in self._columns))

    def particles(self, species: Species) -> Particles:
        """The particles of one species.

        Args:
            species: which.
        """
        if species not in self._found:
            self._found[species] = self._find(species)
        return self._found[species]

    @cached_property
    def _found(self) -> dict[Species, Particles]:
        return {}

    def _find(self, species: Species) -> Particles:
        if species.scattered:
            n = len(self)
            return Particles(self.electron, self.pdg_id[self.offsets[:-1]], np.arange(n), np.arange(n + 1))
        keep = np.isin(self.pdg_id, species.codes) if species.codes else np.ones(len(self.pdg_id), dtype=bool)
        if not (species.everything or species.with_scattered):
            keep[self.offsets[:-1]] = False
        rows = np.flatnonzero(keep)
        offsets = np.searchsorted(rows, self.offsets)
        event = np.repeat(np.arange(len(self)), np.diff(offsets))
        return Particles(self.momenta(rows), self.pdg_id[rows], event, offsets)


def _require_electrons(sample: Sample, name: str) -> None:
    empty = np.flatnonzero(np.diff(sample.offsets) == 0)
    if len(empty):
        raise InputError(f"event {empty[0]} of {name} has no particles; remove or remake it.")
    wrong = np.flatnonzero(sample.pdg_id[sample.offsets[:-1]] != _ELECTRON)
    if len(wrong):
        raise InputError(
            f"event {wrong[0]} of {name} does not begin with the scattered electron (PDG number 11); write it first."
        )
