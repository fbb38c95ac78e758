r"""Physical values of muons and jets as coordinates without edges, and back (arXiv:2305.10475, Sec. 3).

A row holds (pT, eta) of the muon, (pT, eta, phi) of the antimuon, and (pT, eta, m, phi) of each jet. Azimuths are
relative to the muon's, masses of muons and the azimuth of the whole are not learnt. With a = 20 GeV,

    muon pT          u = ln pT
    second muon pT   u = arsinh(ln(m / M) / g)           with the mass m of the pair (`muons = "mass"`)
    jet pT           u = ln(pT - a)
    jet pT           u = ln pT                           whose edges a model must keep (`threshold = "edge"`)
    later jet pT     u = ln((pT - a) / (pT' - pT))       between a and the pT' of the jet before (`ordered`)
    jet mass         u = ln m
    azimuth          u = artanh(phi / pi)                `line`
                     u = artanh(phi' / pi)               `turned`: phi' from the direction opposite to the muon
                     u = phi                             `circle`

Most particles recoil from the muon, so `turned` cuts the circle open where few are. M and 2 g M are the mass and width
of the Z: with m^2 = 2 pT pT' (cosh d_eta - cos d_phi) of the massless pair, its peak is a peak of one number. Every u
is a monotone function of its value, given the other values of the muons or those before it, so ln |det du/dv| is the
sum of the logarithms of the slopes.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cloudchamber.tensors.support import wrapped

__all__ = [
    "AZIMUTHS", "JET_SIZE", "MUONS", "MUONS_SIZE", "THRESHOLDS", "Azimuth", "Muons", "Threshold", "VectorMap",
    "is_azimuth", "is_pseudorapidity", "jet_columns",
]  # fmt: skip

Azimuth = Literal["line", "turned", "circle"]
AZIMUTHS: tuple[Azimuth, ...] = ("line", "turned", "circle")
Muons = Literal["pt", "mass"]
MUONS: tuple[Muons, ...] = ("pt", "mass")
Threshold = Literal["logarithm", "edge"]
THRESHOLDS: tuple[Threshold, ...] = ("logarithm", "edge")
MUONS_SIZE, JET_SIZE = 5, 4
_PT_MIN = 20.0
_MUON_PT, _ETA, _PHI = (0, 2), (1, 3), 4
_Z_MASS, _Z_HALF_WIDTH = 91.19, 1.25 / 91.19
"""M in GeV, and g."""
_EDGE = 1e-12
"""Values are kept this far from the ends of their interval, relative to it."""


@dataclass(frozen=True)
class VectorMap:
    """The map; a `Bijection` of rows of any number of jets.

    Attributes:
        azimuth: how azimuths become coordinates.
        ordered: pT of later jets have the pT of the jet before as a bound.
        muons: what the coordinate of the second muon's pT is.
        threshold: whether the coordinates of jet pT have no edges, or a model keeps them.

    >>> row = torch.tensor([[30.0, 0.5, 40.0, -1.0, 3.0, 50.0, 2.0, 5.0, -1.0]]).double()
    >>> paper = VectorMap("line", ordered=False)
    >>> paper.forward(row)[0, 5].item() == math.log(30.0)
    True
    >>> bool(torch.allclose(paper.inverse(paper.forward(row)), row))
    True
    """

    azimuth: Azimuth
    ordered: bool
    muons: Muons = "pt"
    threshold: Threshold = "logarithm"

    def forward(self, v: Tensor) -> Tensor:
        """Coordinates of values.

        Args:
            v: shape (B, 5 + 4 jets), float64; pT and masses in GeV.
        """
        u = v.clone()
        u[:, list(_MUON_PT)] = v[:, list(_MUON_PT)].log()
        u[:, _PHI] = self._line(v[:, _PHI])
        if self.muons == "mass":
            u[:, _MUON_PT[1]] = torch.asinh(_log_mass(v) / _Z_HALF_WIDTH)
        for k, (pt, _, mass, phi) in enumerate(jet_columns(v)):
            u[:, mass], u[:, phi] = v[:, mass].log(), self._line(v[:, phi])
            if self.threshold == "edge":
                u[:, pt] = v[:, pt].log()
                continue
            above = (v[:, pt] - _PT_MIN).clamp(min=_EDGE).log()
            u[:, pt] = above - self._below(v, k).log() if self._bounded(k) else above
        return u

    def inverse(self, z: Tensor) -> Tensor:
        """Values of coordinates.

        Args:
            z: shape (B, 5 + 4 jets), float64.
        """
        v = z.clone()
        v[:, list(_MUON_PT)] = z[:, list(_MUON_PT)].exp()
        v[:, _PHI] = self._angle(z[:, _PHI])
        if self.muons == "mass":
            log_mass = _Z_HALF_WIDTH * torch.sinh(z[:, _MUON_PT[1]]) + math.log(_Z_MASS)
            v[:, _MUON_PT[1]] = (2 * log_mass - math.log(2) - z[:, _MUON_PT[0]] - _opening(v).log()).exp()
        for k, (pt, _, mass, phi) in enumerate(jet_columns(z)):
            if self.threshold == "edge":
                v[:, pt] = z[:, pt].exp()
            elif self._bounded(k):
                v[:, pt] = _PT_MIN + (v[:, pt - JET_SIZE] - _PT_MIN) * torch.sigmoid(z[:, pt])
            else:
                v[:, pt] = _PT_MIN + z[:, pt].exp()
            v[:, mass], v[:, phi] = z[:, mass].exp(), self._angle(z[:, phi])
        return v

    def log_slopes(self, v: Tensor) -> Tensor:
        """Ln du/dv of every value, shape (B, 5 + 4 jets).

        Args:
            v: shape (B, 5 + 4 jets), float64.
        """
        slopes = torch.zeros_like(v)
        slopes[:, list(_MUON_PT)] = -v[:, list(_MUON_PT)].log()
        slopes[:, _PHI] = self._log_stretch(v[:, _PHI])
        if self.muons == "mass":
            slopes[:, _MUON_PT[1]] -= math.log(2) + (_log_mass(v).square() + _Z_HALF_WIDTH**2).log() / 2
        for k, (pt, _, mass, phi) in enumerate(jet_columns(v)):
            slopes[:, mass], slopes[:, phi] = -v[:, mass].log(), self._log_stretch(v[:, phi])
            slopes[:, pt] = self._log_slope_of_pt(v, k, pt)
        return slopes

    def _log_slope_of_pt(self, v: Tensor, jet: int, pt: int) -> Tensor:
        if self.threshold == "edge":
            return -v[:, pt].log()
        slope = 1 / (v[:, pt] - _PT_MIN).clamp(min=_EDGE)
        return (slope + 1 / self._below(v, jet) if self._bounded(jet) else slope).log()

    def log_det(self, v: Tensor) -> Tensor:
        """Ln |det du/dv| at each row, shape (B,).

        Args:
            v: shape (B, 5 + 4 jets), float64.
        """
        return self.log_slopes(v).sum(-1)

    def _bounded(self, jet: int) -> bool:
        return self.ordered and jet > 0

    @staticmethod
    def _below(v: Tensor, jet: int) -> Tensor:
        """How far the pT of a jet is below that of the jet before."""
        pt = MUONS_SIZE + JET_SIZE * jet
        return (v[:, pt - JET_SIZE] - v[:, pt]).clamp(min=1e-6)

    def _line(self, phi: Tensor) -> Tensor:
        if self.azimuth == "circle":
            return phi
        share = self._turned(phi) / math.pi
        return torch.atanh(share.clamp(-1 + _EDGE, 1 - _EDGE))

    def _angle(self, u: Tensor) -> Tensor:
        if self.azimuth == "circle":
            return wrapped(u)
        return self._turned(math.pi * torch.tanh(u))

    def _turned(self, phi: Tensor) -> Tensor:
        """The azimuth from the origin in use; its own inverse."""
        return phi if self.azimuth == "line" else wrapped(phi - math.pi)

    def _log_stretch(self, phi: Tensor) -> Tensor:
        if self.azimuth == "circle":
            return torch.zeros_like(phi)
        share = (self._turned(phi) / math.pi).clamp(-1 + _EDGE, 1 - _EDGE)
        return -torch.log(math.pi * (1 - share) * (1 + share))


def is_azimuth(column: int) -> bool:
    """Whether a number of a row is an azimuth.

    Args:
        column: its place.

    >>> [column for column in range(17) if is_azimuth(column)]
    [4, 8, 12, 16]
    """
    return column >= _PHI and (column - _PHI) % JET_SIZE == 0


def is_pseudorapidity(column: int) -> bool:
    """Whether a number of a row is a pseudorapidity.

    Args:
        column: its place.

    >>> [column for column in range(17) if is_pseudorapidity(column)]
    [1, 3, 6, 10, 14]
    """
    return column in _ETA or (column >= MUONS_SIZE and (column - MUONS_SIZE) % JET_SIZE == 1)


def jet_columns(v: Tensor) -> list[tuple[int, int, int, int]]:
    """Columns of pT, eta, mass and azimuth of each jet in a row.

    Args:
        v: shape (B, 5 + 4 jets).
    """
    starts = range(MUONS_SIZE, v.shape[1], JET_SIZE)
    return [(start, start + 1, start + 2, start + 3) for start in starts]


def _opening(v: Tensor) -> Tensor:
    """The squared mass of the two muons without theirs, over twice the product of their pT, shape (B,)."""
    return (torch.cosh(v[:, _ETA[1]] - v[:, _ETA[0]]) - torch.cos(v[:, _PHI])).clamp(min=_EDGE)


def _log_mass(v: Tensor) -> Tensor:
    """Ln of the mass of the two muons over that of the Z, shape (B,)."""
    squared = 2 * v[:, _MUON_PT[0]] * v[:, _MUON_PT[1]] * _opening(v)
    return squared.log() / 2 - math.log(_Z_MASS)
