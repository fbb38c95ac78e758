"""Decays of short-lived particles with Pythia8's own tables, and the masses that Pythia8 allows.

A particle decays if its species has a decay table and a nominal c tau of at most 10 mm; K0 and anti-K0 become
K0S or K0L. The proper time of every decaying particle is drawn from t ~ exp(-t / tau0), and its daughters
start at

    x_decay = x_production + t p / m        (mm, natural units)

Momenta are float64 and are conserved to rounding. Events are decayed one after the other from one random
stream per (seed, block, attempt), so the first events of a block do not depend on those that follow.
"""

from functools import cache, cached_property
from importlib.metadata import version
from itertools import pairwise
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cloudchamber.errors import InputError
from cloudchamber.events import Events, Level, RunInfo
from cloudchamber.events.events import HISTORY_COLUMNS, MOMENTUM_COLUMNS
from cloudchamber.simulate.pythia import LEVEL_SETTINGS, FlatRecord, new_pythia, stream_seed

__all__ = ["BLOCK", "DECAY_SETTINGS", "Decayed", "Decayer", "MassTable", "mass_table"]

BLOCK = 256
"""Event numbers that share one random stream of decays."""
TAU0_MAX = 10.0
"""Largest nominal c tau (mm) of a species that decays."""
DECAY_SETTINGS = (
    "ProcessLevel:all = off", "PartonLevel:FSRinResonances = off", "TimeShower:QEDshowerByL = off",
    *LEVEL_SETTINGS[Level.STABLE],
)  # fmt: skip
_READER_SETTINGS = (
    "ProcessLevel:all = off",
    "PartonLevel:all = off",
    "HadronLevel:all = off",
    "Check:event = off",
)
_UNDECAYED = 91

_Particle = tuple[int, float, float, float, float, float, float]
"""To append to a record: PDG number, px, py, pz, E, mass, and c tau0 in mm, 0 if it does not decay."""


class Decayed(NamedTuple):
    """What became of a block of events.

    Attributes:
        events: as many events as were given, in their order, at level `stable`.
        failed: rows whose decays Pythia8 could not do, for example because a mass is below every threshold,
            shape (n_failed,); `events` holds these as they were given, for the caller to redraw.
    """

    events: Events
    failed: NDArray[np.int64]


class MassTable(NamedTuple):
    """Masses of species, each array of shape (n,), in GeV.

    Attributes:
        m0: nominal masses.
        m_min: smallest mass of a broad species; m0 of a narrow one.
        m_max: largest mass of a broad species, infinite where Pythia8 sets no limit; m0 of a narrow one.
        is_broad: whether masses follow a Breit-Wigner shape.
    """

    m0: NDArray[np.float64]
    m_min: NDArray[np.float64]
    m_max: NDArray[np.float64]
    is_broad: NDArray[np.bool_]


