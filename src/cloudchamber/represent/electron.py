r"""The scattered electron in its natural coordinates.

The sample ends at sharp edges: Q2 >= Q2min, x_B <= 1, and pT of the electron above the generator's cut. With
y_lo = Q2 / s (that is x_B = 1) and y_hi = 1 - pTmin^2 / Q2, the coordinates

    a = ln Q2            b = (ln y - ln y_lo) / (ln y_hi - ln y_lo)

have these edges at constant values, where a quantile map puts them at the ends of a unit normal. The azimuth is
uniform and independent, and is drawn, not learnt.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Cuts
from cloudchamber.physics.dis import dis_variables, electron_momentum
from cloudchamber.tensors.bijections import TabulatedMap

__all__ = ["LEAST_RANGE", "LN_W", "ElectronCoordinates"]

Array = NDArray[np.float64]

LN_W = 3.5
"""Subtracted from ln W (in GeV) where it is a condition."""
LEAST_RANGE = 1e-3
"""Between ln y_lo and ln y_hi where Q2 comes close to s."""


class _Edges(NamedTuple):
    low: Array
    high: Array


class ElectronCoordinates:
    """Maps scattered electrons to two scores that are unit normal each, and back.

    Args:
        beams: energies in GeV.
        pt_min: the generator's cut on the electron's pT in GeV.
        quantiles: fitted map with the rows (ln Q2, b).
    """

    SIZE = 2
    CONDITIONS = 0
    """Numbers that the electron's model is told."""
    conditions: Tensor | None = None
    w_min = 1.0
    """GeV; what is below is drawn again."""

    def __init__(self, beams: Beams, pt_min: float, quantiles: TabulatedMap) -> None:
        self.beams, self.pt_min, self.quantiles = beams, pt_min, quantiles

    @classmethod
    def fit(cls, scattered: Array, beams: Beams, pt_min: float) -> "ElectronCoordinates":
        """Fit the quantile maps.

        Args:
            scattered: four-momenta (E, px, py, pz) of scattered electrons, shape (n, 4), GeV.
            beams: energies in GeV.
            pt_min: the generator's cut on the electron's pT in GeV.
        """
        a, b = _natural(scattered, beams, pt_min)
        return cls(beams, pt_min, TabulatedMap.fit([a, b], size=257))

    def at(self, beams: Beams) -> "ElectronCoordinates":
        """The same coordinates; there are no others.

        Args:
            beams: energies in GeV.

        Raises:
            InputError: if the beams are others than the coordinates were fitted at.
        """
        if beams != self.beams:
            raise InputError(f"the events have beams {beams.name}, but this model was fitted at {self.beams.name}.")
        return self

    def bias(self, scattered: Array) -> Array | None:
        """How many times the physical density the learnt one is; None for once.

        Args:
            scattered: four-momenta (E, px, py, pz), shape (n, 4), GeV.
        """
        return None

    def least_bias(self, cuts: Cuts) -> float:
        """The least bias inside of cuts.

        Args:
            cuts: limits on the electron.
        """
        return 1.0

    def invariants(self, scores: Tensor) -> Tensor:
        """What later stages are told of an electron: its scores and scaled ln W, shape (B, 3).

        Args:
            scores: shape (B, 2).
        """
        W2 = dis_variables(self.decode(scores, np.zeros(len(scores))), self.beams).W2
        log_w = torch.from_numpy(np.log(np.maximum(W2, 1.0)) / 2 - LN_W).float()
        return torch.cat([scores, log_w[:, None]], dim=1)

    def state(self) -> dict[str, Tensor]:
        """The tensors of the quantile maps."""
        return self.quantiles.state()

    def encode(self, scattered: Array) -> Tensor:
        """Scores of scattered electrons.

        Args:
            scattered: four-momenta (E, px, py, pz), shape (n, 4), GeV.

        Returns:
            Shape (n, 2), float32.
        """
        values = torch.from_numpy(np.stack(_natural(scattered, self.beams, self.pt_min), axis=-1))
        return self.quantiles.forward(values, self._rows(len(values))).float()

    def decode(self, scores: Tensor, phi: Array) -> Array:
        """Scattered electrons from scores: the inverse of `encode`.

        Args:
            scores: shape (n, 2).
            phi: lab azimuth in radians, shape (n,).

        Returns:
            Four-momenta (E, px, py, pz), shape (n, 4), GeV; NaN where the scores are outside the physical region.
        """
        a, b = self.quantiles.inverse(scores, self._rows(len(scores)), bounded=True).numpy().T
        Q2 = np.exp(a)
        edges = _edges(Q2, self.beams, self.pt_min)
        y = np.exp(edges.low + b * (edges.high - edges.low))
        return electron_momentum(Q2, y, phi, self.beams)

    def log_det(self, scattered: Array) -> Tensor:
        """Ln |d(scores) / d(ln Q2, ln y)| of each electron, shape (n,).

        Args:
            scattered: four-momenta (E, px, py, pz), shape (n, 4), GeV.
        """
        a, b = _natural(scattered, self.beams, self.pt_min)
        values = torch.from_numpy(np.stack([a, b], axis=-1))
        edges = _edges(np.exp(a), self.beams, self.pt_min)
        inner = -torch.log(torch.from_numpy(edges.high - edges.low))
        return self.quantiles.log_det(values, self._rows(len(values))).sum(-1) + inner

    @staticmethod
    def _rows(n: int) -> Tensor:
        return torch.arange(2).expand(n, 2)


def _natural(scattered: Array, beams: Beams, pt_min: float) -> tuple[Array, Array]:
    """Coordinates (a, b) of the module's text, each of shape (n,)."""
    inclusive = dis_variables(scattered, beams)
    edges = _edges(inclusive.Q2, beams, pt_min)
    return np.log(inclusive.Q2), (np.log(inclusive.y) - edges.low) / (edges.high - edges.low)


def _edges(Q2: Array, beams: Beams, pt_min: float) -> _Edges:
    """Ln y_lo and ln y_hi; kept apart where Q2 comes close to s."""
    s = 4 * beams.electron * beams.hadron
    low = np.log(Q2 / s)
    high = np.log1p(-np.minimum(pt_min**2 / Q2, 0.5))
    return _Edges(low, np.maximum(high, low + LEAST_RANGE))
