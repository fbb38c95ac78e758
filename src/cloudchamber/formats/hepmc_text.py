"""HepMC3 text as columns: lines of one kind are gathered and parsed at once.

A block holds whole events. Its lines are told apart by their first letter: E (event), U (units), W (weights),
A (attributes), P (particles), V (vertices); see `hepmc_write` for their fields. Any other line, a particle
that is missing or out of order, or a number that cannot be read means damage.
"""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

__all__ = ["DamagedTextError", "Particles", "Text", "Vertices"]

PARTICLE_FIELDS = {
    "tag": pa.string(),
    **dict.fromkeys(("id", "parent", "pdg_id"), pa.int64()),
    **dict.fromkeys(("px", "py", "pz", "energy", "mass"), pa.float64()),
    "status": pa.int64(),
}
VERTEX_FIELDS = {"tag": pa.string(), "id": pa.int64(), "status": pa.int64(), "incoming": pa.string()}
POSITION_FIELDS = {"at": pa.string(), **dict.fromkeys(("vx", "vy", "vz", "vt"), pa.float64())}
_KINDS = b"EUWAPV\n"
_CROSS_SECTION = b"A 0 GenCrossSection "


class DamagedTextError(ValueError):
    """A block of text that is not a list of whole events; the message says what is wrong."""


class Particles(NamedTuple):
    """Particle lines of a block, each field of shape (m,)."""

    event: NDArray[np.int64]
    """Number of the event in the block."""
    columns: dict[str, NDArray[Any]]
    """id, parent, pdg_id, px, py, pz, energy, mass and status, as written."""


class Vertices(NamedTuple):
    """Vertex lines of a block, each field of shape (k,); incoming particles are listed one after another."""

    event: NDArray[np.int64]
    id: NDArray[np.int64]
    position: NDArray[np.float64]
    """(x, y, z, t), shape (k, 4), as written; 0 where there is none."""
    incoming: NDArray[np.int64]
    """Numbers of the incoming particles of all vertices, shape (l,)."""
    vertex_of_incoming: NDArray[np.int64]
    """Row of the vertex that each of them enters, shape (l,)."""


