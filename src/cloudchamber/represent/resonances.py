r"""Broad resonances out of pairs of final particles, by lot, and back.

A smooth model of single momenta does not learn a peak in the mass of pairs unless it is trained for very long. Where no
record says which pairs come from a resonance, the spectrum of their masses still says how many: in a window around the
mass M a least-squares fit splits the density of pairs,

    T(m) = S(m) + B(m),        S(m) = c m G / ((m^2 - M^2)^2 + M^2 G^2),        B(m) a polynomial of second degree.

Each pair of mass m is taken for a decay with the probability S(m) / T(m), its parent stands in its place with the mass
m, and what is left of the pairs has the smooth spectrum B. The parents decay isotropically after generation, which puts
the peak back. Whether the split is true does not matter for masses and momenta, since nothing is lost or doubled; only
the angles of the pairs that were no decays become isotropic. Of pairs that share a particle the one with the larger
probability is taken. The lot is a hash of the pair's momenta, so that an event is always folded in the same way.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import Events
from cloudchamber.physics.pdg import species
from cloudchamber.represent.exact_pairs import Array, Decay, Pairs, Particles, Rows, exclusive, pairs_by_daughters
from cloudchamber.represent.fold import decayed, replaced
from cloudchamber.tensors.rng import Rng

__all__ = ["WINDOWS", "Resonances", "Window"]


class Window(NamedTuple):
    """Where a resonance is looked for.

    Attributes:
        decay: parent and daughters.
        width: G in GeV.
        reach: half the window in units of G.
    """

    decay: Decay
    width: float
    reach: float


WINDOWS = (
    Window(Decay(313, 321, -211), 0.0487, 2.0),
    Window(Decay(-313, -321, 211), 0.0487, 2.0),
    Window(Decay(323, 310, 211), 0.0508, 2.0),
    Window(Decay(-323, 310, -211), 0.0508, 2.0),
    Window(Decay(333, 321, -321), 0.00426, 3.5),
    Window(Decay(2224, 2212, 211), 0.117, 1.0),
    Window(Decay(-2224, -2212, -211), 0.117, 1.0),
    Window(Decay(113, 211, -211), 0.1491, 1.0),
)
_BINS = 64
_FIT_EVENTS = 200_000
_STEP = 20_000
_FEWEST = 2_000
"""Pairs in a window that make a fit worth while."""


class Resonances:
    """Events <-> the same events with resonances in place of some pairs.

    Args:
        shares: probability S / T that a pair is a decay in equal bins of its window, shape (64,), by parent.
        masses: of the daughters by PDG number, GeV.
    """

    def __init__(self, shares: Mapping[int, Array], masses: Mapping[int, float]) -> None:
        self.shares, self.masses = dict(shares), dict(masses)
        self.windows = tuple(window for window in WINDOWS if window.decay.parent in self.shares)

    @classmethod
    def fit(cls, events: Events) -> "Resonances":
        """The resonances that a sample shows.

        Args:
            events: final states; the first 200,000 are looked at.
        """
        parts = [Particles.of(events[a : a + _STEP]) for a in range(0, min(len(events), _FIT_EVENTS), _STEP)]
        shares: dict[int, Array] = {}
        masses: dict[int, float] = {}
        for window in WINDOWS:
            counts = sum(np.bincount(_bins(pairs, window)[1], minlength=_BINS)
                         for particles in parts for pairs in _candidates(particles, window))  # fmt: skip
            share = _share(np.asarray(counts), window)
            if share is not None:
                shares[window.decay.parent] = share
                for number in window.decay[1:]:
                    masses[number] = _mass_of(parts, number)
        return cls(shares, masses)

    def fold(self, events: Events) -> Events:
        """Resonances in place of the pairs that the lot picks.

        Args:
            events: final states; other columns than momenta, mass and number are dropped.
        """
        starts = range(0, max(len(events), 1), _STEP)
        return Events.concatenate([self._folded(events[start : start + _STEP]) for start in starts])

    def unfold(self, events: Events, rng: Rng) -> Events:
        """Isotropic decays of all resonances.

        Args:
            events: with resonances.
            rng: random streams, one for each event.
        """
        return decayed(events, [window.decay for window in self.windows], self.masses, rng)

    def state(self) -> dict[str, Tensor]:
        """The tensors that define the folding."""
        return {
            "parents": torch.tensor(list(self.shares), dtype=torch.long),
            "shares": torch.from_numpy(np.stack(list(self.shares.values()))),
            "pdg_ids": torch.tensor(list(self.masses), dtype=torch.long),
            "masses": torch.tensor(list(self.masses.values()), dtype=torch.float64),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "Resonances":
        """The folding that `state` came from.

        Args:
            state: tensors by name.
        """
        return cls(
            dict(zip(state["parents"].tolist(), state["shares"].numpy(), strict=True)),
            dict(zip(state["pdg_ids"].tolist(), state["masses"].tolist(), strict=True)),
        )

    def log_unfold(self, events: Events) -> Array:
        r"""Ln p(final state | folded) - ln q(folded | final state) of each event, shape (B,).

        A parent of mass m decays isotropically, with the momentum k of its daughters in its rest frame:
        (d^3p_1 / E_1) (d^3p_2 / E_2) = (d^3P / E) k dm dOmega, so each gives -ln(4 pi k). The lot takes a pair with the
        probability s, unless the pair shares a particle with one that was taken before it, so

            ln q = sum over taken pairs of ln s + sum over pairs that could have been taken of ln(1 - s).

        Args:
            events: final states, as `fold` takes them.
        """
        starts = range(0, max(len(events), 1), _STEP)
        return np.concatenate([self._log_unfold(Particles.of(events[a : a + _STEP])) for a in starts])

    def _log_unfold(self, particles: Particles) -> Array:
        found = self._found(particles)
        free, taken = ~found.taken & ~found.blocked(particles), found.taken
        with np.errstate(divide="ignore"):
            lot = np.where(taken, np.log(found.share), np.where(free, np.log1p(-found.share), 0.0))
        one, two = (particles.mass[rows] for rows in (found.first, found.second))
        k = _breakup(found.mass[taken], one[taken], two[taken])
        decays = np.bincount(particles.event[found.first[taken]], -np.log(4 * np.pi * k), minlength=particles.events)
        out = decays - np.bincount(particles.event[found.first], lot, minlength=particles.events)
        return out.astype(np.float64, copy=False)

    def _folded(self, events: Events) -> Events:
        particles = Particles.of(events)
        found = self._found(particles)
        chosen = np.stack([found.parent, found.first, found.second])[:, found.taken]
        return replaced(events, particles, chosen, found.mass[found.taken])

    def _found(self, particles: Particles) -> "_Found":
        parts = [_Found(*(np.zeros(0, dtype=kind) for kind in (int, int, int, float, float, bool)))]
        for window in self.windows:
            for pairs in _candidates(particles, window):
                inside, bins = _bins(pairs, window)
                near, share = pairs.select(inside), self.shares[window.decay.parent][bins]
                parent = np.full(len(near.first), window.decay.parent)
                drawn = _lot(particles, near) < share
                parts.append(_Found(parent, near.first, near.second, np.sqrt(near.square), share, drawn))
        found = _Found(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        rows = np.flatnonzero(found.taken)
        kept = exclusive(found.first[rows], found.second[rows], -found.share[rows])
        taken = np.zeros(len(found.share), dtype=bool)
        taken[rows[kept]] = True
        return found._replace(taken=taken)


class _Found(NamedTuple):
    """Pairs inside the windows, and which of them the lot took, each of shape (n,)."""

    parent: Rows
    first: Rows
    second: Rows
    mass: Array
    share: Array
    taken: NDArray[np.bool_]

    def blocked(self, particles: Particles) -> NDArray[np.bool_]:
        """Pairs that share a particle with a pair that is taken before them."""
        rank = np.empty(len(self.share), dtype=np.int64)
        rank[np.argsort(-self.share, kind="stable")] = np.arange(len(self.share))
        used = np.full(len(particles.mass), len(rank))
        for rows in (self.first, self.second):
            used[rows[self.taken]] = rank[self.taken]
        out: NDArray[np.bool_] = np.minimum(used[self.first], used[self.second]) < rank
        return out


def _candidates(particles: Particles, window: Window) -> list[Pairs]:
    return [pairs for pairs, _ in pairs_by_daughters(particles, [window.decay])]


def _breakup(mass: Array, one: Array, two: Array) -> Array:
    """Momentum of the daughters in the rest frame of their parent, GeV."""
    out: Array = np.sqrt((mass**2 - (one + two) ** 2) * (mass**2 - (one - two) ** 2)) / (2 * mass)
    return out


def _edges(window: Window) -> tuple[float, float]:
    """Lowest and highest mass of a window, GeV."""
    mass = _nominal(window.decay.parent)
    threshold = sum(_nominal(number) for number in window.decay[1:])
    return max(mass - window.reach * window.width, threshold), mass + window.reach * window.width


def _nominal(pdg_id: int) -> float:
    return species(pdg_id).mass or 0.0


def _bins(pairs: Pairs, window: Window) -> tuple[Rows, Rows]:
    """Numbers of the pairs inside a window, and the bin of each."""
    low, high = _edges(window)
    position = (np.sqrt(np.maximum(pairs.square, 0.0)) - low) / (high - low) * _BINS
    inside = np.flatnonzero((position >= 0) & (position < _BINS))
    return inside, position[inside].astype(np.int64)


def _share(counts: NDArray[np.int64], window: Window) -> Array | None:
    """S / T in each bin; None where the peak does not stand out by five standard deviations."""
    if counts.sum() < _FEWEST:
        return None
    low, high = _edges(window)
    m = low + (np.arange(_BINS) + 0.5) * (high - low) / _BINS
    mass = _nominal(window.decay.parent)
    peak = m * window.width / ((m**2 - mass**2) ** 2 + (mass * window.width) ** 2)
    x = (m - mass) / (high - low)
    design = np.stack([peak / peak.max(), np.ones_like(x), x, x**2], axis=-1)
    error = np.sqrt(np.maximum(counts, 1.0))
    covariance = np.linalg.inv((design / error[:, None]).T @ (design / error[:, None]))
    best = covariance @ (design / error[:, None]).T @ (counts / error)
    if best[0] < 5 * np.sqrt(covariance[0, 0]):
        return None
    share: Array = np.clip(best[0] * design[:, 0] / np.maximum(design @ best, 1e-9), 0.0, 1.0)
    return share


def _lot(particles: Particles, pairs: Pairs) -> Array:
    """Numbers uniform in [0, 1) that are a function of the momenta of each pair, shape (n,)."""
    mixed = np.zeros(len(pairs.first), dtype=np.uint64)
    for column in particles.momentum:
        for rows in (pairs.first, pairs.second):
            bits = np.ascontiguousarray(column[rows]).view(np.uint64)
            mixed = (mixed ^ bits) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
    mixed = mixed * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    out: Array = (mixed >> np.uint64(11)).astype(np.float64) / 2**53
    return out


def _mass_of(parts: list[Particles], pdg_id: int) -> float:
    """The mass that a sample gives to a species, to seven digits."""
    found = np.concatenate([particles.mass[particles.pdg_id == pdg_id] for particles in parts])
    return float(f"{np.median(found):.7g}")
