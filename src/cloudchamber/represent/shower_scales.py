r"""What is known of showers before their hits, and the scales on which networks are told of it.

    excess of a layer     X_l = V_l - n_l theta,    V_l its energy, n_l its hits, theta the threshold of a hit
    visible energy        ln(V / E) = mu(E) + sigma(E) R,    mu and ln sigma parabolas in ln E

Logarithms of the incident energy, of the number of hits, of those of a layer and of the mean excess of a hit are
shifted and scaled by constants of the fitted sample.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Showers

__all__ = ["TINY", "Given", "Scales", "given_of", "hit_share", "layer_share", "require_threshold"]

TINY = 1e-9
"""Least excess of a hit over the threshold, MeV, far below what single precision resolves at any threshold."""
_BELOW = 1e-4
"""Relative; a hit at the threshold may be so far below it by rounding."""
_MEAN_LOG = -0.6352
"""Mean of ln |z| for unit normal z, - (ln 2 + Euler's constant) / 2."""


class Given(NamedTuple):
    """What is known of showers before their hits are drawn.

    Attributes:
        incident: incident energy, MeV, shape (B,), float64.
        visible: visible energy, MeV, shape (B,), float64.
        counts: hits of each layer, shape (B, L), int64.
        excess: energy of each layer above the threshold of its hits, MeV, shape (B, L), float64.
    """

    incident: Tensor
    visible: Tensor
    counts: Tensor
    excess: Tensor

    def select(self, rows: Tensor) -> "Given":
        """Some showers.

        Args:
            rows: their numbers, shape (b,).
        """
        return Given(*(column[rows] for column in self))


class HitShare(NamedTuple):
    """Logarithms of the hits' excess over the mean of their layer, and which hits are alone in it; shape (H,)."""

    share: NDArray[np.float64]
    lone: NDArray[np.bool_]


def require_threshold(showers: Showers) -> None:
    """Refuse hits below the threshold of the calorimeter.

    Args:
        showers: any.

    Raises:
        InputError: if there are such hits.
    """
    threshold = showers.geometry.threshold
    if bool((showers.energy < threshold * (1 - _BELOW)).any()):
        raise InputError(
            f"there are hits of {showers.energy.min():.3g} MeV, below the calorimeter's threshold of {threshold:g} "
            "MeV; leave them out, or give the threshold with which the showers were read out."
        )


def given_of(showers: Showers) -> Given:
    """What is known of showers without their hits.

    Args:
        showers: with at least one hit each.
    """
    counts, energy = showers.layer_counts, showers.layer_energy
    excess = np.maximum(energy - counts * showers.geometry.threshold, counts * TINY)
    return Given(*map(torch.tensor, (showers.incident_energy, showers.visible_energy, counts, excess)))


def layer_share(given: Given) -> Tensor:
    """Logarithm of each layer's mean excess of a hit over that of the shower, zero without hits, shape (B, L).

    Args:
        given: of showers.
    """
    n, excess = given.counts.double(), given.excess
    share = excess * n.sum(1, keepdim=True) / (n.clamp(min=1) * excess.sum(1, keepdim=True))
    return torch.where(n > 0, share.clamp(min=1e-300).log(), torch.zeros_like(share))


def hit_share(showers: Showers, given: Given) -> HitShare:
    """How the excess of the layers is divided among their hits.

    Args:
        showers: any.
        given: of the same.
    """
    place = showers.row, showers.layer
    n, excess = given.counts.numpy()[place], given.excess.numpy()[place]
    own = np.maximum(showers.energy - showers.geometry.threshold, TINY)
    return HitShare(np.log(own * n / excess), n == 1)


class Scales:
    """Constants of a sample.

    Args:
        incident: middle and half range of ln E.
        mean: coefficients of mu, constant first, in (ln E - middle) / half range.
        deviation: those of ln sigma.
        total: mean and deviation of ln N.
        count: mean and deviation of ln n_l.
        hit: mean and deviation of ln(X_l / n_l).
    """

    _NAMES = ("incident", "mean", "deviation", "total", "count", "hit")

    def __init__(
        self, incident: Tensor, mean: Tensor, deviation: Tensor, *, total: Tensor, count: Tensor, hit: Tensor
    ) -> None:
        self._tensors = dict(zip(self._NAMES, (incident, mean, deviation, total, count, hit), strict=True))

    @classmethod
    def fit(cls, given: Given) -> "Scales":
        """The constants of a sample.

        Args:
            given: of showers with hits.
        """
        log_e, n = given.incident.log(), given.counts.double()
        low, high = float(log_e.min()), float(log_e.max())
        incident = torch.tensor([(low + high) / 2, max((high - low) / 2, 1e-3)], dtype=torch.float64)
        powers = _powers((log_e - incident[0]) / incident[1])
        ratio = (given.visible / given.incident).log()
        mean = _least_squares(powers, ratio)
        spread = (ratio - powers @ mean).abs().clamp(min=1e-12).log() - _MEAN_LOG
        filled = n > 0
        return cls(
            incident,
            mean,
            _least_squares(powers, spread),
            total=_moments(n.sum(1).log()),
            count=_moments(n[filled].log()),
            hit=_moments((given.excess[filled] / n[filled]).log()),
        )

    def state(self) -> dict[str, Tensor]:
        """All constants, by name."""
        return {f"scales.{name}": tensor for name, tensor in self._tensors.items()}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "Scales":
        """The scales that `state` came from.

        Args:
            state: tensors by name.
        """
        incident, mean, deviation, total, count, hit = (state[f"scales.{name}"] for name in cls._NAMES)
        return cls(incident, mean, deviation, total=total, count=count, hit=hit)

    @property
    def range(self) -> tuple[float, float]:
        """Least and largest incident energy of the sample, MeV."""
        middle, half = self._tensors["incident"].tolist()
        return math.exp(middle - half), math.exp(middle + half)

    def incident(self, incident: Tensor) -> Tensor:
        """Incident energies on their scale, -1 to 1 in the sample, shape (B, 1), float32.

        Args:
            incident: MeV, shape (B,).
        """
        return self._scaled("incident", incident)[:, None]

    def residual(self, given: Given) -> Tensor:
        """R of the visible energies, shape (B,), float64.

        Args:
            given: of showers.
        """
        return self.residual_of(given.incident, given.visible)

    def residual_of(self, incident: Tensor, visible: Tensor) -> Tensor:
        """R of visible energies, shape (B,), float64.

        Args:
            incident: MeV, shape (B,).
            visible: MeV, shape (B,).
        """
        mean, deviation = self._parabolas(incident)
        return ((visible / incident).log() - mean) / deviation

    def visible(self, residual: Tensor, incident: Tensor) -> Tensor:
        """Visible energies, the inverse of `residual_of`, MeV, shape (B,), float64.

        Args:
            residual: R, shape (B,).
            incident: MeV, shape (B,).
        """
        mean, deviation = self._parabolas(incident)
        return incident * (mean + deviation * residual).exp()

    def total(self, counts: Tensor) -> Tensor:
        """Numbers of hits on their scale, shape (B, 1), float32.

        Args:
            counts: hits of each layer, shape (B, L).
        """
        return self._scaled("total", counts.sum(1).clamp(min=1).double())[:, None]

    def log_count(self, counts: Tensor) -> Tensor:
        """Hits of layers on their scale, of the shape of the counts, float32.

        Args:
            counts: hits of layers.
        """
        return self._scaled("count", counts.clamp(min=1).double())

    def mean_hit(self, given: Given) -> Tensor:
        """Mean excess of the hits of each layer on its scale, shape (B, L), float32.

        Args:
            given: of showers.
        """
        filled = given.counts > 0
        mean = torch.where(filled, given.excess, 1.0) / given.counts.clamp(min=1)
        return self._scaled("hit", mean).masked_fill(~filled, 0.0)

    def _scaled(self, name: str, values: Tensor) -> Tensor:
        shift, scale = self._tensors[name]
        scaled: Tensor = ((values.log() - shift) / scale).float()
        return scaled

    def _parabolas(self, incident: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of ln(V / E)."""
        middle, half = self._tensors["incident"]
        powers = _powers((incident.log() - middle) / half)
        return powers @ self._tensors["mean"], (powers @ self._tensors["deviation"]).exp()


def _powers(x: Tensor) -> Tensor:
    return torch.stack([torch.ones_like(x), x, x**2], dim=1)


def _least_squares(powers: Tensor, values: Tensor) -> Tensor:
    coefficients, *_ = np.linalg.lstsq(powers.numpy(), values.numpy(), rcond=None)
    return torch.from_numpy(coefficients)


def _moments(values: Tensor) -> Tensor:
    return torch.stack([values.mean(), values.std().clamp(min=1e-3)])
