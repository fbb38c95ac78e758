"""The scattered electron of records that other generators wrote, in whatever order.

It is the final electron whose line of ancestors consists of electrons alone and begins with the beam's. Where no
electron or more than one has such a line (many files join all particles to one vertex), it is the one of highest pT
among them: of neutral-current events at Q2 > 25 GeV2 with all their decays, not one in 4,000 of Pythia8's has a
secondary electron of higher pT than the scattered one (a test counts them). At low Q2 the line of ancestors should be
written.
"""

import numpy as np
from numpy.typing import NDArray

from cloudchamber.formats.hepmc_text import Particles, Vertices

__all__ = ["first_electrons", "scattered_electrons"]

Rows = NDArray[np.int64]
_ELECTRON, _BEAM, _FINAL = 11, 4, 1


def first_electrons(particles: Particles) -> Rows:
    """Row of the first final electron of each event that has one.

    Args:
        particles: of a block of events.
    """
    columns = particles.columns
    rows = np.flatnonzero((columns["status"] == _FINAL) & (columns["pdg_id"] == _ELECTRON))
    return rows[np.unique(particles.event[rows], return_index=True)[1]]


def scattered_electrons(particles: Particles, vertices: Vertices, first: Rows, entered: Rows) -> Rows:
    """Row of the scattered electron of each event that has a final electron.

    Args:
        particles: of a block of events.
        vertices: of the block.
        first: row of the first particle of each event, shape (n + 1,).
        entered: row of each particle that enters a vertex, as `vertices.incoming` lists them.
    """
    columns = particles.columns
    rows = np.flatnonzero((columns["status"] == _FINAL) & (columns["pdg_id"] == _ELECTRON))
    other = ~_from_beam(rows, particles, _mothers(rows, particles, vertices, first, entered))
    pt, event = np.hypot(columns["px"][rows], columns["py"][rows]), particles.event[rows]
    order = np.lexsort((-pt, other, event))
    return rows[order[np.unique(event[order], return_index=True)[1]]]


def _mothers(rows: Rows, particles: Particles, vertices: Vertices, first: Rows, entered: Rows) -> Rows:
    """Row of the electron that every particle comes from, -1 where it comes from none, shape (particles,)."""
    parent, event = particles.columns["parent"].astype(np.int64), particles.event
    mothers = np.full(len(parent), -1)
    if not len(rows):
        return mothers
    direct = np.flatnonzero((parent > 0) & (parent <= np.diff(first)[event]))
    mothers[direct] = first[event[direct]] + parent[direct] - 1
    electron = np.flatnonzero(particles.columns["pdg_id"][entered] == _ELECTRON)
    incoming = np.full(len(vertices.id), -1)
    incoming[vertices.vertex_of_incoming[electron][::-1]] = entered[electron][::-1]
    if len(vertices.id):
        depth = 1 - int(min(vertices.id.min(), parent.min()))
        keys, after = vertices.event * depth - vertices.id, np.flatnonzero(parent < 0)
        order, wanted = np.argsort(keys), event[after] * depth - parent[after]
        found = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(order) - 1)]
        mothers[after] = np.where(keys[found] == wanted, incoming[found], -1)
    electrons = particles.columns["pdg_id"][mothers] == _ELECTRON
    return np.where((mothers >= 0) & electrons, mothers, -1)


def _from_beam(rows: Rows, particles: Particles, mothers: Rows) -> NDArray[np.bool_]:
    """Whether the line of electrons that each row comes from begins with a beam."""
    status, at = particles.columns["status"], rows.copy()
    for _ in range(len(mothers)):
        above = mothers[at]
        moving = (above >= 0) & (status[at] != _BEAM)
        if not moving.any():
            break
        at = np.where(moving, above, at)
    result: NDArray[np.bool_] = status[at] == _BEAM
    return result
