"""Events: a list of particles per event, as jagged columns, plus a weight per event and the run's metadata.

Particles are an Awkward array of `Momentum4D` records (fields px, py, pz, mass in GeV, pdg_id, and optional status,
mother, vx, vy, vz, vt), so every property of the `vector` library (pt, eta, phi, E, rapidity, boosts) works on them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import awkward as ak
import numpy as np
import vector
from numpy.typing import ArrayLike, NDArray

from cloudchamber.errors import InputError
from cloudchamber.events.schema import RunInfo

__all__ = ["HISTORY_COLUMNS", "MOMENTUM_COLUMNS", "Events"]

vector.register_awkward()

MOMENTUM_COLUMNS = ("px", "py", "pz", "mass")
HISTORY_COLUMNS = ("status", "mother", "vx", "vy", "vz", "vt")


@dataclass(frozen=True)
class Events:
    """A sample of events.

    Attributes:
        particles: `n * var * Momentum4D[px, py, pz, mass, pdg_id, ...]`; GeV, mm.
        weight: event weights, shape (n,).
        run: metadata of the sample.
    """

    particles: ak.Array
    weight: NDArray[np.float64]
    run: RunInfo = field(default_factory=RunInfo)

    @classmethod
    def from_flat(
        cls,
        counts: ArrayLike,
        columns: Mapping[str, NDArray[Any]],
        weight: ArrayLike | None = None,
        run: RunInfo | None = None,
    ) -> "Events":
        """Events from flat columns, particle after particle.

        Args:
            counts: particles in each event, shape (n,).
            columns: pdg_id, px, py, pz, mass (GeV) and any optional columns, each of shape (sum of counts,).
            weight: event weights, shape (n,); ones by default.
            run: metadata of the sample.

        >>> pion = {"pdg_id": np.array([211]), "px": np.array([3.0]), "py": np.array([4.0]),
        ...         "pz": np.array([0.0]), "mass": np.array([0.13957])}
        >>> float(Events.from_flat([1], pion).particles.pt[0, 0])
        5.0
        """
        counts = np.asarray(counts, dtype=np.int64)
        flat = ak.Array(
            ak.contents.RecordArray(
                [ak.contents.NumpyArray(np.ascontiguousarray(c)) for c in columns.values()],
                list(columns),
                parameters={"__record__": "Momentum4D"},
                length=int(counts.sum()),
            )
        )
        weight = np.ones(len(counts)) if weight is None else np.asarray(weight, dtype=np.float64)
        return cls(ak.unflatten(flat, counts), weight, run or RunInfo())

    @classmethod
    def concatenate(cls, parts: Sequence["Events"]) -> "Events":
        """One sample from several; the metadata is that of the first.

        Args:
            parts: at least one sample, all with the same columns.
        """
        if len(parts) == 1:
            return parts[0]
        return cls(
            ak.concatenate([p.particles for p in parts]), np.concatenate([p.weight for p in parts]), parts[0].run
        )

    def __len__(self) -> int:
        return len(self.weight)

    def __getitem__(self, where: slice | NDArray[Any]) -> "Events":
        return Events(self.particles[where], self.weight[where], self.run)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the particle columns."""
        return tuple(self.particles.fields)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Particles in each event, shape (n,)."""
        return np.asarray(ak.num(self.particles), dtype=np.int64)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where each event starts in the flat columns, shape (n + 1,)."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    def flat(self, name: str) -> NDArray[Any]:
        """One particle column, particle after particle, shape (sum of counts,).

        Args:
            name: a column, or any property that `vector` gives (pt, eta, phi, E).
        """
        values = self.particles[name] if name in self.particles.fields else getattr(self.particles, name)
        return np.asarray(ak.to_numpy(ak.flatten(values)))

    def select(self, keep: ak.Array) -> "Events":
        """The same events with some particles only.

        Args:
            keep: a jagged mask, `n * var * bool`.
        """
        return Events(self.particles[keep], self.weight, self.run)

    def final_state(self) -> "Events":
        """The same events without decayed particles and without the columns that tell of decays.

        >>> ids, zero = np.array([11, 111, 22, 22]), np.zeros(4)
        >>> tree = {"pdg_id": ids, "px": zero, "py": zero, "pz": zero, "mass": zero, "status": np.array([1, 2, 1, 1])}
        >>> Events.from_flat([4], tree).final_state().particles.pdg_id.tolist()
        [[11, 22, 22]]
        """
        if "status" not in self.columns:
            return self
        keep = self.flat("status") == 1
        event = np.repeat(np.arange(len(self)), self.counts)
        counts = np.bincount(event[keep], minlength=len(self))
        columns = {name: self.flat(name)[keep] for name in self.columns if name not in HISTORY_COLUMNS}
        return Events.from_flat(counts, columns, self.weight, self.run)

    def require_particles(self, first: int = 0) -> None:
        """Refuse events that hold no particle at all.

        Args:
            first: number of the first event in its file.

        Raises:
            InputError: if there is one.
        """
        empty = np.flatnonzero(self.counts == 0)
        if len(empty):
            raise InputError(f"event {first + empty[0]} holds no particles; leave such events out.")

    def with_run(self, run: RunInfo) -> "Events":
        """The same events with other metadata.

        Args:
            run: the new metadata.
        """
        return replace(self, run=run)

    @property
    def electron(self) -> ak.Array:
        """The scattered electron: the first particle of each event, shape (n,)."""
        return self.particles[:, 0]

    @property
    def hadronic(self) -> ak.Array:
        """All particles but the scattered electron, `n * var`."""
        return self.particles[:, 1:]

    def to_awkward(self) -> ak.Array:
        """One record per event with the fields `particles` and `weight`."""
        return ak.zip({"particles": self.particles, "weight": self.weight}, depth_limit=1)
