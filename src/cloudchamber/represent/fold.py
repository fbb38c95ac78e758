r"""Decays of infinitely narrow particles, folded back before learning and unfolded after it.

At level `stable` the photons of a pi0 have its mass, m(gamma gamma) = m(pi0): a delta function, which no smooth model
of single momenta can learn. `represent.exact_pairs` finds such pairs by their rounding. Folding puts the parent in
their place, with the sum of their three-momenta and on its mass shell; unfolding lets it decay, isotropically in its
rest frame, as a particle without spin or polarisation does:

    k = sqrt(lambda(M^2, m_1^2, m_2^2)) / 2 M        p_1 = k + P (k P / (E + M) + e_1) / M,

and the same with -k and e_2 for the other daughter. The decays are

    pi0 -> gamma gamma        eta -> gamma gamma        Sigma0 -> Lambda gamma        anti-Sigma0 -> anti-Lambda gamma.

All other decays, such as pi0 -> e- e+ gamma, stay as they are. Generators differ in the last digits of their masses, so
the masses are measured on the sample. Nothing is found where momenta were smeared or in sets that hold the parents.

The density of a folded event is that of its parents; each decay adds the constant 1 / (4 pi) on its sphere, or
1 / (2 pi) on the half of it where the daughters are alike and nobody can tell one from the other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import Events
from cloudchamber.events.events import MOMENTUM_COLUMNS
from cloudchamber.physics.pdg import species
from cloudchamber.represent.exact_pairs import (
    Array,
    Decay,
    Pairs,
    Particles,
    Rows,
    exclusive,
    pairs_by_daughters,
    pull,
)
from cloudchamber.tensors.rng import Rng

__all__ = ["DECAYS", "Folding", "decayed", "replaced"]

DECAYS = (
    Decay(111, 22, 22),
    Decay(221, 22, 22),
    Decay(3212, 3122, 22),
    Decay(-3212, -3122, 22),
    Decay(113, 211, -211),
    Decay(2224, 2212, 211),
    Decay(-2224, -2212, -211),
    Decay(2114, 2212, -211),
    Decay(-2114, -2212, 211),
    Decay(1114, 2112, -211),
    Decay(-1114, -2112, 211),
    Decay(421, -321, 211),
    Decay(-421, 321, -211),
)

_SEARCH = 1e-3
"""Relative distance from the listed mass within which a generator's mass is looked for."""
_SAME = 2e-7
"""Relative distance of masses that may be one, rounded."""
_NEAR = 1e-4
"""Relative distance from the generator's mass within which chance pairs must be fewer than pairs of that mass."""
_COARSE = 1e-3
"""Relative deviation of m^2 above which no tolerance is worked out."""
_FEWEST = 3
"""Pairs of equal mass that make a parent."""
_FIT_EVENTS = 50_000
_STEP = 20_000
"""Events that are folded together, which bounds the memory."""