class Text:
    """The lines of a block of whole events.

    Args:
        block: text that starts with an event line and ends with a line end.

    Raises:
        DamagedTextError: if a line is of no known kind.
    """

    def __init__(self, block: bytes) -> None:
        self._bytes = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(self._bytes == ord("\n")) + 1
        self._starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
        self._lengths = ends - self._starts
        self._kind = self._bytes[self._starts]
        if not np.isin(self._kind, np.frombuffer(_KINDS, np.uint8)).all():
            raise DamagedTextError("it holds lines that are not of HepMC3 text, as after joining two files")
        self._event = np.cumsum(self._kind == ord("E")) - 1
        self.announced = self._announced_particles()

    def __len__(self) -> int:
        return len(self.announced)

    def particles(self) -> Particles:
        """The particle lines.

        Raises:
            DamagedTextError: if some are missing, out of order or not understood.
        """
        lines = np.flatnonzero(self._kind == ord("P"))
        event = self._event[lines]
        if not np.array_equal(np.bincount(event, minlength=len(self)), self.announced):
            raise DamagedTextError("an event has fewer or more particles than it announces")
        table = self._table(lines, PARTICLE_FIELDS)
        columns = {name: table[name].to_numpy() for name in PARTICLE_FIELDS if name != "tag"}
        first = np.concatenate([[0], np.cumsum(self.announced)[:-1]])
        if not np.array_equal(columns["id"], np.arange(len(event)) - first[event] + 1):
            raise DamagedTextError("the particles of an event are not numbered from 1")
        return Particles(event, columns)

    def vertices(self) -> Vertices:
        """The vertex lines, those without a position first."""
        lines = np.flatnonzero(self._kind == ord("V"))
        at = np.concatenate([[0], np.cumsum(self._bytes == ord("@"))])
        placed = at[self._starts[lines] + self._lengths[lines]] > at[self._starts[lines]]
        bare = self._table(lines[~placed], VERTEX_FIELDS)
        full = self._table(lines[placed], {**VERTEX_FIELDS, **POSITION_FIELDS})
        position = np.stack([full[name].to_numpy() for name in ("vx", "vy", "vz", "vt")], axis=-1)
        incoming, vertex = _incoming(pa.concat_arrays([bare["incoming"], full["incoming"]]))
        return Vertices(
            self._event[np.concatenate([lines[~placed], lines[placed]])],
            np.concatenate([bare["id"].to_numpy(), full["id"].to_numpy()]),
            np.concatenate([np.zeros((len(bare), 4)), position]),
            incoming,
            vertex,
        )

    def weights(self) -> NDArray[np.float64]:
        """First weight of each event, 1 where there is none, shape (n,)."""
        weights = np.ones(len(self))
        for event, words in self._words("W"):
            weights[event] = _number(_word(words, 1, "a line of weights"))
        return weights

    def units(self) -> list[tuple[bytes, bytes]]:
        """Units of momentum and length of each event; GEV and MM where it does not say."""
        units = [(b"GEV", b"MM")] * len(self)
        for event, words in self._words("U"):
            units[event] = (_word(words, 1, "a line of units"), _word(words, 2, "a line of units"))
        return units

    def cross_sections(self) -> NDArray[np.float64]:
        """Cross-section of each event in pb, shape (n,); NaN where there is none."""
        values = np.full(len(self), np.nan)
        for event, line in self._lines("A"):
            if line.startswith(_CROSS_SECTION):
                values[event] = _number(_word(line.split(), 3, "a cross-section"))
        return values

    def _announced_particles(self) -> NDArray[np.int64]:
        counts = [words[3] for _, words in self._words("E") if len(words) > 3]
        if len(counts) != np.count_nonzero(self._kind == ord("E")) or not all(count.isdigit() for count in counts):
            raise DamagedTextError("an event line does not say how many particles follow")
        return np.array([int(count) for count in counts], dtype=np.int64)

    def _words(self, kind: str) -> list[tuple[int, list[bytes]]]:
        return [(event, line.split()) for event, line in self._lines(kind)]

    def _lines(self, kind: str) -> list[tuple[int, bytes]]:
        text, rows = self._bytes.data, np.flatnonzero(self._kind == ord(kind))
        starts, ends = self._starts[rows].tolist(), (self._starts + self._lengths)[rows].tolist()
        found = zip(self._event[rows].tolist(), starts, ends, strict=True)
        return [(event, bytes(text[start:end])) for event, start, end in found]

    def _table(self, lines: NDArray[np.int64], fields: dict[str, pa.DataType]) -> pa.RecordBatch:
        wanted = np.zeros(len(self._starts), dtype=bool)
        wanted[lines] = True
        text = self._bytes[np.repeat(wanted, self._lengths)]
        if not len(lines):
            return pa.RecordBatch.from_arrays([pa.array([], kind) for kind in fields.values()], list(fields))
        try:
            table = pacsv.read_csv(
                pa.py_buffer(text),
                pacsv.ReadOptions(column_names=list(fields), use_threads=False, block_size=len(text) + 1),
                pacsv.ParseOptions(delimiter=" ", quote_char=False),
                pacsv.ConvertOptions(column_types=fields, null_values=[], strings_can_be_null=False),
            )
        except pa.ArrowInvalid as error:
            raise DamagedTextError(f"a line is not understood ({str(error).splitlines()[0]})") from error
        return table.combine_chunks().to_batches()[0]


def _incoming(lists: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Particle numbers in texts such as `[1,2]`, and the row that each stands in."""
    numbers = pc.split_pattern(pc.utf8_trim(lists, "[]"), ",")
    row = np.repeat(np.arange(len(lists)), np.diff(np.asarray(numbers.offsets)))
    flat = numbers.flatten()
    given = pc.not_equal(flat, "").to_numpy(zero_copy_only=False)
    try:
        return np.asarray(pc.cast(flat.filter(given), pa.int64())), row[given]
    except pa.ArrowInvalid as error:
        raise DamagedTextError("a vertex does not list its particles") from error


def _word(words: list[bytes], place: int, what: str) -> bytes:
    if len(words) <= place:
        raise DamagedTextError(f"{what} is cut short")
    return words[place]


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        raise DamagedTextError(f"'{text.decode(errors='replace')}' is not a number") from None
