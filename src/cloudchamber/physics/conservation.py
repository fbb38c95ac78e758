"""Conservation laws: what the final particles of an event have more than the beams.

    residual = sum over final particles - sum over beams

for the four-momentum (E, px, py, pz) with E = sqrt(p^2 + m^2) in float64, and for charge, baryon number, the
three lepton numbers and the net quark flavours. The flavours are those of strong processes: they hold for the
hadrons that leave the string, before any decays, so they are given only where an event still has them.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams, Events, Level
from cloudchamber.physics import pdg
from cloudchamber.physics.dis import beam_momenta

__all__ = ["InitialState", "Residuals", "energies", "initial_state", "residuals", "sum_per_event"]

Array = NDArray[np.float64]
_PHOTON = 22
Number = TypeVar("Number", np.int64, np.float64)


class InitialState(NamedTuple):
    """Sums over the beams, the same for all events or one for each."""

    momentum: Array
    """(E, px, py, pz) in GeV, shape (4,) or (n, 4)."""
    numbers: NDArray[np.int64]
    """Quantum numbers as in `pdg.quantum_table`, shape (10,) or (n, 10)."""


@dataclass(frozen=True)
class Residuals:
    """Final state minus initial state of each event.

    Attributes:
        momentum: (E, px, py, pz) in GeV, shape (n, 4).
        charge3: charge in thirds of the proton's, shape (n,).
        baryon: shape (n,).
        leptons: electron, muon and tau number, shape (n, 3).
        flavours: net d, u, s, c, b quarks, shape (n, 5); None where the hadrons before decays are not known.
    """

    momentum: Array
    charge3: NDArray[np.int64]
    baryon: NDArray[np.int64]
    leptons: NDArray[np.int64]
    flavours: NDArray[np.int64] | None


def initial_state(beams: Beams) -> InitialState:
    """Sums over head-on electron and proton beams.

    Args:
        beams: energies in GeV.
    """
    momenta = beam_momenta(beams)
    return InitialState(momenta.electron + momenta.proton, pdg.quantum_table([11, 2212]).sum(0))


def residuals(events: Events, initial: Beams | InitialState, energy: Array | None = None) -> Residuals:
    """What each event violates, and by how much.

    Particles of unknown species count as neutral. Decayed particles (status 2) are left out of all but the
    flavours.

    Args:
        events: the sample.
        initial: beams, or the sums over others.
        energy: energies of all particles in GeV, shape (number of particles,); from the masses by default.

    >>> pair = Events.from_flat([2], {"pdg_id": np.array([11, 2212]), "px": np.zeros(2), "py": np.zeros(2),
    ...                               "pz": np.array([-10.0, 275.0]), "mass": np.array([0.000511, 0.93827])})
    >>> int(residuals(pair, Beams(electron=10, hadron=275)).charge3[0])
    0
    """
    start = initial_state(initial) if isinstance(initial, Beams) else initial
    final = events.flat("status") == 1 if "status" in events.columns else np.ones(events.offsets[-1], dtype=bool)
    numbers = _quantum_numbers(events)
    momentum = np.stack(
        [energies(events) if energy is None else energy, *(events.flat(name) for name in ("px", "py", "pz"))],
        axis=-1,
    ).astype(np.float64)
    summed = sum_per_event(events, numbers * final[:, None]) - start.numbers
    return Residuals(
        momentum=sum_per_event(events, np.where(final[:, None], momentum, 0.0)) - start.momentum,
        charge3=summed[:, 0],
        baryon=summed[:, 1],
        leptons=summed[:, 2:5],
        flavours=_flavours(events, numbers, start),
    )


def energies(events: Events) -> Array:
    """Energies in float64 of all particles, shape (number of particles,), in GeV.

    Args:
        events: the sample.
    """
    squares = [events.flat(name).astype(np.float64) ** 2 for name in ("px", "py", "pz", "mass")]
    energy: Array = np.sqrt(np.sum(squares, axis=0))
    return energy


def sum_per_event(events: Events, values: NDArray[Number]) -> NDArray[Number]:
    """Sums over the particles of each event.

    Args:
        events: the sample.
        values: shape (number of particles, k).

    Returns:
        Shape (n, k).
    """
    counts = events.counts
    total: NDArray[Number] = np.zeros((len(counts), values.shape[1]), dtype=values.dtype)
    filled = counts > 0
    if filled.any():
        total[filled] = np.add.reduceat(values, events.offsets[:-1][filled], axis=0)
    return total


def _quantum_numbers(events: Events) -> NDArray[np.int64]:
    species, inverse = np.unique(events.flat("pdg_id"), return_inverse=True)
    known = [int(code) if pdg.is_known(int(code)) else _PHOTON for code in species]
    return pdg.quantum_table(known)[inverse]


def _flavours(events: Events, numbers: NDArray[np.int64], start: InitialState) -> NDArray[np.int64] | None:
    """Flavour residuals of the particles that come from the primary vertex."""
    if "mother" in events.columns:
        numbers = numbers * (events.flat("mother") < 0)[:, None]
    elif events.run.level is not Level.PRIMARY:
        return None
    flavours: NDArray[np.int64] = sum_per_event(events, numbers)[:, 5:] - start.numbers[..., 5:]
    return flavours
