r"""The log-density of events of muons and jets under a model.

    ln p(event) = ln P(jets) - ln 2 pi + ln p(v | jets)

P is the share of events with so many jets in the training sample, the azimuth of the muon is uniform, and v are pT
(GeV) and eta of the muon, pT, eta and azimuth of the antimuon, and pT, eta, mass (GeV) and azimuth of each jet,
azimuths relative to the muon's. Diffusion models follow the probability flow with the exact divergence
(`process.likelihood`).

    -inf    the model never makes such an event
    NaN     the event is no muon, antimuon and one to three jets, or not finite
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cloudchamber.events import Events
from cloudchamber.models.cascade import Cascade
from cloudchamber.physics.zjets import readable
from cloudchamber.represent.vector import VectorRepresentation, values_of

__all__ = ["JetScorer", "JetScores"]

Array = NDArray[np.float64]


class JetScores(NamedTuple):
    """Natural logarithms of each event, all of shape (B,).

    Attributes:
        event: number of the event.
        number: probability of the number of jets.
        kinematics: density of v and of the muon's azimuth.
        log_density: the sum of both.
    """

    event: NDArray[np.int64]
    number: Array
    kinematics: Array
    log_density: Array


class JetScorer:
    """Scores events.

    Args:
        representation: events <-> vectors.
        model: of the representation's layout.
        device: where the networks run.
    """

    def __init__(
        self, representation: VectorRepresentation, model: Cascade, device: torch.device | str = "cpu"
    ) -> None:
        self.representation, self.model, self.device = representation, model.to(device), device
        self.acceptance = None

    def score(self, events: Events, first: int) -> JetScores:
        """Scores of consecutive events.

        Args:
            events: at most a block of them.
            first: number of the first.
        """
        number, kinematics = np.full(len(events), np.nan), np.full(len(events), np.nan)
        rows = np.flatnonzero(readable(events))
        if len(rows):
            found = self._readable(events[rows])
            number[rows], kinematics[rows] = found
        return JetScores(np.arange(first, first + len(events)), number, kinematics, number + kinematics)

    def _readable(self, events: Events) -> tuple[Array, Array]:
        found = values_of(events)
        bundle: Any = self.representation.encode(events).to(self.device)
        with torch.no_grad():
            density = self.model.log_prob(bundle).double().cpu() + self.representation.log_det(found)
        density = torch.where(density.isnan() | ~self.representation.possible(found), -torch.inf, density)
        with np.errstate(divide="ignore"):
            number = np.log(self.representation.shares.numpy()[found.jets.numpy() - 1])
        return number, density.numpy() - np.log(2 * np.pi)
