r"""Z + jets: two muons of opposite charge and one to three jets, as arXiv:2305.10475 defines them.

    jets: anti-kT, R = 0.4, pT > 20 GeV          Delta R_jj = sqrt(d_eta^2 + d_phi^2) > 0.4

Events hold the muon, the antimuon, then the jets in falling pT. A jet is no particle: it has the PDG's number for a
cluster of a jet algorithm, 97, and in HepMC3 the status of documentation, 3, so that no simulation of a detector takes
it for one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Events

__all__ = [
    "JET", "JET_STATUS", "MOST_JETS", "MUON", "MUON_MASS", "PT_MIN", "PT_ROUNDING", "RADIUS", "R_MIN", "JetEvents",
    "closest_pair", "faults", "readable",
]  # fmt: skip

Array = NDArray[np.float64]

JET, JET_STATUS, MUON = 97, 3, 13
MUON_MASS = 0.1056583755
"""GeV."""
RADIUS, PT_MIN, R_MIN, MOST_JETS = 0.4, 20.0, 0.4, 3
PT_ROUNDING = 1e-4
"""What float32 columns may move pT by, GeV."""
_R_ROUNDING = 1e-6
"""What they may move Delta R by."""


class JetEvents(NamedTuple):
    """Events of one multiplicity as arrays.

    Attributes:
        pt: transverse momenta of muon, antimuon and jets in GeV, shape (n, 2 + jets).
        eta: pseudorapidities, shape (n, 2 + jets).
        phi: azimuths, shape (n, 2 + jets).
        mass: GeV, shape (n, 2 + jets).
    """

    pt: Array
    eta: Array
    phi: Array
    mass: Array

    @classmethod
    def of(cls, events: Events) -> "JetEvents":
        """The arrays of events that all have as many particles.

        Args:
            events: at least one.
        """
        columns = (events.flat(name).astype(np.float64).reshape(len(events), -1) for name in ("px", "py", "pz", "mass"))
        px, py, pz, mass = columns
        pt = np.hypot(px, py)
        with np.errstate(divide="ignore", invalid="ignore"):
            return cls(pt, np.arcsinh(pz / pt), np.arctan2(py, px), mass)

    def momenta(self) -> Array:
        """Momenta (px, py, pz) in GeV, shape (n, 2 + jets, 3)."""
        return np.stack([self.pt * np.cos(self.phi), self.pt * np.sin(self.phi), self.pt * np.sinh(self.eta)], axis=-1)


def closest_pair(jets: JetEvents) -> Array:
    """Smallest Delta R of two jets in each event, infinite where there is one jet, shape (n,).

    Args:
        jets: events of one multiplicity.

    >>> two = JetEvents(*np.array([[[9, 9, 9, 9.]], [[0, 0, 1, 4.]], [[0, 0, 3, -3.]], [[0, 0, 0, 0.]]]))
    >>> closest_pair(two).round(3).tolist()
    [3.013]
    """
    closest = np.full(len(jets.pt), np.inf)
    for i in range(2, jets.pt.shape[1]):
        for j in range(i + 1, jets.pt.shape[1]):
            turn = np.remainder(jets.phi[:, i] - jets.phi[:, j] + np.pi, 2 * np.pi) - np.pi
            closest = np.minimum(closest, np.hypot(jets.eta[:, i] - jets.eta[:, j], turn))
    return closest


def readable(events: Events) -> NDArray[np.bool_]:
    """Which events are a muon, an antimuon and one to three jets, all finite, shape (n,).

    Args:
        events: a sample.
    """
    counts, offsets = events.counts, events.offsets
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    kinds = events.flat("pdg_id")
    good = kinds == np.select([place == 0, place == 1], [MUON, -MUON], JET)
    for name in ("px", "py", "pz", "mass"):
        good &= np.isfinite(events.flat(name))
    bad = np.bincount(np.repeat(np.arange(len(events)), counts), ~good, minlength=len(events))
    return np.asarray((bad == 0) & (counts >= 3) & (counts <= 2 + MOST_JETS))


def faults(events: Events) -> Array:
    """1 where an event is not a muon, an antimuon, then one to three separated jets in falling pT, shape (n,).

    Args:
        events: a sample.
    """
    faulty, counts = np.ones(len(events)), events.counts
    for size in range(3, 3 + MOST_JETS):
        rows = np.flatnonzero(counts == size)
        if not len(rows):
            continue
        chosen = events[rows]
        kinds, jets = chosen.flat("pdg_id").reshape(len(rows), -1), JetEvents.of(chosen)
        good = (kinds == [MUON, -MUON, *[JET] * (size - 2)]).all(1)
        good &= (jets.pt[:, 2:] > PT_MIN - PT_ROUNDING).all(1)
        good &= (np.diff(jets.pt[:, 2:], axis=1) <= PT_ROUNDING).all(1)
        faulty[rows] = ~(good & (closest_pair(jets) > R_MIN - _R_ROUNDING))
    return faulty