class Decayer:
    """Finishes `primary` and `pi0` events to `stable`.

    It holds two Pythia8 objects, made at the first use: one decays event by event, the other turns the
    records of a whole block into arrays. What it returns depends on the arguments only, never on earlier
    calls.
    """

    def decay(self, events: Events, *, seed: int, block: int = 0, attempt: int = 0, history: bool = False) -> Decayed:
        """Decay all short-lived particles.

        Args:
            events: final states before decays; momenta of any precision.
            seed: the user's seed.
            block: number of the block that the events belong to; `BLOCK` event numbers share a stream.
            attempt: 0 at first; count up to decay redrawn events of the same block from a fresh stream.
            history: keep decayed particles (status 2) with the columns status (1 final), mother (row of the
                mother in its event, -1 for particles of the primary vertex) and the production vertex vx, vy,
                vz, vt in mm.

        Returns:
            Events with float64 columns, surviving particles bit for bit and in their order before new ones;
            and the rows that failed.

        Raises:
            InputError: if a species is unknown to Pythia8 or the events hold decays already.
        """
        events = _without_history(events)
        self._require_known(events.flat("pdg_id"))
        record = self._records(events, stream_seed(seed, block, attempt))
        undone = np.flatnonzero(self._is_undone(record))
        failed = np.unique(np.concatenate([np.flatnonzero(record.refused), record.event[undone]]))
        rows = _kept_rows(record, self._is_parton(record.ids), history)
        decayed = _rows_to_events(record, rows, history)
        restored = _restore(decayed, events, failed)
        return Decayed(Events(restored.particles, events.weight, _decayed_run(events.run, seed)), failed)

    @cached_property
    def _pythia(self) -> Any:  # noqa: ANN401
        return new_pythia(DECAY_SETTINGS, 1)

    @cached_property
    def _reader(self) -> Any:  # noqa: ANN401
        return new_pythia(_READER_SETTINGS, 1)

    @cached_property
    def _species(self) -> dict[int, "_Species"]:
        return {}

    def _look_up(self, pdg_id: int) -> "_Species":
        if pdg_id not in self._species:
            data = self._pythia.particleData
            decays = bool(data.canDecay(pdg_id) and data.mayDecay(pdg_id) and data.tau0(pdg_id) <= TAU0_MAX)
            self._species[pdg_id] = _Species(
                known=bool(data.isParticle(pdg_id)), decays=decays, tau0=float(data.tau0(pdg_id)),
                is_parton=bool(data.isQuark(pdg_id) or data.isGluon(pdg_id) or data.isDiquark(pdg_id)),
            )  # fmt: skip
        return self._species[pdg_id]

    def _per_species(self, ids: NDArray[Any], field: str) -> NDArray[Any]:
        unique, inverse = np.unique(ids, return_inverse=True)
        return np.array([getattr(self._look_up(int(code)), field) for code in unique])[inverse]

    def _is_parton(self, ids: NDArray[Any]) -> NDArray[np.bool_]:
        return self._per_species(ids, "is_parton").astype(bool)

    def _is_undone(self, record: "_Records") -> NDArray[np.bool_]:
        return self._per_species(record.ids, "decays").astype(bool) & record.is_final

    def _require_known(self, ids: NDArray[Any]) -> None:
        unknown = [int(code) for code in np.unique(ids) if not self._look_up(int(code)).known]
        if unknown:
            raise InputError(
                f"Pythia8 does not know the species {', '.join(map(str, unknown))}, so their events cannot "
                "be decayed; leave such events out."
            )

    def _records(self, events: Events, pythia_seed: int) -> "_Records":
        """Decay event by event and collect the records of all events in one."""
        self._pythia.rndm.init(pythia_seed)
        collected = self._reader.event
        collected.reset()
        sizes, refused = np.zeros(len(events), dtype=np.int64), np.zeros(len(events), dtype=bool)
        particles, offsets = self._to_python(events), events.offsets.tolist()
        for row, (start, stop) in enumerate(pairwise(offsets)):
            self._fill(particles[start:stop])
            refused[row] = not self._pythia.next()
            if refused[row]:
                self._fill(particles[start:stop])
            sizes[row] = self._pythia.event.size() - 1
            collected += self._pythia.event
        return _Records.of(self._reader.nextBatch(1), sizes, refused)

    def _to_python(self, events: Events) -> list[_Particle]:
        px, py, pz, mass = (events.flat(name).astype(np.float64) for name in MOMENTUM_COLUMNS)
        energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
        ids = events.flat("pdg_id")
        tau0 = np.where(self._per_species(ids, "decays"), self._per_species(ids, "tau0"), 0.0)
        columns = (ids, px, py, pz, energy, mass, tau0)
        return list(zip(*(c.tolist() for c in columns), strict=True))

    def _fill(self, particles: list[_Particle]) -> None:
        record, exponential = self._pythia.event, self._pythia.rndm.exp
        record.reset()
        for pdg_id, px, py, pz, energy, mass, tau0 in particles:
            row = record.append(pdg_id, _UNDECAYED, 0, 0, 0, 0, 0, 0, px, py, pz, energy, mass)
            if tau0 > 0:
                record[row].tau(tau0 * exponential())


def mass_table(pdg_ids: ArrayLike) -> MassTable:
    """Nominal masses and the limits between which Pythia8 draws the masses of broad resonances.

    Args:
        pdg_ids: PDG numbers, shape (n,).

    Raises:
        InputError: if Pythia8 does not know a species.

    Returns:
        The table, one row for each number, in their order.

    >>> table = mass_table([211, 113])
    >>> table.is_broad.tolist()
    [False, True]
    """
    data = _particle_data()
    ids = [int(code) for code in np.asarray(pdg_ids).reshape(-1)]
    for code in ids:
        if not data.isParticle(code):
            raise InputError(f"Pythia8 does not know the species {code}; use PDG numbers of known particles.")
    m0, low, high = (np.array([f(c) for c in ids], dtype=np.float64) for f in (data.m0, data.mMin, data.mMax))
    is_broad = np.array([data.useBreitWigner(code) for code in ids], dtype=bool)
    high = np.where(high > low, high, np.inf)
    return MassTable(m0, np.where(is_broad, low, m0), np.where(is_broad, high, m0), is_broad)


class _Species(NamedTuple):
    """What the decays need to know of a species; c tau0 in mm."""

    known: bool
    decays: bool
    tau0: float
    is_parton: bool


