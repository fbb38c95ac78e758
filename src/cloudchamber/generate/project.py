r"""Exact four-momentum: the nearest hadronic system that the beams and the electron allow.

In the hadronic centre-of-mass frame the momenta must sum to zero and the energies to W. A model's errors are about
proportional to pT in the transverse plane, and about constant in rapidity Y, so the least-squares corrections are

    pT_i -> pT_i - w_i sum_j pT_j,    w_i = pT_i^2 / sum_j pT_j^2
    Y_i  -> Y_i + lambda_+ p+_i / W - lambda_- p-_i / W,    p+- = mT exp(+-Y)

with lambda_+- fixed by sum p+ = sum p- = W (Newton's method). Masses are untouched. Where that has no solution, the
system is boosted to rest along z and all momenta are scaled by one factor, which always works below sum m = W.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Projected", "project"]

Array = NDArray[np.float64]

_STEPS = 60
_TOLERANCE = 1e-13


class Projected(NamedTuple):
    """Momenta (E, px, py, pz) in the frame, shape (n, 4), and events that were rescaled instead, shape (B,)."""

    momentum: Array
    rescaled: NDArray[np.bool_]


class _Solution(NamedTuple):
    rapidity: Array
    solved: NDArray[np.bool_]


def project(momentum: Array, mass: Array, event: NDArray[np.int64], W: Array) -> Projected:
    """Move momenta as little as possible so that each event sums to (W, 0, 0, 0).

    Args:
        momentum: (E, px, py, pz) in the hadronic frame, shape (n, 4), GeV; the energy is not used.
        mass: GeV, shape (n,).
        event: event number of each particle, shape (n,).
        W: invariant mass of the hadrons of each event, GeV, shape (B,), above the sum of their masses.
    """
    px, py = (_balance(momentum, axis, event, len(W)) for axis in (1, 2))
    mt = np.sqrt(mass**2 + px**2 + py**2)
    solution = _rapidities(np.arcsinh(momentum[:, 3] / mt), mt, event, W)
    pz = mt * np.sinh(solution.rapidity)
    moved = np.stack([mt * np.cosh(solution.rapidity), px, py, pz], axis=-1)
    bad = ~solution.solved
    if bad.any():
        rows = bad[event]
        at_rest = np.stack([px, py, momentum[:, 3]], axis=-1)[rows]
        number = np.cumsum(bad)[event[rows]] - 1
        moved[rows] = _rescale(at_rest, mass[rows], number, W[bad])
    return Projected(moved, bad)


def _balance(momentum: Array, axis: int, event: NDArray[np.int64], events: int) -> Array:
    """One transverse component with its sum removed."""
    square = momentum[:, 1] ** 2 + momentum[:, 2] ** 2 + 1e-30
    share = square / _total(square, event, events)[event]
    balanced: Array = momentum[:, axis] - share * _total(momentum[:, axis], event, events)[event]
    return balanced


def _rapidities(rapidity: Array, mt: Array, event: NDArray[np.int64], W: Array) -> _Solution:
    """Rapidities with sum mT exp(+-Y) = W, by Newton's method in (lambda_+, lambda_-)."""
    events, scale = len(W), W[event]
    plus, minus = mt * np.exp(rapidity) / scale, mt * np.exp(-rapidity) / scale
    lam = np.zeros((2, events))
    solved = np.zeros(events, dtype=bool)
    moved = rapidity
    for _ in range(_STEPS):
        moved = rapidity + lam[0][event] * plus - lam[1][event] * minus
        up, down = mt * np.exp(np.minimum(moved, 50)) / scale, mt * np.exp(np.minimum(-moved, 50)) / scale
        excess = np.stack([_total(up, event, events) - 1, _total(down, event, events) - 1])
        solved = np.abs(excess).max(0) < _TOLERANCE
        if solved.all():
            break
        j11, j12 = _total(up * plus, event, events), -_total(up * minus, event, events)
        j21, j22 = -_total(down * plus, event, events), _total(down * minus, event, events)
        determinant = j11 * j22 - j12 * j21
        determinant = np.where(np.abs(determinant) < 1e-300, 1e-300, determinant)
        step = np.stack([j22 * excess[0] - j12 * excess[1], j11 * excess[1] - j21 * excess[0]]) / determinant
        lam = lam - np.where(solved, 0.0, np.clip(step, -1, 1))
    return _Solution(moved, solved & (np.abs(lam).max(0) < 10))


def _rescale(momentum: Array, mass: Array, event: NDArray[np.int64], W: Array) -> Array:
    """Boost along z to rest, then scale momenta by a factor f with sum sqrt(m^2 + f^2 p^2) = W."""
    events = len(W)
    energy = np.sqrt(mass**2 + (momentum**2).sum(-1))
    beta = _total(momentum[:, 2], event, events) / _total(energy, event, events)
    gamma = 1 / np.sqrt(1 - beta**2)
    pz = gamma[event] * (momentum[:, 2] - beta[event] * energy)
    square = momentum[:, 0] ** 2 + momentum[:, 1] ** 2 + pz**2
    factor = np.ones(events)
    for _ in range(_STEPS):
        scaled = np.sqrt(mass**2 + factor[event] ** 2 * square)
        excess = _total(scaled, event, events) - W
        slope = _total(factor[event] * square / np.maximum(scaled, 1e-300), event, events)
        factor = np.maximum(factor - excess / np.maximum(slope, 1e-300), factor * 0.1)
        if np.all(np.abs(excess) < _TOLERANCE * W):
            break
    f = factor[event]
    return np.stack([np.sqrt(mass**2 + f**2 * square), f * momentum[:, 0], f * momentum[:, 1], f * pz], axis=-1)


def _total(values: Array, event: NDArray[np.int64], events: int) -> Array:
    """Sum over the particles of each event."""
    return np.bincount(event, weights=values, minlength=events).astype(np.float64, copy=False)
