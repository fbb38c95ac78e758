r"""The scattered electron at any beams, in coordinates whose edges do not move, and what is invariant of its event.

Boosts along the beams change neither the density of (Q2, y) nor the hadrons in their own frame: of the beams, only
s is left, and of the hadrons' frame only W (and, weakly, Q2 and y). In the coordinates (a, b) of `physics.phase_space`
the edges of the sample do not move with s. Quantile maps of all beams together turn (a, b) into scores,
whose density given ln s is learnt. It is learnt about flat in ln Q2: the density is Q2 times the physical one, which
the weights 1 / Q2 undo when events are drawn.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import Beams, Cuts
from cloudchamber.physics.dis import dis_variables, electron_momentum
from cloudchamber.physics.phase_space import Plane, Square, from_square, reach, span, squared_energy, to_square
from cloudchamber.represent.electron import LN_W
from cloudchamber.tensors.bijections import TabulatedMap

__all__ = ["InvariantElectron"]

Array = NDArray[np.float64]

_LN_S, _WIDTH = 8.3, 6.0
"""Centre and scale of ln s as a condition; the scale keeps the network's highest frequency from telling beams apart."""
_MARK = "invariant"


class InvariantElectron:
    """Maps scattered electrons at some beams to two scores, and back; the maps are those of all beams.

    Args:
        beams: energies in GeV.
        pt_min: the generator's cut on the electron's pT in GeV.
        w_min: smallest W in GeV that has been seen.
        quantiles: fitted map with the rows (a, b).
    """

    SIZE = 2
    CONDITIONS = 1
    """Numbers that the electron's model is told."""

    def __init__(self, beams: Beams, pt_min: float, w_min: float, quantiles: TabulatedMap) -> None:
        self.beams, self.pt_min, self.w_min, self.quantiles = beams, pt_min, w_min, quantiles

    @classmethod
    def fit(cls, samples: list[tuple[Array, Beams]], pt_min: float) -> "InvariantElectron":
        """Fit the quantile maps.

        Args:
            samples: four-momenta (E, px, py, pz) of scattered electrons, shape (n, 4), GeV, and their beams.
            pt_min: the generator's cut on the electron's pT in GeV.

        Returns:
            The coordinates at the beams of the first sample.
        """
        natural = [_natural(scattered, beams, pt_min) for scattered, beams in samples]
        a, b = (np.concatenate(values) for values in zip(*natural, strict=True))
        W2 = min(float(dis_variables(scattered, beams).W2.min()) for scattered, beams in samples)
        return cls(samples[0][1], pt_min, math.sqrt(W2), TabulatedMap.fit([a, b], size=257))

    def at(self, beams: Beams) -> "InvariantElectron":
        """The same maps at other beams.

        Args:
            beams: energies in GeV.
        """
        return InvariantElectron(beams, self.pt_min, self.w_min, self.quantiles)

    @property
    def conditions(self) -> Tensor:
        """What the electron's model is told: ln s about its middle, shape (1,)."""
        return torch.tensor([(math.log(squared_energy(self.beams)) - _LN_S) / _WIDTH])

    def bias(self, scattered: Array) -> Array:
        """How many times the physical density the learnt one is: Q2 / GeV2, shape (n,).

        Args:
            scattered: four-momenta (E, px, py, pz), shape (n, 4), GeV.
        """
        return dis_variables(scattered, self.beams).Q2

    def least_bias(self, cuts: Cuts) -> float:
        """The least bias inside of cuts in GeV2; Q2 is above pT2 whatever the cuts.

        Args:
            cuts: limits on the electron.
        """
        return max(cuts.q2_min or 0.0, self.pt_min**2)

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
        Q2, y = self._plane(scores)
        return electron_momentum(Q2, y, phi, self.beams)

    def invariants(self, scores: Tensor) -> Tensor:
        """What later stages are told of an electron: scaled ln Q2, ln y and ln W, shape (B, 3).

        Args:
            scores: shape (B, 2).
        """
        W2 = dis_variables(self.decode(scores, np.zeros(len(scores))), self.beams).W2
        Q2, y = self._plane(scores)
        columns = [(np.log(Q2) - 3) / 2, (np.log(y) + 2) / 2, np.log(np.maximum(W2, 1.0)) / 2 - LN_W]
        return torch.from_numpy(np.stack(columns, axis=-1)).float()

    def log_det(self, scattered: Array) -> Tensor:
        """Ln |d(scores) / d(ln Q2, ln y)| of each electron, shape (n,).

        With ln pT2 = ln Q2 + ln(1 - y) and logit y, the coordinates have d(ln pT2, logit y) / d(ln Q2, ln y) =
        1 / (1 - y), and a does not depend on logit y.

        Args:
            scattered: four-momenta (E, px, py, pz), shape (n, 4), GeV.
        """
        a, b = _natural(scattered, self.beams, self.pt_min)
        values = torch.from_numpy(np.stack([a, b], axis=-1))
        y = dis_variables(scattered, self.beams).y
        s = squared_energy(self.beams)
        inner = -np.log1p(-y) - np.log(reach(a, s, self.pt_min) * span(s, self.pt_min))
        return self.quantiles.log_det(values, self._rows(len(values))).sum(-1) + torch.from_numpy(inner)

    def state(self) -> dict[str, Tensor]:
        """The tensors that define the coordinates."""
        numbers = [self.pt_min, self.w_min, self.beams.electron, self.beams.hadron]
        return {_MARK: torch.tensor(numbers, dtype=torch.float64), **self.quantiles.state()}

    @staticmethod
    def is_state(state: dict[str, Tensor]) -> bool:
        """Whether tensors are those of such coordinates.

        Args:
            state: tensors by name.
        """
        return _MARK in state

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "InvariantElectron":
        """The coordinates that `state` came from.

        Args:
            state: tensors by name.
        """
        pt_min, w_min, electron, hadron = state[_MARK].tolist()
        return cls(Beams(electron=electron, hadron=hadron), pt_min, w_min, TabulatedMap.from_state(state))

    def _plane(self, scores: Tensor) -> Plane:
        values = self.quantiles.inverse(scores, self._rows(len(scores)), bounded=True).numpy().T
        return from_square(Square(*values), squared_energy(self.beams), self.pt_min)

    @staticmethod
    def _rows(n: int) -> Tensor:
        return torch.arange(2).expand(n, 2)


def _natural(scattered: Array, beams: Beams, pt_min: float) -> Square:
    inclusive = dis_variables(scattered, beams)
    return to_square(Plane(inclusive.Q2, inclusive.y), squared_energy(beams), pt_min)
