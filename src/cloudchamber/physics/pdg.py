"""Additive quantum numbers of particles, from their PDG Monte Carlo numbers.

Net quark content (d, u, s, c, b) counts quarks minus antiquarks, read off the digits n_q1 n_q2 n_q3 of the number as
the PDG's numbering scheme defines them; K0S and K0L are superpositions and have none. Charges and names come from the `particle` package.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["QuantumNumbers", "name", "quantum_numbers", "quantum_table", "symbol"]

_QUARKS = {1: 0, 2: 1, 3: 2, 4: 3, 5: 4}
_LEPTONS = {11: 0, 12: 0, 13: 1, 14: 1, 15: 2, 16: 2}
_MIXED = (130, 310)


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
        KeyError: if the number is not valid in the PDG's scheme.

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
    leptons, flavours = [0, 0, 0], [0, 0, 0, 0, 0]
    if code in _LEPTONS:
        leptons[_LEPTONS[code]] = sign
    baryon = 0
    if code > 100 and code not in _MIXED:
        q1, q2, q3 = (code // 1000) % 10, (code // 100) % 10, (code // 10) % 10
        if q1:
            baryon = sign
            for quark in (q1, q2, q3):
                flavours[_QUARKS[quark]] += sign
        else:
            # In a meson's positive number the heavier quark is a quark if it is of up type, else an antiquark.
            heavy = 1 if q2 % 2 == 0 else -1
            flavours[_QUARKS[q2]] += sign * heavy
            flavours[_QUARKS[q3]] -= sign * heavy
    return QuantumNumbers(int(pdgid.three_charge), baryon, (leptons[0], leptons[1], leptons[2]),
                          (flavours[0], flavours[1], flavours[2], flavours[3], flavours[4]))  # fmt: skip


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
