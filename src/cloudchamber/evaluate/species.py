"""The species that are judged one by one, and the features of their particles.

The scattered electron is a species of its own and is left out of all others but `all`. Everything is meant
for the `stable` level, where neutral pions and all other hadrons with c tau <= 10 mm have decayed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams
from cloudchamber.physics.kinematics import Momenta, azimuth_difference

__all__ = ["FEATURES", "HADRONIC", "SPECIES", "Feature", "Species", "feature_named", "species_named"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Species:
    """A group of particles.

    Attributes:
        key: name in files and tables.
        symbol: name for figures, plain or LaTeX.
        codes: PDG numbers; empty for every species.
        scattered: only the scattered electron.
        everything: all particles, the scattered electron among them.
        with_scattered: whether the scattered electron is one of them.
    """

    key: str
    symbol: str
    codes: tuple[int, ...] = ()
    scattered: bool = False
    everything: bool = False
    with_scattered: bool = False


SPECIES = (
    Species("e'", "e′", scattered=True),
    Species("pi+", "π⁺", (211,)),
    Species("pi-", "π⁻", (-211,)),
    Species("K+", "K⁺", (321,)),
    Species("K-", "K⁻", (-321,)),
    Species("gamma", "γ", (22,)),
    Species("p", "p", (2212,)),
    Species("n", "n", (2112,)),
    Species("pbar", r"$\bar{p}$", (-2212,)),
    Species("nbar", r"$\bar{n}$", (-2112,)),
    Species("K0S", r"$K^{0}_{S}$", (310,)),
    Species("K0L", r"$K^{0}_{L}$", (130,)),
    Species("Lambda", "Λ", (3122,)),
    Species("Lambdabar", r"$\bar{\Lambda}$", (-3122,)),
    Species(
        "hyperons",
        "Σ, Ξ, Ω",
        tuple(s * c for c in (3112, 3222, 3312, 3322, 3334) for s in (1, -1)),
    ),
    Species("e+-", "e±", (11, -11)),
    Species("mu+-", "μ±", (13, -13)),
    Species("neutrinos", "ν", (12, -12, 14, -14, 16, -16)),
    Species("all", "all particles", everything=True),
)
HADRONIC = Species("hadronic", "hadronic final state")
"""Every particle but the scattered electron."""


def species_named(key: str) -> Species:
    """A species by its key.

    Args:
        key: such as `pi+`.
    """
    return next(species for species in SPECIES if species.key == key)


@dataclass(frozen=True)
class Feature:
    """A number for each particle.

    Attributes:
        key: name in files and tables.
        symbol: LaTeX name for figures.
        unit: unit of the value and of its W1.
        description: in words.
        of: from momenta, azimuth of the event's scattered electron and beams to values, shape (k,).
        circular: whether it is an angle.
        trivial_for_electron: whether it is constant for the scattered electron.
    """

    key: str
    symbol: str
    unit: str
    description: str
    of: Callable[[Momenta, Array, Beams], Array]
    circular: bool = False
    trivial_for_electron: bool = False


FEATURES = (
    Feature("pT", r"$p_\mathrm{T}$", "GeV", "transverse momentum", lambda p, _phi, _beams: p.pt),
    Feature("eta", r"$\eta$", "", "pseudorapidity", lambda p, _phi, _beams: p.eta),
    Feature("z", r"$z$", "", "momentum fraction", lambda p, _phi, beams: p.z(beams)),
    Feature("phi", r"$\phi$", "rad", "azimuth", lambda p, _phi, _beams: p.phi, circular=True),
    Feature("dphi", r"$\phi - \phi_{e^{\prime}}$", "rad", "azimuth relative to the scattered electron",
            lambda p, phi, _beams: azimuth_difference(p.phi, phi), circular=True, trivial_for_electron=True),
)  # fmt: skip


def feature_named(key: str) -> Feature:
    """A feature by its key.

    Args:
        key: such as `pT`.
    """
    return next(feature for feature in FEATURES if feature.key == key)
