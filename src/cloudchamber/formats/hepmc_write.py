r"""HepMC3 text, written in columns: every number of a batch becomes text at once, then lines are joined.

An event is, with particle numbers from 1 and vertex numbers from -1 downwards,

    E number vertices particles
    U GEV MM
    W weight
    A 0 GenCrossSection cross-section error -1 -1
    P 1 0 11 px py pz E m 4             the beams have no production vertex
    P 2 0 2212 px py pz E m 4
    V -1 0 [1,2]                        the primary vertex
    P 3 -1 11 px py pz E m 1            the scattered electron is the first final particle
    ...
    V -2 0 [5] @ x y z t                where particle 5, of status 2, decays
    P 9 -2 22 px py pz E m 1

Numbers are the shortest text that reads back to the same float64, and E = sqrt(p^2 + m^2) is taken in
float64.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cloudchamber import __version__
from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo
from cloudchamber.events.events import HISTORY_COLUMNS
from cloudchamber.formats.compressed import open_for_writing
from cloudchamber.formats.hepmc_beams import Beam, beam_attributes, beams_of
from cloudchamber.formats.writer import EventWriter
from cloudchamber.physics.zjets import JET, JET_STATUS

__all__ = ["END_MARK", "HISTORY_ATTRIBUTE", "RUN_ATTRIBUTE", "START_MARK", "HepMCWriter"]

VERSION_LINE = "HepMC::Version 3.02.05"
START_MARK = "HepMC::Asciiv3-START_EVENT_LISTING"
END_MARK = "HepMC::Asciiv3-END_EVENT_LISTING"
RUN_ATTRIBUTE = "cloudchamber"
"""Run attribute that holds the metadata as JSON."""
HISTORY_ATTRIBUTE = "cloudchamber_history"
"""Run attribute that says that the decays are a tree: each has one mother and a position."""
_BEAMS = 2
_CHUNK = 5_000


class HepMCWriter(EventWriter):
    """Streams events into one HepMC3 text file, plain or compressed (`.gz`, `.zst`).

    Args:
        path: the file to make.
        run: metadata of the sample; it must name the beams.

    Raises:
        InputError: if the beams are unknown, a number is not finite, or the file cannot be written.
    """

    def _begin(self, events: Events) -> None:
        self._preamble = _event_preamble(self.run)
        self._sink = open_for_writing(self._temporary, self.path.suffix)
        self._sink.write(_header(self.run, history="mother" in events.columns).encode())

    def _append(self, events: Events) -> None:
        for start in range(0, len(events), _CHUNK):
            number = self.events_written + start
            self._sink.write(_event_text(events[start : start + _CHUNK], number, self._preamble))

    def _close(self, whole: bool) -> None:
        try:
            if whole:
                self._sink.write(f"{END_MARK}\n\n".encode())
        finally:
            self._sink.close()


class _Vertices(NamedTuple):
    """Decay trees of a batch: one vertex for each mother and one for the beams."""

    of_particle: NDArray[np.int64]
    """Number, from -1 downwards, of the vertex that each particle comes from."""
    per_event: NDArray[np.int64]
    """Vertices in each event."""
    prefix: pa.Array
    """Text before each particle's line: that of the vertex whose first particle it is, else nothing."""


def _header(run: RunInfo, history: bool) -> str:
    attributes = {
        RUN_ATTRIBUTE: run.model_dump_json(),
        HISTORY_ATTRIBUTE: str(int(history)),
        **beam_attributes(run),
        "seed": None if run.seed is None else str(run.seed),
        "process": run.process,
        "level": run.level,
    }
    tools = [("cloudchamber", __version__, "generative models for collider events")]
    if run.generator and run.generator != "cloudchamber":
        tools.insert(0, (run.generator, run.generator_version or "", ""))
    lines = [VERSION_LINE, START_MARK, "W Default"]
    lines += [f"T {_escaped(chr(10).join(tool))}" for tool in tools]
    lines += [f"A {name} {_escaped(text)}" for name, text in attributes.items() if text is not None]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\|")


def _event_preamble(run: RunInfo) -> str:
    """The lines that all events share: cross-section and beams."""
    lines = []
    if run.cross_section_pb is not None:
        error = run.cross_section_error_pb or 0.0
        lines.append(f"A 0 GenCrossSection {run.cross_section_pb!r} {error!r} -1 -1")
    lines += [_beam_line(number, beam) for number, beam in enumerate(beams_of(run), 1)]
    return "\n".join(lines) + "\n"


