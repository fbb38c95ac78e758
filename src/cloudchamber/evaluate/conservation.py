"""Residuals of the conservation laws: candidate beside reference."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams, Events
from cloudchamber.physics.conservation import residuals as event_residuals

__all__ = ["Residual", "residuals"]

Array = NDArray[np.float64]
_LAWS = (
    ("energy", "GeV"),
    ("px", "GeV"),
    ("py", "GeV"),
    ("pz", "GeV"),
    ("charge", "e"),
    ("baryon number", ""),
    ("electron number", ""),
    ("muon number", ""),
    ("tau number", ""),
)
_BLOCK = 20_000


@dataclass(frozen=True)
class Residual:
    """How well one law holds.

    Attributes:
        law: what is conserved.
        unit: unit of the residuals.
        candidate: largest and root-mean-square residual of the candidate.
        reference: the same of the reference.
    """

    law: str
    unit: str
    candidate: tuple[float, float]
    reference: tuple[float, float]


def residuals(candidate: Events, reference: Events, beams: Beams) -> tuple[Residual, ...]:
    """Largest and root-mean-square residual of every law, over all events alike.

    Args:
        candidate: the events to judge.
        reference: what they are compared with.
        beams: energies in GeV.
    """
    a, b = _summary(candidate, beams), _summary(reference, beams)
    return tuple(Residual(law, unit, a[k], b[k]) for k, (law, unit) in enumerate(_LAWS))


def _summary(events: Events, beams: Beams) -> list[tuple[float, float]]:
    largest, squares = np.zeros(len(_LAWS)), np.zeros(len(_LAWS))
    for start in range(0, len(events), _BLOCK):
        block = _matrix(events[start : start + _BLOCK], beams)
        largest = np.maximum(largest, np.abs(block).max(axis=0))
        squares += (block**2).sum(axis=0)
    return [(float(m), float(s)) for m, s in zip(largest, np.sqrt(squares / len(events)), strict=True)]


def _matrix(events: Events, beams: Beams) -> Array:
    found = event_residuals(events, beams)
    return np.column_stack([found.momentum, found.charge3 / 3, found.baryon, found.leptons])
