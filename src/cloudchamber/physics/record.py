"""A record: events, with the facts beside their particles that only some formats hold.

`conventions` judges records. HepMC3 stores units, beams, energies and vertices with every event; Parquet and
ROOT store particles and metadata, and leave these facts to the schema.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Events

__all__ = ["Record", "RecordFacts"]


@dataclass(frozen=True)
class RecordFacts:
    """What a HepMC3 file says besides its particles; arrays have one entry per event unless said otherwise.

    Attributes:
        standard_units: whether the file said GEV and MM.
        beam_count: particles of status 4.
        beam_ids: PDG numbers of the beams with pz <= 0 and with pz > 0, shape (n, 2), 0 where there is none.
        beam_momenta: their (E, px, py, pz) in GeV, shape (n, 2, 4), NaN where there is none.
        joined_beams: whether one vertex takes in both beams.
        status_faults: final particles that end in a vertex, and decayed ones that do not.
        cross_section_pb: NaN where there is none.
        energy: energies as written, shape (number of particles,), in GeV.
    """

    standard_units: NDArray[np.bool_]
    beam_count: NDArray[np.int64]
    beam_ids: NDArray[np.int64]
    beam_momenta: NDArray[np.float64]
    joined_beams: NDArray[np.bool_]
    status_faults: NDArray[np.int64]
    cross_section_pb: NDArray[np.float64]
    energy: NDArray[np.float64]


@dataclass(frozen=True)
class Record:
    """Consecutive events of a file.

    Attributes:
        events: the particles.
        first: number of the first event in the file, from 0.
        facts: what the format says besides, if it does.
    """

    events: Events
    first: int = 0
    facts: RecordFacts | None = None