def _beam_line(number: int, beam: Beam) -> str:
    energy, px, py, pz = beam.momentum
    momentum = " ".join(repr(float(value)) for value in (px, py, pz, energy, beam.mass))
    return f"P {number} 0 {beam.pdg_id} {momentum} 4"


def _event_text(events: Events, number: int, preamble: str) -> bytes:
    """The text of a batch, whose first event has this number."""
    _require_writable(events, number)
    vertices = _decay_vertices(events, number) if "mother" in events.columns else None
    n_vertices = np.ones(len(events), dtype=np.int64) if vertices is None else vertices.per_event
    primary = "V -1 0 [1,2]\n" if vertices is None else ""
    head = _join(
        "", "E ", _text(number + np.arange(len(events))), " ", _text(n_vertices), " ",
        _text(events.counts + _BEAMS), "\nU GEV MM\nW ", _text(events.weight), "\n" + preamble + primary,
    )  # fmt: skip
    lines = _particle_lines(events, vertices)
    body = pc.binary_join(pa.ListArray.from_arrays(pa.array(events.offsets, pa.int32()), lines), "\n")
    _, ends, characters = _join("", head, body, "\n").buffers()
    return bytes(characters[: np.frombuffer(ends, np.int32)[len(events)]])


def _particle_lines(events: Events, vertices: _Vertices | None) -> pa.Array:
    rows = np.arange(events.offsets[-1]) - np.repeat(events.offsets[:-1], events.counts)
    px, py, pz, mass = (events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass"))
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    status = _text(events.flat("status")) if "status" in events.columns else _final_status(events)
    parent = "-1" if vertices is None else _text(vertices.of_particle)
    momentum = [_text(values) for values in (px, py, pz, energy, mass)]
    number, species = _text(rows + _BEAMS + 1), _text(events.flat("pdg_id"))
    lines = _join(" ", "P", number, parent, species, *momentum, status)
    return lines if vertices is None else _join("", vertices.prefix, lines)


def _final_status(events: Events) -> pa.Array | str:
    """1 for particles, and the status of documentation for jets."""
    jets = events.flat("pdg_id") == JET
    return _text(np.where(jets, JET_STATUS, 1)) if jets.any() else "1"


def _decay_vertices(events: Events, number: int) -> _Vertices:
    event = np.repeat(np.arange(len(events)), events.counts)
    mother, offsets = events.flat("mother").astype(np.int64), events.offsets
    _require_tree(mother, np.arange(len(event)) - offsets[event], event, number)
    key = event * (events.counts.max() + 1) + mother + 1
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.argsort(order)[inverse.reshape(-1)]
    of_particle = rank[offsets[:-1]][event] - rank - 1
    first = first[order]
    incoming = pc.if_else(pa.array(mother[first] < 0), "1,2", _text(mother[first] + _BEAMS + 1))
    position = [_text(events.flat(name)[first].astype(np.float64)) for name in HISTORY_COLUMNS[2:]]
    text = _join("", "V ", _text(of_particle[first]), " 0 [", incoming, "] @ ", _join(" ", *position), "\n")
    which = np.full(len(event), len(first))
    which[first] = np.arange(len(first))
    prefix = pa.concat_arrays([text, pa.array([""])]).take(pa.array(which))
    return _Vertices(of_particle, np.bincount(event[first], minlength=len(events)), prefix)


def _require_writable(events: Events, number: int) -> None:
    empty = np.flatnonzero(events.counts == 0)
    if len(empty):
        raise InputError(f"event {number + empty[0]} has no particles; drop such events before writing HepMC3.")
    for name in ("px", "py", "pz", "mass"):
        bad = np.flatnonzero(~np.isfinite(events.flat(name)))
        if len(bad):
            where = number + np.searchsorted(events.offsets, bad[0], side="right") - 1
            raise InputError(f"event {where} has a value of {name} that is not finite; remove such events.")


def _require_tree(mother: NDArray[np.int64], row: NDArray[np.int64], event: NDArray[np.int64], number: int) -> None:
    bad = np.flatnonzero((mother < -1) | (mother >= row) & (mother != -1) | (row == 0) & (mother != -1))
    if len(bad):
        raise InputError(
            f"event {number + event[bad[0]]} has a particle whose mother does not stand before it; "
            "the column mother must hold the row of the mother in the event, or -1."
        )


def _text(numbers: NDArray[np.generic]) -> pa.Array:
    """Shortest text that reads back to the same numbers."""
    return pc.cast(pa.array(numbers), pa.string())


def _join(separator: str, *parts: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*parts, separator)