class _Records(NamedTuple):
    """Event records, one after the other, without Pythia's entry 0.

    Attributes:
        sizes: entries of each event, shape (n,).
        refused: events that Pythia8 gave up, shape (n,).
        event: number of the event of each entry, shape (m,).
        mother: flat row of each entry's mother, -1 if it has none, shape (m,).
        flat: all other columns, shape (m + 1,), with entry 0.
    """

    sizes: NDArray[np.int64]
    refused: NDArray[np.bool_]
    event: NDArray[np.int64]
    mother: NDArray[np.int64]
    flat: FlatRecord

    @classmethod
    def of(cls, batch: Any, sizes: NDArray[np.int64], refused: NDArray[np.bool_]) -> "_Records":  # noqa: ANN401
        flat = FlatRecord.of(batch.prt)
        if len(flat.column("id")) != sizes.sum() + 1:
            raise RuntimeError("Pythia8 did not return all entries of the decayed events")
        mother = flat.column("mother1")[1:].astype(np.int64) - 1
        return cls(sizes, refused, np.repeat(np.arange(len(sizes)), sizes), mother, flat)

    def column(self, path: str) -> NDArray[Any]:
        return self.flat.column(path)[1:]

    def vertex(self, component: str) -> NDArray[np.float64]:
        """One component of the production vertices in mm; 0 where Pythia8 stores none."""
        vertices = ak.Array(self.flat.content.content("vProd"))[component]
        return np.asarray(ak.to_numpy(ak.fill_none(vertices, 0.0)))[1:]

    @property
    def ids(self) -> NDArray[np.int32]:
        return self.column("id")

    @property
    def is_final(self) -> NDArray[np.bool_]:
        return self.column("status") > 0


class _KeptRows(NamedTuple):
    """Entries of the records that stay: flat rows, and each one's mother by its place in its event or -1."""

    rows: NDArray[np.int64]
    mother: NDArray[np.int64]


def _kept_rows(record: _Records, is_parton: NDArray[np.bool_], history: bool) -> _KeptRows:
    """Final particles, with their decayed ancestors if `history`; quarks and gluons of decays never stay."""
    keep = ~is_parton if history else record.is_final
    mother = record.mother.copy()
    while (through := (mother >= 0) & is_parton[mother]).any():
        mother[through] = record.mother[mother[through]]
    first = np.cumsum(record.sizes) - record.sizes
    kept_before = np.concatenate([[0], np.cumsum(keep)])
    place = kept_before[:-1] - kept_before[first[record.event]]
    rows = np.flatnonzero(keep)
    return _KeptRows(rows, np.where(mother[rows] >= 0, place[mother[rows]], -1))


def _rows_to_events(record: _Records, kept: _KeptRows, history: bool) -> Events:
    sources = {"px": "p.px", "py": "p.py", "pz": "p.pz", "mass": "m"}
    columns: dict[str, NDArray[Any]] = {"pdg_id": record.ids[kept.rows]}
    columns |= {name: record.column(source)[kept.rows] for name, source in sources.items()}
    if history:
        columns["status"] = np.where(record.is_final[kept.rows], 1, 2).astype(np.int32)
        columns["mother"] = kept.mother.astype(np.int32)
        vertices = {"vx": "px", "vy": "py", "vz": "pz", "vt": "e"}
        columns |= {name: record.vertex(source)[kept.rows] for name, source in vertices.items()}
    return Events.from_flat(np.bincount(record.event[kept.rows], minlength=len(record.sizes)), columns)


def _restore(decayed: Events, given: Events, failed: NDArray[np.int64]) -> Events:
    """Put the events that failed back as they were given."""
    if len(failed) == 0:
        return decayed
    originals = given[failed]
    total = int(originals.counts.sum())
    columns: dict[str, NDArray[Any]] = {"pdg_id": originals.flat("pdg_id")}
    columns |= {name: originals.flat(name).astype(np.float64) for name in MOMENTUM_COLUMNS}
    if "status" in decayed.columns:
        columns |= {"status": np.ones(total, np.int32), "mother": np.full(total, -1, np.int32)}
        columns |= {name: np.zeros(total) for name in HISTORY_COLUMNS[2:]}
    order = np.arange(len(decayed))
    order[failed] = len(decayed) + np.arange(len(failed))
    return Events.concatenate([decayed, Events.from_flat(originals.counts, columns)])[order]


def _without_history(events: Events) -> Events:
    if "status" in events.columns and (events.flat("status") != 1).any():
        raise InputError("the events hold decayed particles already; give a sample of final states before decays.")
    return Events(events.particles[["pdg_id", *MOMENTUM_COLUMNS]], events.weight, events.run)


def _decayed_run(run: RunInfo, seed: int) -> RunInfo:
    decays = {"generator": "Pythia8", "version": version("pythia8mc"), "seed": seed}
    return run.with_(level=Level.STABLE, provenance={**run.provenance, "decays": decays})


@cache
def _particle_data() -> Any:  # noqa: ANN401
    return _particle_data_owner().particleData


@cache
def _particle_data_owner() -> Any:  # noqa: ANN401
    return new_pythia(_READER_SETTINGS, 1)
