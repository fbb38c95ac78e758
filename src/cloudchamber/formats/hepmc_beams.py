"""The beams of a run as HepMC3 wants them: status-4 particles, and attributes of the run."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.events import RunInfo
from cloudchamber.physics.dis import ELECTRON_MASS, PROTON_MASS, beam_momenta

__all__ = ["Beam", "beam_attributes", "beams_of"]


class Beam(NamedTuple):
    """One beam particle; four-momentum (E, px, py, pz) and mass in GeV."""

    pdg_id: int
    momentum: NDArray[np.float64]
    mass: float


def beams_of(run: RunInfo) -> tuple[Beam, Beam]:
    """The beams, that along -z first.

    Args:
        run: metadata of a sample.

    Raises:
        InputError: if it names none.
    """
    if run.protons is not None:
        return _proton(run.protons.energy, -1), _proton(run.protons.energy, 1)
    if run.beams is None:
        raise InputError("HepMC3 needs the beams, and the metadata does not name them; make the events anew.")
    found = beam_momenta(run.beams)
    return Beam(11, found.electron, ELECTRON_MASS), Beam(2212, found.proton, PROTON_MASS)


def _proton(energy: float, direction: int) -> Beam:
    pz = direction * np.sqrt(energy**2 - PROTON_MASS**2)
    return Beam(2212, np.array([energy, 0.0, 0.0, pz]), PROTON_MASS)


def beam_attributes(run: RunInfo) -> dict[str, str]:
    """Attributes of the run that name energies and kinds, as in EIC productions for electron and proton.

    Args:
        run: metadata of a sample.

    Raises:
        InputError: if it names no beams.
    """
    first, second = beams_of(run)
    if run.beams is None:
        return {f"beam_{k}_{what}": text for k, beam in enumerate((first, second), 1)
                for what, text in (("energy", repr(float(beam.momentum[0]))), ("pdg", str(beam.pdg_id)))}  # fmt: skip
    return {
        "electron_beam_energy": repr(run.beams.electron),
        "electron_beam_pdg": str(first.pdg_id),
        "ion_beam_energy": repr(run.beams.hadron),
        "ion_beam_pdg": str(second.pdg_id),
    }