class Folding:
    """Events <-> the same events with narrow parents in place of their two daughters.

    Args:
        masses: GeV by PDG number, of the parents in `DECAYS` to fold and of their daughters.
    """

    def __init__(self, masses: Mapping[int, float]) -> None:
        self.masses = dict(masses)
        self.decays = tuple(decay for decay in DECAYS if decay.parent in self.masses)

    @classmethod
    def fit(cls, events: Events) -> "Folding":
        """The parents that a sample holds, with the masses that its generator gave them.

        Args:
            events: final states; the first 50,000 are looked at.
        """
        particles = Particles.of(events[:_FIT_EVENTS])
        masses: dict[int, float] = {}
        for pairs, decays in pairs_by_daughters(particles, DECAYS):
            for decay in decays:
                mass = _measured_mass(particles, pairs, species(decay.parent).mass or 0.0)
                if mass is not None:
                    daughters = {number: _median(particles.mass[particles.pdg_id == number]) for number in decay[1:]}
                    masses |= {decay.parent: mass, **daughters}
        return cls(masses)

    def fold(self, events: Events) -> Events:
        """Parents in place of their daughters, where the first of these stood.

        Args:
            events: final states, momenta of any precision; other columns than momenta, mass and number are dropped.

        Returns:
            The same events with float64 momenta; all other particles bit for bit and in their order.
        """
        starts = range(0, max(len(events), 1), _STEP)
        return Events.concatenate([self._folded(events[start : start + _STEP]) for start in starts])

    def unfold(self, events: Events, rng: Rng) -> Events:
        """Isotropic decays of all parents, the daughters in the place of each.

        Args:
            events: with parents; other columns than momenta, mass and number are dropped.
            rng: random streams, one for each event.

        Returns:
            Final states with float64 momenta.
        """
        return decayed(events, self.decays, self.masses, rng)

    def log_unfold(self, events: Events) -> Array:
        """Ln of the density of all decays on their spheres given the folded event, shape (B,).

        Args:
            events: final states, as `fold` takes them.
        """
        starts = range(0, max(len(events), 1), _STEP)
        return np.concatenate([self._log_unfold(Particles.of(events[start : start + _STEP])) for start in starts])

    def _log_unfold(self, particles: Particles) -> Array:
        parent, first, _ = self._found(particles)
        alike = [decay.parent for decay in self.decays if decay.first == decay.second]
        logs = -np.log(np.where(np.isin(parent, alike), 2 * np.pi, 4 * np.pi))
        out = np.bincount(particles.event[first], logs, minlength=particles.events)
        return out.astype(np.float64, copy=False)

    def state(self) -> dict[str, Tensor]:
        """The tensors that define the folding."""
        numbers, masses = list(self.masses), list(self.masses.values())
        return {
            "pdg_ids": torch.tensor(numbers, dtype=torch.long),
            "masses": torch.tensor(masses, dtype=torch.float64),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "Folding":
        """The folding that `state` came from.

        Args:
            state: tensors by name.
        """
        return cls(dict(zip(state["pdg_ids"].tolist(), state["masses"].tolist(), strict=True)))

    def _folded(self, events: Events) -> Events:
        particles = Particles.of(events)
        found = self._found(particles)
        return replaced(events, particles, found, np.array([self.masses[number] for number in found[0].tolist()]))

    def _found(self, particles: Particles) -> Rows:
        """PDG numbers of parents, and the rows of their first and second daughters, shape (3, n)."""
        parts, pulls = [np.zeros((3, 0), dtype=np.int64)], [np.zeros(0)]
        for pairs, decays in pairs_by_daughters(particles, self.decays):
            for decay in decays:
                mass = self.masses[decay.parent]
                near = pairs.select(np.abs(pairs.square - mass**2) < _COARSE * mass**2)
                deviation = pull(particles, near, mass)
                good = deviation <= 1
                parents = np.full(int(good.sum()), decay.parent)
                parts.append(np.stack([parents, near.first[good], near.second[good]]))
                pulls.append(deviation[good])
        found = np.concatenate(parts, axis=1)
        return found[:, exclusive(found[1], found[2], np.concatenate(pulls))]


def replaced(events: Events, particles: Particles, found: Rows, masses: Array) -> Events:
    """Events with parents in place of pairs, where the first of the two stood, with the sum of their momenta.

    Args:
        events: final states.
        particles: theirs.
        found: PDG numbers of parents, and the rows of their first and second daughters, shape (3, n).
        masses: of the parents, shape (n,), GeV.
    """
    parent, first, second = found
    place, gone = np.minimum(first, second), np.maximum(first, second)
    columns, numbers = _rows(particles), particles.pdg_id.copy()
    columns[place, :3] += columns[gone, :3]
    columns[place, 3] = masses
    numbers[place] = parent
    keep = np.ones(len(numbers), dtype=bool)
    keep[gone] = False
    counts = np.bincount(particles.event[keep], minlength=len(events))
    return _assembled(events, counts, numbers[keep], columns[keep])


def decayed(events: Events, decays: Sequence[Decay], masses: Mapping[int, float], rng: Rng) -> Events:
    """Isotropic decays of all parents, the daughters in the place of each.

    Args:
        events: with parents; other columns than momenta, mass and number are dropped.
        decays: one for each parent.
        masses: of the daughters by PDG number, GeV.
        rng: random streams, one for each event.

    Returns:
        Events with float64 momenta.
    """
    particles = Particles.of(events)
    parents = np.flatnonzero(np.isin(particles.pdg_id, [decay.parent for decay in decays]))
    copies = np.ones(len(particles.mass), dtype=np.int64)
    copies[parents] = 2
    first = (np.cumsum(copies) - copies)[parents]
    columns = np.repeat(_rows(particles), copies, axis=0)
    numbers = np.repeat(particles.pdg_id, copies)
    directions = _directions(particles.event[parents], len(events), rng)
    for decay in decays:
        mine = particles.pdg_id[parents] == decay.parent
        made = _daughters(
            _rows(particles)[parents[mine]], (masses[decay.first], masses[decay.second]), directions[mine]
        )
        for step, number in enumerate(decay[1:]):
            columns[first[mine] + step], numbers[first[mine] + step] = made[step], number
    counts = np.bincount(particles.event, weights=copies, minlength=len(events))
    return _assembled(events, counts.astype(np.int64), numbers, columns)


def _measured_mass(particles: Particles, pairs: Pairs, listed: float) -> float | None:
    """The exact mass that most pairs near the listed mass share; None where chance pairs are more."""
    mass = np.sqrt(np.maximum(pairs.square, 0))
    sought = np.sort(mass[np.abs(mass - listed) < _SEARCH * listed])
    if len(sought) < _FEWEST:
        return None
    behind = np.searchsorted(sought, sought * (1 + _SAME), side="right")
    first = int(np.argmax(behind - np.arange(len(sought))))
    common = _median(sought[first : behind[first]])
    near = np.abs(mass - common) < _NEAR * common
    same = int((pull(particles, pairs.select(near), common) <= 1).sum())
    return common if same >= max(_FEWEST, near.sum() / 2) else None


def _median(values: Array) -> float:
    """The median to seven digits, more than which a rounded sample does not hold."""
    return float(f"{np.median(values):.7g}")


def _directions(event: Rows, events: int, rng: Rng) -> Array:
    """Unit vectors, uniform on the sphere, for parents in the order of their events, shape (n, 3)."""
    counts = np.bincount(event, minlength=events)
    place = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    drawn = rng.uniform(int(counts.max(initial=0)), 2).cpu().double().numpy()[event, place]
    cosine, azimuth = 2 * drawn[:, 0] - 1, 2 * np.pi * drawn[:, 1]
    sine = np.sqrt(1 - cosine**2)
    return np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=-1)


