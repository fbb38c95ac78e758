r"""Events from tensors, in torch alone, so that derivatives pass: `represent.cloud` and `physics.dis` once more.

With the beams l and P and the scattered electron l' (four-vectors, metric +---), as in `physics.dis`,

    P.l' = (1 - y) P.l        l.l' = Q2 / 2 + m^2        W2 = M^2 + 2 y P.l - Q2

fix the electron and the axes of the hadronic centre-of-mass frame. All maps are piecewise linear and monotone, so
derivatives exist but at their knots. What is discrete (species, multiplicity) has no derivative and is given.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cloudchamber.events import Beams
from cloudchamber.physics.dis import ELECTRON_MASS, beam_momenta
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.represent.electron import LEAST_RANGE, LN_W
from cloudchamber.represent.hadrons import PLATEAU_W0

__all__ = [
    "Inclusive",
    "electron_scores",
    "electron_variables",
    "hadron_momenta",
    "hadronic_mass",
    "lab_electrons",
    "species_context",
]


class Inclusive(NamedTuple):
    """Q2 (GeV2) and y of scattered electrons, each of shape (B,)."""

    Q2: Tensor
    y: Tensor


def electron_scores(electron: Inclusive, representation: CloudRepresentation) -> Tensor:
    """Scores of electrons as the stages are told of them, shape (B, 2), float64.

    Args:
        electron: Q2 and y.
        representation: of the model.
    """
    low, high = _edges(electron.Q2, representation)
    values = torch.stack([electron.Q2.log(), (electron.y.log() - low) / (high - low)], dim=-1)
    return representation.electron.quantiles.forward(values, _rows(values))


def electron_variables(scores: Tensor, representation: CloudRepresentation) -> Inclusive:
    """Electrons from scores: the inverse of `electron_scores`.

    Args:
        scores: shape (B, 2).
        representation: of the model.
    """
    a, b = representation.electron.quantiles.inverse(scores, _rows(scores), bounded=True).unbind(-1)
    low, high = _edges(a.exp(), representation)
    return Inclusive(a.exp(), torch.exp(low + b * (high - low)))


def species_context(electron: Inclusive, counts: Tensor, representation: CloudRepresentation) -> Tensor:
    """What the cloud stage is told of an event, as `CloudRepresentation.context`, shape (B, 4).

    Args:
        electron: Q2 and y.
        counts: hadronic particles, shape (B,).
        representation: of the model.
    """
    scores = electron_scores(electron, representation)
    log_w = hadronic_mass(electron, representation.beams).log() - LN_W
    return torch.cat([scores, log_w[:, None], torch.log(counts[:, None].to(scores) / 10)], dim=1)


def hadronic_mass(electron: Inclusive, beams: Beams) -> Tensor:
    """W in GeV, at least 1, shape (B,).

    Args:
        electron: Q2 and y.
        beams: energies in GeV.
    """
    beam, proton = _beams(electron.Q2, beams)
    W2 = _dot(proton, proton) + 2 * electron.y * _dot(proton, beam) - electron.Q2
    return W2.clamp(min=1.0).sqrt()


def lab_electrons(electron: Inclusive, phi: Tensor, beams: Beams) -> Tensor:
    """Scattered electrons (E, px, py, pz) in the lab, shape (B, 4), GeV.

    Args:
        electron: Q2 and y.
        phi: azimuth in radians, shape (B,).
        beams: energies in GeV.
    """
    beam, proton = _beams(electron.Q2, beams)
    to_proton = (1 - electron.y) * _dot(proton, beam)
    to_beam = electron.Q2 / 2 + ELECTRON_MASS**2
    determinant = -proton[0] * beam[3] + proton[3] * beam[0]
    energy = (-to_proton * beam[3] + to_beam * proton[3]) / determinant
    pz = (proton[0] * to_beam - beam[0] * to_proton) / determinant
    pt = (energy**2 - pz**2 - ELECTRON_MASS**2).sqrt()
    return torch.stack([energy, pt * phi.cos(), pt * phi.sin(), pz], dim=-1)


def hadron_momenta(
    cloud: Tensor, tokens: Tensor, masses: Tensor, scattered: Tensor, representation: CloudRepresentation
) -> Tensor:
    """Lab four-momenta (E, px, py, pz) of hadrons from their scores, shape (B, N, 4), GeV.

    Args:
        cloud: momentum scores, shape (B, N, 3).
        tokens: species indices, shape (B, N).
        masses: GeV, shape (B, N).
        scattered: lab four-momenta of the electrons, shape (B, 4).
        representation: of the model.
    """
    axes = _tetrad(scattered, representation.beams)
    beam, proton = _beams(scattered, representation.beams)
    total = proton + beam - scattered
    W = _dot(total, total).clamp(min=1.0).sqrt()
    row = representation.pool[tokens]
    length = cloud[..., :2].double().square().sum(-1).clamp(min=1e-24).sqrt()
    pt = representation.transverse.inverse(length, row)
    rapidity = representation.longitudinal.inverse(cloud[..., 2], row) * torch.log(W / PLATEAU_W0)[:, None]
    mt = (masses**2 + pt**2).sqrt()
    transverse = cloud[..., :2].double() * (pt / length)[..., None]
    momentum = torch.cat([(mt * rapidity.cosh())[..., None], transverse, (mt * rapidity.sinh())[..., None]], dim=-1)
    return torch.einsum("bni,bij->bnj", momentum, axes)


def _edges(Q2: Tensor, representation: CloudRepresentation) -> tuple[Tensor, Tensor]:
    """Ln y_lo and ln y_hi, as in `represent.electron`."""
    beams = representation.beams
    low = torch.log(Q2 / (4 * beams.electron * beams.hadron))
    high = torch.log1p(-(representation.electron.pt_min**2 / Q2).clamp(max=0.5))
    return low, torch.maximum(high, low + LEAST_RANGE)


def _rows(values: Tensor) -> Tensor:
    return torch.arange(2).expand(len(values), 2)


def _beams(like: Tensor, beams: Beams) -> tuple[Tensor, Tensor]:
    beam, proton = beam_momenta(beams)
    return torch.from_numpy(np.asarray(beam)).to(like), torch.from_numpy(np.asarray(proton)).to(like)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 0] - (a[..., 1:] * b[..., 1:]).sum(-1)


def _spacelike(vector: Tensor, e_t: Tensor, others: list[Tensor]) -> Tensor:
    rest = vector - _dot(vector, e_t)[:, None] * e_t
    for axis in others:
        rest = rest + _dot(rest, axis)[:, None] * axis
    return rest / (-_dot(rest, rest)).sqrt()[:, None]


def _tetrad(scattered: Tensor, beams: Beams) -> Tensor:
    """Axes (e_t, e_x, e_y, e_z) of the hadronic frame, shape (B, 4 axes, 4 components); see `physics.dis`."""
    beam, proton = _beams(scattered, beams)
    total = proton + beam - scattered
    e_t = total / _dot(total, total).sqrt()[:, None]
    e_z = _spacelike(proton.expand_as(total), e_t, [])
    e_x = _spacelike(scattered, e_t, [e_z])
    rows, columns = torch.stack([e_t, e_z, e_x], dim=1), torch.arange(4)
    cofactors = [(-1) ** k * torch.linalg.det(rows[:, :, columns != k]) for k in range(4)]
    e_y = torch.stack([cofactors[0], *(-c for c in cofactors[1:])], dim=-1)
    return torch.stack([e_t, e_x, e_y, e_z], dim=1)
