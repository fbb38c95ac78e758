r"""What is known of the next number of a sequence of muons and jets before it is drawn.

Where it may lie: azimuths on a circle, those of later jets outside of the arcs around earlier jets (`separation`), pT
of jets above 20 GeV and, in falling order, below that of the jet before, if the map leaves these edges to the model.
And where it is likely to lie: jets recoil from what there is already, so azimuths are best told from the direction
opposite to the sum of the particles before, and a model is told the size, rapidity and mass of that sum. Jets also come
in pairs: a model is told where earlier jets lie from that direction and in pseudorapidity, the arcs around them, and
the places on both sides of them where a jet is often found; and steps of Delta R around them (shells) in which jets are
less or more frequent. Two equal beams prefer no direction, so an event is as probable as its mirror images.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cloudchamber.physics.zjets import MOST_JETS, PT_MIN, R_MIN
from cloudchamber.represent.separation import Separation
from cloudchamber.represent.vector_map import (
    JET_SIZE,
    MUONS_SIZE,
    VectorMap,
    is_azimuth,
    is_pseudorapidity,
    jet_columns,
)
from cloudchamber.tensors.bijections import Affine
from cloudchamber.tensors.rng import Rng
from cloudchamber.tensors.support import Circle, Interval, Line, Support

__all__ = ["JetRules", "Recoil"]

_LINE = Line()
_OF_JET_PT, _OF_JET_ETA, _OF_JET_PHI = 0, 1, 3
_NEARBY = (0.5, 1.0, 2.0)
"""Widths of what is told of a gap in pseudorapidity: collinear jets are up to a few radii apart."""
_FREQUENT = 0.55
"""Delta R of most pairs of jets: jets that are nearer have often become one."""
_SHELLS = (0.42, 0.44, 0.46, 0.48, 0.5, 0.54, 0.58, 0.64, 0.72, 0.85, 0.95, 1.05, 1.2, 1.4, 1.7)
"""Delta R up to which pairs of jets are more or less frequent than without each other: two that are nearer than about
twice their radius share what lies between them, and at the radius one takes all; the last steps are for what is left
of that, which mixtures alone would blur."""
_TOLD_OF_ALL, _TOLD_OF_JET = 5, 4 + len(_NEARBY)
_PT_SCALE, _MASS_SCALE = 50.0, 100.0
"""GeV."""
_FAR = 1e3
"""Where nothing bounds a score."""


class Recoil(NamedTuple):
    """What recoils.

    Attributes:
        direction: opposite to the sum of the particles before, shape (B,).
        told: ln of its pT and mass over typical ones, its rapidity, and the direction's cosine and sine; then for each
            of two earlier jets the cosine and sine of its azimuth from the direction, the gap, which is the
            pseudorapidity of the new jet (zero until it is known) less its own, half of the arc around it, and
            exp(-gap^2 / 2 w^2) for w of 0.5, 1 and 2 (all zero until the gap is known); shape (B, 19), zero inside of
            the muons and for jets that are not there.
        near: on both sides of two earlier jets, where the new one would be at the Delta R of most pairs: azimuths for
            an azimuth (that of the earlier jet where its pseudorapidity is farther away), scores for a pseudorapidity,
            shape (B, 4); zero for other numbers and for jets that are not there.
        reach: how far around these places the number may be: for an azimuth (gap^2 + 0.4^2)^(1/2), up to 1, since the
            density of collinear jets falls with Delta R; else 1; shape (B, 4).
    """

    direction: Tensor
    told: Tensor
    near: Tensor
    reach: Tensor


class JetRules:
    """The rules of a sequence of scores of the layout `sequence` of `represent.vector`.

    Args:
        vector_map: values <-> coordinates; azimuths must be on the circle.
        affine: coordinates <-> scores, one by one.
    """

    NEAR = 2 * (MOST_JETS - 1)
    TOLD = _TOLD_OF_ALL + _TOLD_OF_JET * (MOST_JETS - 1)
    SHELLS = (MOST_JETS - 1, len(_SHELLS))

    def __init__(self, vector_map: VectorMap, affine: Affine) -> None:
        self.map, self.affine = vector_map, affine
        self.mean, self.scale = affine.mean, 1 / affine.matrix.diagonal()
        self._arcs = Separation(self.mean, self.scale, R_MIN)
        self._shells = tuple(Separation(self.mean, self.scale, radius) for radius in _SHELLS)

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
            return self._circle(column, rows)
        jet, place = divmod(column - MUONS_SIZE, JET_SIZE)
        if jet < 0 or place != _OF_JET_PT or self.map.threshold != "edge":
            return _LINE
        mean, scale = (tensor[column].to(rows.device) for tensor in (self.mean, self.scale))
        low = ((math.log(PT_MIN) - mean) / scale).expand(len(rows))
        if jet == 0 or not self.map.ordered:
            return Interval(low, low + _FAR)
        log_pt = self._coordinate(column - JET_SIZE, rows)
        return Interval(low, torch.maximum(low, (log_pt - mean) / scale))

    def _circle(self, column: int, rows: Tensor) -> Circle:
        """Where an azimuth may lie, and the shells around earlier jets."""
        arcs = self._arcs(column, rows)
        if arcs is None:
            return Circle()
        wider = [shell(column, rows) for shell in self._shells]
        return Circle(arcs, torch.stack([one.half_width for one in wider if one is not None], dim=2))

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
            near = nothing[:, self.TOLD :].double()
            return Recoil(direction, nothing[:, : self.TOLD], near, torch.ones_like(near))
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
        gaps = []
        for _, eta_before, _, phi in jet_columns(values):
            turn, gap = values[:, phi] - direction, eta - values[:, eta_before]
            told += [turn.cos(), turn.sin(), gap, *_apart(gap, place > _OF_JET_ETA)]
            gaps.append(gap)
        told += [torch.zeros_like(pt)] * (self.TOLD - len(told))
        features = torch.stack(told, dim=1).float()
        return Recoil(direction, features, self._near(column, values, gaps), self._reach(place, gaps, pt))

    def mirrored(self, rows: Tensor, rng: Rng) -> Tensor:
        """One of the four mirror images of each event: two equal beams prefer no sign of p_y and none of p_z.

        Args:
            rows: scores, shape (B, L).
            rng: random stream; two uniform numbers for each row.
        """
        draws = rng.uniform(2).to(rows.device) < 0.5
        columns = range(rows.shape[1])
        turned = torch.tensor([self.circular[column] for column in columns], device=rows.device)
        tipped = torch.tensor([is_pseudorapidity(column) for column in columns], device=rows.device)
        flips = (draws[:, :1] & turned) | (draws[:, 1:] & tipped)
        centre = -2 * (self.mean / self.scale)[: rows.shape[1]].to(rows)
        return torch.where(flips, centre - rows, rows)

    def _near(self, column: int, values: Tensor, gaps: Sequence[Tensor]) -> Tensor:
        """Places beside the earlier jets, whose values are known."""
        place = (column - MUONS_SIZE) % JET_SIZE
        near = values.new_zeros(len(values), self.NEAR)
        if place not in (_OF_JET_ETA, _OF_JET_PHI):
            return near
        for k, (jet, gap) in enumerate(zip(jet_columns(values), gaps, strict=True)):
            beside = (_FREQUENT**2 - gap.square()).clamp(min=0).sqrt() if place == _OF_JET_PHI else _FREQUENT
            near[:, 2 * k], near[:, 2 * k + 1] = values[:, jet[place]] - beside, values[:, jet[place]] + beside
        if place == _OF_JET_PHI:
            return near
        mean, scale = (tensor[column].to(values.device) for tensor in (self.mean, self.scale))
        known = torch.arange(self.NEAR, device=near.device) < 2 * len(gaps)
        return torch.where(known, (near - mean) / scale, near)

    def _reach(self, place: int, gaps: Sequence[Tensor], like: Tensor) -> Tensor:
        """How far the number may be from these places."""
        reach = like.new_ones(len(like), self.NEAR)
        if place == _OF_JET_PHI:
            for k, gap in enumerate(gaps):
                reach[:, 2 * k : 2 * k + 2] = torch.hypot(gap, torch.full_like(gap, R_MIN)).clamp(max=1)[:, None]
        return reach

    def _coordinate(self, column: int, rows: Tensor) -> Tensor:
        scale, mean = (tensor[column].to(rows.device) for tensor in (self.scale, self.mean))
        return rows[:, column].double() * scale + mean


def _apart(gap: Tensor, known: bool) -> list[Tensor]:
    """Half of the arc around a jet, and how near it is in pseudorapidity."""
    if not known:
        return [torch.zeros_like(gap)] * (1 + len(_NEARBY))
    return [(R_MIN**2 - gap.square()).clamp(min=0).sqrt(), *((-(gap / width).square() / 2).exp() for width in _NEARBY)]


def _summed(values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Momentum and energy of all particles of some rows together, each of shape (B,)."""
    zero = torch.zeros_like(values[:, 0])
    particles = [(values[:, 0], values[:, 1], zero, zero), (values[:, 2], values[:, 3], values[:, 4], zero)]
    particles += [tuple(values[:, k] for k in (pt, eta, phi, m)) for pt, eta, m, phi in jet_columns(values)]  # type: ignore[misc]
    pt, eta, phi, mass = (torch.stack(column, dim=1) for column in zip(*particles, strict=True))
    pz = pt * torch.sinh(eta)
    energy = (pt.square() + pz.square() + mass.square()).sqrt()
    return (pt * phi.cos()).sum(1), (pt * phi.sin()).sum(1), pz.sum(1), energy.sum(1)
