r"""What is known of the next number of a sequence of muons and jets before it is drawn.

Where it may lie: azimuths on a circle, those of later jets outside of the arcs around earlier jets (`separation`), pT
of jets above 20 GeV and, in falling order, below that of the jet before, if the map leaves these edges to the model.
And where it is likely to lie: jets recoil from what there is already, so azimuths are best told from the direction
opposite to the sum of the particles before, and a model is told the size, rapidity and mass of that sum. Jets also come
in pairs: a model is told where earlier jets lie from that direction and in pseudorapidity, and the arcs around them.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from cloudchamber.physics.zjets import MOST_JETS, PT_MIN, R_MIN
from cloudchamber.represent.separation import Separation
from cloudchamber.represent.vector_map import JET_SIZE, MUONS_SIZE, VectorMap, is_azimuth, jet_columns
from cloudchamber.tensors.bijections import Affine
from cloudchamber.tensors.support import Circle, Interval, Line, Support

__all__ = ["JetRules", "Recoil"]

_LINE = Line()
_OF_JET_PT, _OF_JET_ETA, _OF_JET_PHI = 0, 1, 3
_TOLD_OF_ALL, _TOLD_OF_JET = 5, 4
_PT_SCALE, _MASS_SCALE = 50.0, 100.0
"""GeV."""
_FAR = 1e3
"""Where nothing bounds a score."""


class Recoil(NamedTuple):
    """What recoils.

    Attributes:
        direction: opposite to the sum of the particles before, shape (B,).
        told: ln of its pT and mass over typical ones, its rapidity, and the direction's cosine and sine; then for each
            of two earlier jets the cosine and sine of its azimuth from the direction, the pseudorapidity of the new jet
            (zero until it is known) less its own, and half of the arc around it; shape (B, 13), zero inside of the
            muons and for jets that are not there.
        near: places of two earlier jets: azimuths for an azimuth, scores for a pseudorapidity, shape (B, 2); zero for
            other numbers and for jets that are not there.
    """

    direction: Tensor
    told: Tensor
    near: Tensor


class JetRules:
    """The rules of a sequence of scores of the layout `sequence` of `represent.vector`.

    Args:
        vector_map: values <-> coordinates; azimuths must be on the circle.
        affine: coordinates <-> scores, one by one.
    """

    NEAR = MOST_JETS - 1
    TOLD = _TOLD_OF_ALL + _TOLD_OF_JET * NEAR

    def __init__(self, vector_map: VectorMap, affine: Affine) -> None:
        self.map, self.affine = vector_map, affine
        self.mean, self.scale = affine.mean, 1 / affine.matrix.diagonal()
        self._separation = Separation(self.mean, self.scale, R_MIN)

    @property
    def circular(self) -> tuple[bool, ...]:
        """Which numbers are angles."""
        return tuple(is_azimuth(column) for column in range(len(self.mean)))

    def support(self, column: int, rows: Tensor) -> Support:
        """Where a number may lie.

        Args:
            column: of the number.
            rows: the scores so far, shape (B, at least column).
        """
        if self.circular[column]:
            return Circle(self._separation(column, rows))
        jet, place = divmod(column - MUONS_SIZE, JET_SIZE)
        if jet < 0 or place != _OF_JET_PT or self.map.threshold != "edge":
            return _LINE
        mean, scale = (tensor[column].to(rows.device) for tensor in (self.mean, self.scale))
        low = ((math.log(PT_MIN) - mean) / scale).expand(len(rows))
        if jet == 0 or not self.map.ordered:
            return Interval(low, low + _FAR)
        log_pt = self._coordinate(column - JET_SIZE, rows)
        return Interval(low, torch.maximum(low, (log_pt - mean) / scale))

    def recoil(self, column: int, rows: Tensor) -> Recoil:
        """What recoils from the number.

        Args:
            column: of the number.
            rows: the scores so far, shape (B, at least column).
        """
        jet, place = divmod(column - MUONS_SIZE, JET_SIZE)
        if jet < 0:
            direction = torch.full((len(rows),), math.pi, dtype=torch.float64, device=rows.device)
            nothing = torch.zeros(len(rows), self.TOLD + self.NEAR, device=rows.device)
            return Recoil(direction, nothing[:, : self.TOLD], nothing[:, self.TOLD :].double())
        known = MUONS_SIZE + JET_SIZE * jet
        coordinates = rows[:, :known].double() * self.scale[:known].to(rows.device) + self.mean[:known].to(rows.device)
        values = self.map.inverse(coordinates)
        px, py, pz, energy = _summed(values)
        pt, direction = torch.hypot(px, py), torch.atan2(-py, -px)
        mass = ((energy - pz) * (energy + pz) - pt.square()).clamp(min=1).sqrt()
        rapidity = ((energy + pz) / (energy - pz).clamp(min=1e-9)).clamp(min=1e-9).log() / 2
        told = [(pt / _PT_SCALE + 1e-3).log(), (mass / _MASS_SCALE).log(), rapidity, direction.cos(), direction.sin()]
        own = known + _OF_JET_ETA
        eta = torch.zeros_like(pt) if place <= _OF_JET_ETA else self._coordinate(own, rows)
        for _, eta_before, _, phi in jet_columns(values):
            turn, gap = values[:, phi] - direction, eta - values[:, eta_before]
            arc = (R_MIN**2 - gap.square()).clamp(min=0).sqrt() if place > _OF_JET_ETA else torch.zeros_like(gap)
            told += [turn.cos(), turn.sin(), gap, arc]
        told += [torch.zeros_like(pt)] * (self.TOLD - len(told))
        return Recoil(direction, torch.stack(told, dim=1).float(), self._near(column, values))

    def _near(self, column: int, values: Tensor) -> Tensor:
        """Places of the earlier jets, whose values are known."""
        place = (column - MUONS_SIZE) % JET_SIZE
        near = values.new_zeros(len(values), self.NEAR)
        if place in (_OF_JET_ETA, _OF_JET_PHI):
            mean, scale = (tensor[column].to(values.device) for tensor in (self.mean, self.scale))
            for k, jet in enumerate(jet_columns(values)):
                near[:, k] = values[:, jet[place]] if place == _OF_JET_PHI else (values[:, jet[place]] - mean) / scale
        return near

    def _coordinate(self, column: int, rows: Tensor) -> Tensor:
        scale, mean = (tensor[column].to(rows.device) for tensor in (self.scale, self.mean))
        return rows[:, column].double() * scale + mean


def _summed(values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Momentum and energy of all particles of some rows together, each of shape (B,)."""
    zero = torch.zeros_like(values[:, 0])
    particles = [(values[:, 0], values[:, 1], zero, zero), (values[:, 2], values[:, 3], values[:, 4], zero)]
    particles += [tuple(values[:, k] for k in (pt, eta, phi, m)) for pt, eta, m, phi in jet_columns(values)]  # type: ignore[misc]
    pt, eta, phi, mass = (torch.stack(column, dim=1) for column in zip(*particles, strict=True))
    pz = pt * torch.sinh(eta)
    energy = (pt.square() + pz.square() + mass.square()).sqrt()
    return (pt * phi.cos()).sum(1), (pt * phi.sin()).sum(1), pz.sum(1), energy.sum(1)
