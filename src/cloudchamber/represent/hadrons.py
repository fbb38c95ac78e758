"""Hadrons in the hadronic centre-of-mass frame of their events (`physics.dis`), as flat columns, and in the lab."""

from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams, Events
from cloudchamber.physics.dis import dis_variables, from_frame, hadronic_tetrad, to_frame
from cloudchamber.represent.species import SpeciesTable

__all__ = ["PLATEAU_W0", "Cylinders", "Hadrons", "cylinders", "four_momenta", "hadrons_of", "plateau", "to_lab"]

Array = NDArray[np.float64]

PLATEAU_W0 = 0.4
"""GeV; a pion's transverse mass, where the rapidity plateau ends."""


class Hadrons(NamedTuple):
    """Flat columns of the hadronic system: event number, species index, mass, frame momentum (E, px, py, pz)."""

    event: NDArray[np.int64]
    kind: NDArray[np.int64]
    mass: Array
    momentum: Array


class Cylinders(NamedTuple):
    """Species index, pT in GeV and rapidity over ln(W / W0) of hadrons, each of shape (n,)."""

    kind: NDArray[np.int64]
    pt: Array
    scaled: Array


def four_momenta(particles: ak.Array) -> Array:
    """(E, px, py, pz) in float64 with the energy from the mass shell, shape (n, 4), GeV.

    Args:
        particles: flat records with px, py, pz, mass.
    """
    px, py, pz, mass = (ak.to_numpy(particles[name]).astype(np.float64) for name in ("px", "py", "pz", "mass"))
    return np.stack([np.sqrt(px**2 + py**2 + pz**2 + mass**2), px, py, pz], axis=-1)


def to_lab(momentum: Array, event: NDArray[np.int64], scattered: Array, beams: Beams) -> Array:
    """Lab four-momenta of hadrons from the hadronic frame of their events.

    Args:
        momentum: (E, px, py, pz) in the frame, shape (n, 4).
        event: event number of each, shape (n,).
        scattered: four-momenta of the electrons, shape (B, 4).
        beams: energies in GeV.
    """
    return from_frame(momentum, hadronic_tetrad(scattered, beams)[event])


def hadrons_of(events: Events, species: SpeciesTable) -> tuple[Hadrons, Array]:
    """Hadrons in their frame, and W of each event in GeV.

    Args:
        events: the scattered electron first in each, with known beams.
        species: gives the index.
    """
    beams = events.run.beams
    assert beams is not None
    scattered = four_momenta(events.electron)
    flat = ak.flatten(events.hadronic)
    event = np.repeat(np.arange(len(events)), events.counts - 1)
    momentum = to_frame(four_momenta(flat), hadronic_tetrad(scattered, beams)[event])
    mass = ak.to_numpy(flat.mass).astype(np.float64)
    index = species.index(ak.to_numpy(flat.pdg_id))
    return Hadrons(event, index, mass, momentum), np.sqrt(dis_variables(scattered, beams).W2)


def cylinders(hadrons: Hadrons, W: Array) -> Cylinders:
    """Species, pT and scaled rapidity of hadrons in their frame.

    Args:
        hadrons: in their frame.
        W: of each event, GeV.
    """
    pt = np.hypot(hadrons.momentum[:, 1], hadrons.momentum[:, 2])
    mt = np.maximum(np.hypot(pt, hadrons.mass), 1e-9)
    return Cylinders(hadrons.kind, pt, np.arcsinh(hadrons.momentum[:, 3] / mt) / plateau(W)[hadrons.event])


def plateau(W: Array) -> Array:
    """The scale ln(W / W0) of rapidities.

    Args:
        W: GeV, any shape.
    """
    scale: Array = np.log(np.maximum(W, 1.0) / PLATEAU_W0)
    return scale
