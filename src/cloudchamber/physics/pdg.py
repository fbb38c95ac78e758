"""Additive quantum numbers of particles, from their PDG Monte Carlo numbers.

Net quark content (d, u, s, c, b) counts quarks minus antiquarks, read off the digits n_q1 n_q2 n_q3 of the
number as the PDG's numbering scheme defines them, or off Z and A of a nucleus; K0S and K0L are superpositions
and have none. Charges, names, masses and lifetimes come from the `particle` package.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "QuantumNumbers",
    "Species",
    "is_known",
    "name",
    "quantum_numbers",
    "quantum_table",
    "species",
    "symbol",
]

_QUARKS = {1: 0, 2: 1, 3: 2, 4: 3, 5: 4}
_LEPTONS = {11: 0, 12: 0, 13: 1, 14: 1, 15: 2, 16: 2}
_BOSONS = (22, 23, 24, 25)
_FIRST_HADRON = 101
"""Below are leptons, bosons, partons and codes that generators use inside."""
_MIXED = (130, 310)
_NUCLEUS = 1_000_000_000
_NOTHING = (0, 0, 0, 0, 0)
_NEUTRINOS = (12, 14, 16)
_GEV_PER_MEV = 1e-3


class QuantumNumbers(NamedTuple):
    """Additive quantum numbers of one species; charge in thirds of the proton's."""

    charge3: int
    baryon: int
    leptons: tuple[int, int, int]
    """Electron, muon and tau number."""
    flavours: tuple[int, int, int, int, int]
    """Net d, u, s, c, b quarks."""


@cache
def quantum_numbers(pdg_id: int) -> QuantumNumbers:
    """Quantum numbers of one species.

    Args:
        pdg_id: PDG Monte Carlo number.

    Raises:
        KeyError: if the number is not valid in the PDG's scheme, or of a parton or of a generator's inside.

    >>> quantum_numbers(2212)
    QuantumNumbers(charge3=3, baryon=1, leptons=(0, 0, 0), flavours=(1, 2, 0, 0, 0))
    >>> quantum_numbers(-211).flavours
    (1, -1, 0, 0, 0)
    """
    from particle import PDGID

    pdgid = PDGID(pdg_id)
    if not pdgid.is_valid or pdgid.three_charge is None:
        raise KeyError(f"{pdg_id} is not a valid PDG number")
    sign, code = (1 if pdg_id > 0 else -1), abs(pdg_id)
    if pdgid.is_diquark or (code < _FIRST_HADRON and code not in _LEPTONS and code not in _BOSONS):
        raise KeyError(f"{pdg_id} is a parton or a code that generators use inside, not a particle")
    leptons = [0, 0, 0]
    if code in _LEPTONS:
        leptons[_LEPTONS[code]] = sign
    baryon, flavours = _content(code)
    d, u, s, c, b = (sign * number for number in flavours)
    return QuantumNumbers(int(pdgid.three_charge), sign * baryon, (leptons[0], leptons[1], leptons[2]), (d, u, s, c, b))


def _content(code: int) -> tuple[int, tuple[int, ...]]:
    """Baryon number and net quarks of the species with this positive number."""
    if code > _NUCLEUS:
        protons, baryon, lambdas = (code // 10_000) % 1000, (code // 10) % 1000, (code // 10_000_000) % 10
        neutrons = baryon - protons - lambdas
        return baryon, (protons + 2 * neutrons + lambdas, 2 * protons + neutrons + lambdas, lambdas, 0, 0)
    if code <= 100 or code in _MIXED:
        return 0, _NOTHING
    flavours = [0, 0, 0, 0, 0]
    digits = (code // 1000) % 10, (code // 100) % 10, (code // 10) % 10
    if digits[0]:
        for quark in digits:
            flavours[_QUARKS[quark]] += 1
        return 1, tuple(flavours)
    # In a meson's positive number the heavier quark is a quark if it is of up type, else an antiquark.
    heavy = 1 if digits[1] % 2 == 0 else -1
    flavours[_QUARKS[digits[1]]] += heavy
    flavours[_QUARKS[digits[2]]] -= heavy
    return 0, tuple(flavours)


def is_known(pdg_id: int) -> bool:
    """Whether a number stands for a lepton, hadron, nucleus or boson with known quantum numbers.

    Args:
        pdg_id: PDG Monte Carlo number.

    >>> is_known(211), is_known(21), is_known(2101), is_known(99999)
    (True, False, False, False)
    """
    try:
        quantum_numbers(pdg_id)
    except KeyError:
        return False
    return True


class Species(NamedTuple):
    """Properties of one species as the PDG lists them, None where it lists none."""

    mass: float | None
    """GeV."""
    width: float | None
    """GeV; 0 where it is stable or long-lived beyond measurement."""
    c_tau: float | None
    """mm."""


@cache
def species(pdg_id: int) -> Species:
    """Mass, width and lifetime of one species.

    Args:
        pdg_id: PDG Monte Carlo number.

    >>> round(species(310).c_tau)
    27
    """
    from particle import Particle, ParticleNotFound

    if abs(pdg_id) in _NEUTRINOS:
        return Species(0.0, 0.0, math.inf)
    if abs(pdg_id) > _NUCLEUS:
        return Species(None, 0.0, math.inf)
    try:
        listed = Particle.from_pdgid(pdg_id)
    except ParticleNotFound:
        return Species(None, None, None)
    mass, width, c_tau = listed.mass, listed.width, listed.ctau
    return Species(
        None if mass is None else mass * _GEV_PER_MEV,
        None if width is None else width * _GEV_PER_MEV,
        None if c_tau is None else float(c_tau),
    )


def quantum_table(pdg_ids: ArrayLike) -> NDArray[np.int64]:
    """Quantum numbers of many particles.

    Args:
        pdg_ids: shape (n,).

    Returns:
        Shape (n, 10): charge3, baryon, electron, muon and tau number, net d, u, s, c, b.

    >>> quantum_table([11, 321])[:, 0].tolist()
    [-3, 3]
    """
    unique, inverse = np.unique(np.asarray(pdg_ids, dtype=np.int64), return_inverse=True)
    rows = [quantum_numbers(int(code)) for code in unique]
    table = np.array([[n.charge3, n.baryon, *n.leptons, *n.flavours] for n in rows], dtype=np.int64)
    return table.reshape(-1, 10)[inverse.reshape(-1)]


@cache
def name(pdg_id: int) -> str:
    """A plain-text name, such as `pi+`; the number itself where the species is unknown.

    Args:
        pdg_id: PDG Monte Carlo number.

    >>> name(-321)
    'K-'
    """
    from particle import Particle, ParticleNotFound

    try:
        return str(Particle.from_pdgid(pdg_id).name)
    except ParticleNotFound:
        return str(pdg_id)


@cache
def symbol(pdg_id: int) -> str:
    r"""A LaTeX name for figures.

    Args:
        pdg_id: PDG Monte Carlo number.

    >>> symbol(211)
    '$\\pi^{+}$'
    """
    from particle import Particle, ParticleNotFound

    try:
        return f"${Particle.from_pdgid(pdg_id).latex_name}$"
    except ParticleNotFound:
        return str(pdg_id)