def _daughters(parents: Array, masses: tuple[float, float], directions: Array) -> tuple[Array, Array]:
    """Both daughters of two-body decays.

    Args:
        parents: px, py, pz and mass in GeV, shape (n, 4).
        masses: of the daughters, GeV.
        directions: of the first daughter in the rest frame, shape (n, 3).

    Returns:
        The columns px, py, pz and mass of each daughter, shape (n, 4) each.
    """
    P, M = parents[:, :3], parents[:, 3:]
    one, two = masses
    k = np.sqrt((M**2 - (one + two) ** 2) * (M**2 - (one - two) ** 2)) / (2 * M) * directions
    E = np.sqrt((P**2).sum(-1, keepdims=True) + M**2)
    along = (k * P).sum(-1, keepdims=True) / (E + M)

    def boosted(k: Array, along: Array, mine: float, other: float) -> Array:
        energy = (M**2 + mine**2 - other**2) / (2 * M)
        return np.column_stack([k + P * (along + energy) / M, np.full(len(P), mine)])

    return boosted(k, along, one, two), boosted(-k, -along, two, one)


def _rows(particles: Particles) -> Array:
    """The columns px, py, pz and mass, shape (k, 4)."""
    return np.column_stack([*particles.momentum, particles.mass])


def _assembled(events: Events, counts: Rows, numbers: NDArray[Any], columns: Array) -> Events:
    """Events with the weights and the metadata of others."""
    named = dict(zip(MOMENTUM_COLUMNS, columns.T, strict=True))
    return Events.from_flat(counts, {"pdg_id": numbers, **named}, events.weight, events.run)
