r"""Physical values of muons and jets as coordinates without edges, and back (arXiv:2305.10475, Sec. 3).

A row holds (pT, eta) of the muon, (pT, eta, phi) of the antimuon, and (pT, eta, m, phi) of each jet. Azimuths are
relative to the muon's, masses of muons and the azimuth of the whole are not learnt. With a = 20 GeV,

    muon pT          u = ln pT
    jet pT           u = ln(pT - a)
    later jet pT     u = ln((pT - a) / (pT' - pT))       between a and the pT' of the jet before (`ordered`)
    jet mass         u = ln m
    azimuth          u = artanh(phi / pi)                `line`
                     u = artanh(phi' / pi)               `turned`: phi' from the direction opposite to the muon
                     u = phi                             `circle`

Most particles recoil from the muon, so `turned` cuts the circle open where few are. Every u is a monotone function of
its value, given the values before it, so ln |det du/dv| is the sum of the logarithms of the slopes.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["AZIMUTHS", "JET_SIZE", "MUONS_SIZE", "Azimuth", "VectorMap", "jet_columns"]

Azimuth = Literal["line", "turned", "circle"]
AZIMUTHS: tuple[Azimuth, ...] = ("line", "turned", "circle")
MUONS_SIZE, JET_SIZE = 5, 4
_PT_MIN = 20.0
_MUON_PT, _ETA, _PHI = (0, 2), (1, 3), 4
_EDGE = 1e-12
"""Values are kept this far from the ends of their interval, relative to it."""


@dataclass(frozen=True)
class VectorMap:
    """The map; a `Bijection` of rows of any number of jets.

    Attributes:
        azimuth: how azimuths become coordinates.
        ordered: put pT of later jets between their bounds.

    >>> row = torch.tensor([[30.0, 0.5, 40.0, -1.0, 3.0, 50.0, 2.0, 5.0, -1.0]]).double()
    >>> paper = VectorMap("line", ordered=False)
    >>> paper.forward(row)[0, 5].item() == math.log(30.0)
    True
    >>> bool(torch.allclose(paper.inverse(paper.forward(row)), row))
    True
    """

    azimuth: Azimuth
    ordered: bool

    def forward(self, v: Tensor) -> Tensor:
        """Coordinates of values.

        Args:
            v: shape (B, 5 + 4 jets), float64; pT and masses in GeV.
        """
        u = v.clone()
        u[:, list(_MUON_PT)] = v[:, list(_MUON_PT)].log()
        u[:, _PHI] = self._line(v[:, _PHI])
        for k, (pt, _, mass, phi) in enumerate(jet_columns(v)):
            above = (v[:, pt] - _PT_MIN).clamp(min=_EDGE).log()
            u[:, pt] = above - self._below(v, k).log() if self._bounded(k) else above
            u[:, mass], u[:, phi] = v[:, mass].log(), self._line(v[:, phi])
        return u

    def inverse(self, z: Tensor) -> Tensor:
        """Values of coordinates.

        Args:
            z: shape (B, 5 + 4 jets), float64.
        """
        v = z.clone()
        v[:, list(_MUON_PT)] = z[:, list(_MUON_PT)].exp()
        v[:, _PHI] = self._angle(z[:, _PHI])
        for k, (pt, _, mass, phi) in enumerate(jet_columns(z)):
            if self._bounded(k):
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
        for k, (pt, _, mass, phi) in enumerate(jet_columns(v)):
            above = (v[:, pt] - _PT_MIN).clamp(min=_EDGE)
            slope = 1 / above + 1 / self._below(v, k) if self._bounded(k) else 1 / above
            slopes[:, pt], slopes[:, mass], slopes[:, phi] = (
                slope.log(),
                -v[:, mass].log(),
                self._log_stretch(v[:, phi]),
            )
        return slopes

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
            return _wrapped(u)
        return self._turned(math.pi * torch.tanh(u))

    def _turned(self, phi: Tensor) -> Tensor:
        """The azimuth from the origin in use; its own inverse."""
        return phi if self.azimuth == "line" else _wrapped(phi - math.pi)

    def _log_stretch(self, phi: Tensor) -> Tensor:
        if self.azimuth == "circle":
            return torch.zeros_like(phi)
        share = (self._turned(phi) / math.pi).clamp(-1 + _EDGE, 1 - _EDGE)
        return -torch.log(math.pi * (1 - share) * (1 + share))


def jet_columns(v: Tensor) -> list[tuple[int, int, int, int]]:
    """Columns of pT, eta, mass and azimuth of each jet in a row.

    Args:
        v: shape (B, 5 + 4 jets).
    """
    starts = range(MUONS_SIZE, v.shape[1], JET_SIZE)
    return [(start, start + 1, start + 2, start + 3) for start in starts]


def _wrapped(phi: Tensor) -> Tensor:
    """The same angle between -pi and pi."""
    return torch.remainder(phi + math.pi, 2 * math.pi) - math.pi
