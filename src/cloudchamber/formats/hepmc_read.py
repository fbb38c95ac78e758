"""HepMC3 text, read in blocks of whole events with bounded memory.

The final particles (status 1) of any generator are read, with the scattered electron put first: in files of this
package it is the first final electron (PDG 11) of the record, in others the one that comes from the beam
(`hepmc_electron`). Records that are to be checked keep the first one, as the EIC's reconstruction does. Files that
this package wrote with decays give those back as well. A file must be whole: it must end with HepMC3's end-of-listing
mark, and no event may have fewer particles than it announces.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, RunInfo
from cloudchamber.events.events import HISTORY_COLUMNS, MOMENTUM_COLUMNS
from cloudchamber.formats.compressed import open_for_reading
from cloudchamber.formats.header import reading
from cloudchamber.formats.hepmc_electron import first_electrons, scattered_electrons
from cloudchamber.formats.hepmc_text import DamagedTextError, Particles, Text, Vertices
from cloudchamber.formats.hepmc_write import END_MARK, HISTORY_ATTRIBUTE, RUN_ATTRIBUTE, START_MARK
from cloudchamber.formats.reader import collect
from cloudchamber.physics.record import Record, RecordFacts
from cloudchamber.physics.zjets import JET, JET_STATUS

__all__ = ["iterate", "iterate_records", "read", "read_run"]

_END = b"\n" + END_MARK.encode()
_CHUNK = 1 << 22
_MAX_BLOCK = 1 << 26
_HEADER_LIMIT = 1 << 24
_BEAM, _FINAL, _DECAYED = 4, 1, 2
_STANDARD_UNITS = (b"GEV", b"MM")


def read(path: Path, limit: int | None = None) -> Events:
    """Read a file.

    Args:
        path: a HepMC3 text file, plain or compressed.
        limit: stop after this many events; what follows is then not looked at.

    Raises:
        InputError: if the file is missing, damaged, truncated or empty.
    """
    return collect(iterate(path), limit)


def iterate(path: Path, batch_size: int = 20_000) -> Iterator[Events]:
    """Read a file piece by piece, with bounded memory.

    Args:
        path: a HepMC3 text file, plain or compressed.
        batch_size: most events in a piece.

    Yields:
        Consecutive events, the scattered electron of each (if there is one) before its other particles.

    Raises:
        InputError: if the file is missing, damaged, truncated or empty.
    """
    for record in _records(path, batch_size, as_written=False):
        yield record.events


def read_run(path: Path) -> RunInfo:
    """Metadata of a file; beams and cross-section come from the first event where another program wrote it.

    Args:
        path: a HepMC3 text file, plain or compressed.
    """
    return next(iterate(path, 1)).run


def iterate_records(path: Path, batch_size: int = 20_000) -> Iterator[Record]:
    """Read a file piece by piece, with all that `check` judges.

    Args:
        path: a HepMC3 text file, plain or compressed.
        batch_size: most events in a piece.

    Yields:
        Records of consecutive events.

    Raises:
        InputError: if the file is missing, damaged, truncated or empty.
    """
    yield from _records(path, batch_size, as_written=True)


def _records(path: Path, batch_size: int, *, as_written: bool) -> Iterator[Record]:
    """Records whose scattered electron is the first one written, or is looked for in files of other programs."""
    if not path.exists():
        raise InputError(f"'{path}' does not exist; check the path.")
    with open_for_reading(path) as stream:
        attributes, tools, rest = _read_header(stream, path)
        history, run, first = attributes.get(HISTORY_ATTRIBUTE) == "1", None, 0
        ordered = as_written or RUN_ATTRIBUTE in attributes
        for block in _blocks(stream, rest, path, batch_size):
            try:
                lines = _Block.of(Text(block), history, ordered)
                events, facts = lines.events(), lines.facts()
            except DamagedTextError as damage:
                raise InputError(
                    f"'{path}' is damaged near event {first}: {damage}; copy or make it again."
                ) from damage
            run = run or _run_info(attributes, tools, facts, path)
            yield Record(events.with_run(run), first, facts)
            first += len(events)


def _read_header(stream: IO[bytes], path: Path) -> tuple[dict[str, str], list[list[str]], bytes]:
    """Run attributes, tools, and the text from the first event on."""
    text, event = b"", -1
    while event < 0 and len(text) < _HEADER_LIMIT and (chunk := stream.read(1 << 16)):
        text += chunk
        event = text.find(b"\nE ")
    _require_hepmc3(text[:4096], path)
    if event < 0:
        raise InputError(f"'{path}' holds no events; make it again." if _END in text else _truncated(path))
    attributes, tools = {}, []
    for line in text[:event].decode(errors="replace").splitlines():
        if line.startswith("A "):
            name, _, value = line[2:].partition(" ")
            attributes[name] = _unescaped(value)
        elif line.startswith("T "):
            tools.append(_unescaped(line[2:]).split("\n"))
    return attributes, tools, text[event + 1 :]


def _require_hepmc3(start: bytes, path: Path) -> None:
    if not start:
        raise InputError(f"'{path}' is empty; make or copy it again.")
    if b"HepMC::IO_GenEvent" in start:
        raise InputError(f"'{path}' is HepMC2 text; convert it to HepMC3 first, for example with pyhepmc.")
    if START_MARK.encode() not in start:
        raise InputError(f"'{path}' is not a whole HepMC3 text file; give one that starts with {START_MARK}.")


def _truncated(path: Path) -> str:
    return f"'{path}' is truncated: HepMC3's end-of-listing mark is missing; copy or make it again."


def _unescaped(text: str) -> str:
    return text.replace("\\\\", "\0").replace("\\|", "\n").replace("\0", "\\")


def _blocks(stream: IO[bytes], pending: bytes, path: Path, batch_size: int) -> Iterator[bytes]:
    """Text of `batch_size` whole events again and again, of fewer where they are very long, or at the end."""
    while chunk := stream.read(_CHUNK):
        *whole, pending = _cut(pending + chunk, batch_size)
        yield from whole
        if len(pending) > _MAX_BLOCK and (last := pending.rfind(b"\nE ") + 1):
            yield pending[:last]
            pending = pending[last:]
    body, mark, after = pending.partition(_END)
    if not mark:
        raise InputError(_truncated(path))
    if after.strip():
        raise InputError(f"'{path}' goes on after its end-of-listing mark; give the joined files one by one.")
    yield from _cut(body + b"\n", batch_size)


def _cut(text: bytes, batch_size: int) -> list[bytes]:
    """Pieces of `batch_size` events, and last what is left, which may end in the middle of an event."""
    letters = np.frombuffer(text, np.uint8)
    line = np.flatnonzero(letters[:-2] == ord("\n"))
    starts = line[(letters[line + 1] == ord("E")) & (letters[line + 2] == ord(" "))] + 1
    edges = [0, *starts[batch_size - 1 :: batch_size].tolist(), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


class _Block(NamedTuple):
    """The lines of a block, with what joins them; momenta in GeV and positions in mm."""

    text: Text
    particles: Particles
    vertices: Vertices
    first: NDArray[np.int64]
    """Row of the first particle of each event, and the number of rows."""
    entered: NDArray[np.int64]
    """Row of each particle that enters a vertex, as `vertices.incoming` lists them."""
    rows: NDArray[np.int64]
    """Rows of the particles that events keep, in their order there."""
    history: bool

    @classmethod
    def of(cls, text: Text, history: bool, ordered: bool) -> "_Block":
        particles, vertices = _in_standard_units(text)
        first = np.concatenate([[0], np.cumsum(text.announced)])
        owner = vertices.event[vertices.vertex_of_incoming]
        if ((vertices.incoming < 1) | (vertices.incoming > text.announced[owner])).any():
            raise DamagedTextError("a vertex takes in a particle that does not exist")
        entered = first[owner] + vertices.incoming - 1
        electrons = first_electrons(particles) if ordered else scattered_electrons(particles, vertices, first, entered)
        return cls(text, particles, vertices, first, entered, _kept_rows(particles, electrons, history), history)

    def events(self) -> Events:
        """The kept particles."""
        column = self.particles.columns
        flat = {name: column[name][self.rows] for name in ("pdg_id", *MOMENTUM_COLUMNS)}
        flat["pdg_id"] = flat["pdg_id"].astype(np.int32)
        if self.history:
            flat |= self._decays()
        counts = np.bincount(self.particles.event[self.rows], minlength=len(self.text))
        return Events.from_flat(counts, flat, self.text.weights())

    def _decays(self) -> dict[str, NDArray[Any]]:
        """Status, mother and production vertex of the kept particles."""
        vertex = self._production_vertex()
        incoming = np.full(len(self.vertices.id), -1)
        incoming[self.vertices.vertex_of_incoming[::-1]] = self.entered[::-1]
        owner = self.particles.event[self.rows]
        kept_first = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(self.text)))])
        place = np.full(len(self.particles.event) + 1, -1)
        place[self.rows] = np.arange(len(self.rows)) - kept_first[owner]
        columns = {
            "status": self.particles.columns["status"][self.rows].astype(np.int32),
            "mother": place[incoming[vertex]].astype(np.int32),
        }
        position = self.vertices.position[vertex]
        return columns | {name: position[:, k] for k, name in enumerate(HISTORY_COLUMNS[2:])}

    def _production_vertex(self) -> NDArray[np.int64]:
        """Row of the vertex that each kept particle comes from."""
        depth = 1 - int(self.vertices.id.min(initial=0))
        keys = self.vertices.event * depth - self.vertices.id
        order = np.argsort(keys)
        parent = self.particles.columns["parent"][self.rows]
        wanted = self.particles.event[self.rows] * depth - parent
        vertex: NDArray[np.int64] = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(order) - 1)]
        if not ((parent < 0) & (keys[vertex] == wanted)).all():
            raise DamagedTextError("a particle comes from a vertex that does not exist")
        return vertex

    def facts(self) -> RecordFacts:
        """What the text says besides."""
        column, event, n = self.particles.columns, self.particles.event, len(self.text)
        beams = np.flatnonzero(column["status"] == _BEAM)[::-1]
        place = event[beams], (column["pz"][beams] > 0).astype(np.int64)
        ids, momenta = np.zeros((n, 2), dtype=np.int64), np.full((n, 2, 4), np.nan)
        ids[place] = column["pdg_id"][beams]
        momenta[place] = np.stack([column[name][beams] for name in ("energy", "px", "py", "pz")], axis=-1)
        return RecordFacts(
            standard_units=np.array([unit == _STANDARD_UNITS for unit in self.text.units()]),
            beam_count=np.bincount(event[beams], minlength=n),
            beam_ids=ids,
            beam_momenta=momenta,
            joined_beams=self._joined_beams(),
            status_faults=self._status_faults(),
            cross_section_pb=self.text.cross_sections(),
            energy=column["energy"][self.rows],
        )

    def _joined_beams(self) -> NDArray[np.bool_]:
        from_beam = self.particles.columns["status"][self.entered] == _BEAM
        beams_in = np.bincount(self.vertices.vertex_of_incoming[from_beam], minlength=len(self.vertices.id))
        joined = np.zeros(len(self.text), dtype=bool)
        joined[self.vertices.event[beams_in >= 2]] = True
        return joined

    def _status_faults(self) -> NDArray[np.int64]:
        status, parent, event = (
            *(self.particles.columns[n] for n in ("status", "parent")),
            self.particles.event,
        )
        ends = np.zeros(len(event), dtype=bool)
        ends[self.entered] = True
        direct = np.flatnonzero(parent > 0)
        if (parent[direct] > self.text.announced[event[direct]]).any():
            raise DamagedTextError("a particle comes from one that does not exist")
        ends[self.first[event[direct]] + parent[direct] - 1] = True
        faults = ((status == _FINAL) & ends) | ((status == _DECAYED) & ~ends)
        return np.bincount(event[faults], minlength=len(self.text))


def _in_standard_units(text: Text) -> tuple[Particles, Vertices]:
    particles, vertices, units = text.particles(), text.vertices(), text.units()
    if any(momentum == b"MEV" for momentum, _ in units):
        scale = np.array([1e-3 if momentum == b"MEV" else 1.0 for momentum, _ in units])[particles.event]
        scaled = {name: particles.columns[name] * scale for name in ("px", "py", "pz", "energy", "mass")}
        particles = particles._replace(columns={**particles.columns, **scaled})
    length = np.array([10.0 if unit == b"CM" else 1.0 for _, unit in units])[vertices.event]
    return particles, vertices._replace(position=vertices.position * length[:, None])


def _kept_rows(particles: Particles, electrons: NDArray[np.int64], history: bool) -> NDArray[np.int64]:
    """Rows of the particles and jets that events hold, in their order there: the scattered electron first."""
    status = particles.columns["status"]
    jet = (status == JET_STATUS) & (particles.columns["pdg_id"] == JET)
    rows = np.flatnonzero((status != _BEAM) if history else (status == _FINAL) | jet)
    later = np.ones(len(status), dtype=bool)
    later[electrons] = False
    order: NDArray[np.int64] = rows[np.lexsort((later[rows], particles.event[rows]))]
    return order


def _run_info(attributes: dict[str, str], tools: list[list[str]], facts: RecordFacts, path: Path) -> RunInfo:
    with reading("metadata", path):
        if RUN_ATTRIBUTE in attributes:
            return RunInfo.model_validate_json(attributes[RUN_ATTRIBUTE])
        return _foreign_run_info(tools, facts)


def _foreign_run_info(tools: list[list[str]], facts: RecordFacts) -> RunInfo:
    momenta, cross_section = facts.beam_momenta[0], float(facts.cross_section_pb[0])
    head_on = bool((np.abs(momenta[:, 1:3]) <= 1e-6 * np.abs(momenta[:, :1])).all())
    ep = head_on and facts.beam_ids[0].tolist() == [11, 2212]
    tool = [*(tools[0] if tools else []), "", ""]
    return RunInfo(
        beams=Beams(electron=_rounded(momenta[0, 0]), hadron=_rounded(momenta[1, 0])) if ep else None,
        cross_section_pb=cross_section if np.isfinite(cross_section) and cross_section >= 0 else None,
        generator=tool[0] or None,
        generator_version=tool[1] or None,
    )


def _rounded(energy: float) -> float:
    """A beam's energy without the rounding of the program that wrote it: six digits."""
    return float(f"{energy:.6g}")
