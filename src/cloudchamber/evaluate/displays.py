"""Events to look at: a few of the candidate, each beside the reference event that is most like it.

The candidate's are its first events, so nobody chose them. Beside each stands the reference event that is nearest in
ln Q2, ln x and the number of particles, each in units of its spread in the reference.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.sample import Sample
from cloudchamber.physics.kinematics import azimuth_difference

__all__ = ["GROUPS", "SHOWN", "Display", "Shown", "Track", "choose_displays"]

Array = NDArray[np.float64]

SHOWN = 12
"""Pairs of events in a report."""


class Group(NamedTuple):
    """Particles that are drawn alike."""

    key: str
    name: str
    codes: tuple[int, ...]


GROUPS = (
    Group("e", "scattered electron", ()),
    Group("pi", "π⁺ π⁻", (211, -211)),
    Group("k", "kaons", (321, -321, 130, 310)),
    Group("g", "photons", (22,)),
    Group("n", "nucleons", (2212, -2212, 2112, -2112)),
    Group("o", "others", ()),
)
"""The first is the scattered electron alone, the last whatever is in no other."""


class Track(NamedTuple):
    """One particle."""

    group: int
    """Number in `GROUPS`."""
    eta: float
    phi: float
    """Azimuth from the scattered electron in radians, -pi/2 to 3 pi/2."""
    p: float
    """Size of the momentum in GeV."""


class Shown(NamedTuple):
    """One event: its particles, the hardest last, and Q2 in GeV^2 and x by the electron method."""

    tracks: tuple[Track, ...]
    Q2: float
    x: float


@dataclass(frozen=True)
class Display:
    """An event of the candidate beside one of the reference."""

    candidate: Shown
    reference: Shown


def choose_displays(candidate: Sample, reference: Sample, number: int = SHOWN) -> tuple[Display, ...]:
    """The first events of a candidate and their likes.

    Args:
        candidate: at least one event.
        reference: where to look for their likes.
        number: how many.
    """
    few = candidate[: min(number, len(candidate))]
    ours, theirs = _coordinates(few), _coordinates(reference)
    spread = np.maximum(theirs.std(axis=0), 1e-9)
    free = np.ones(len(theirs), dtype=bool)
    found = []
    for k, point in enumerate(ours):
        distance = np.where(free, (((theirs - point) / spread) ** 2).sum(axis=1), np.inf)
        likest = int(np.argmin(distance))
        free[likest] = len(theirs) < number
        found.append(Display(_shown(few, k), _shown(reference, likest)))
    return tuple(found)


def _coordinates(sample: Sample) -> Array:
    Q2, x = (np.log(np.maximum(v, 1e-9)) for v in (sample.dis.Q2, sample.dis.x))
    return np.stack([Q2, x, np.diff(sample.offsets).astype(np.float64)], axis=-1)


def _shown(sample: Sample, k: int) -> Shown:
    rows = np.arange(sample.offsets[k], sample.offsets[k + 1])
    p, codes = sample.momenta(rows), sample.pdg_id[rows]
    group = np.full(len(rows), len(GROUPS) - 1)
    for number, kind in enumerate(GROUPS):
        group[np.isin(codes, kind.codes)] = number
    group[0] = 0
    phi = azimuth_difference(p.phi, p.phi[:1])
    phi = np.where(phi < -np.pi / 2, phi + 2 * np.pi, phi)
    order = np.argsort(p.p)
    tracks = tuple(
        Track(int(group[i]), round(float(p.eta[i]), 3), round(float(phi[i]), 3), round(float(p.p[i]), 3)) for i in order
    )
    return Shown(tracks, float(sample.dis.Q2[k]), float(sample.dis.x[k]))
