r"""Where scattered electrons may be, and how they are drawn there: exactly, by rejection at the electron stage.

A model learns a density g that is b times the physical one; b is one, or Q2 for models that learn about flat in ln Q2.
A drawn electron inside the region is kept with the probability b_least / b, where b_least is the least b of the region,
so that kept electrons have the physical density there. Nothing dear comes before this step. Each event tries candidates
from its own stream, in groups of the same size for the whole run, until one is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import Cuts
from cloudchamber.physics.dis import dis_variables, within
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng, Rng

__all__ = ["Draw", "DrawnElectrons", "Region", "Trial", "draw_electrons", "try_electrons"]

_ATTEMPTS = 1_000

Array = NDArray[np.float64]
Draw = Callable[[Batch, Rng], Tensor]
"""Scores (B, 2) of electrons under the conditions of a batch."""


@dataclass(frozen=True)
class Region:
    """Cuts on the scattered electron.

    Attributes:
        cuts: limits on Q2, x and y; those on pT are the model's own.
        candidates: electrons that each event tries at once; more where few are kept.
    """

    cuts: Cuts = field(default_factory=Cuts)
    candidates: int = 1


class Trial(NamedTuple):
    """Numbers of electrons: drawn, physical among them, and kept."""

    drawn: int
    physical: int
    kept: int


class DrawnElectrons(NamedTuple):
    """Scores (B, 2) and lab four-momenta (B, 4) in GeV."""

    scores: Tensor
    momenta: Array


def draw_electrons(
    draw: Draw, representation: CloudRepresentation, region: Region, rng: EventRng, n: int
) -> DrawnElectrons:
    """One electron in the region for each event.

    Args:
        draw: the electron's model.
        representation: at the beams of the run.
        region: where electrons may be.
        rng: random streams, one for each event.
        n: number of events.
    """
    k = region.candidates
    scores = torch.full((n, representation.electron.SIZE), float("nan"))
    momenta = np.full((n, 4), np.nan)
    rows = np.arange(n)
    for _ in range(_ATTEMPTS):
        chosen = rng.select(rows.tolist())
        given = Batch(torch.zeros(len(rows) * k, scores.shape[1]), torch.ones(len(rows) * k),
                      representation.conditions(len(rows) * k))  # fmt: skip
        candidates = draw(given, chosen if k == 1 else _Repeated(chosen, k))
        phi = 2 * np.pi * chosen.uniform().cpu().double().numpy() - np.pi
        scattered = representation.electron.decode(candidates, np.repeat(phi, k))
        kept = _kept(scattered, representation, region.cuts, chosen)[0].reshape(-1, k)
        first = np.arange(len(rows)) * k + kept.argmax(1)
        found = kept.any(1)
        scores[rows[found]] = candidates[first[found]]
        momenta[rows[found]] = scattered[first[found]]
        rows = rows[~found]
        if not len(rows):
            return DrawnElectrons(scores, momenta)
    raise RuntimeError("the electron stage draws only electrons that are unphysical or outside of the cuts")


def try_electrons(draw: Draw, representation: CloudRepresentation, cuts: Cuts, rng: EventRng) -> Trial:
    """How many drawn electrons would be kept, from one candidate for each stream.

    Args:
        draw: the electron's model.
        representation: at the beams of the run.
        cuts: limits on Q2, x and y.
        rng: random streams.
    """
    n = len(rng)
    scores = draw(Batch(torch.zeros(n, representation.electron.SIZE), torch.ones(n), representation.conditions(n)), rng)
    scattered = representation.electron.decode(scores, np.zeros(n))
    kept, physical = _kept(scattered, representation, cuts, rng)
    return Trial(n, int(physical.sum()), int(kept.sum()))


class _Kept(NamedTuple):
    """Which electrons are kept, and which are physical, whatever the cuts; shape (n,)."""

    kept: NDArray[np.bool_]
    physical: NDArray[np.bool_]


def _kept(scattered: Array, representation: CloudRepresentation, cuts: Cuts, streams: EventRng) -> _Kept:
    electron = representation.electron
    variables = dis_variables(scattered, representation.beams)
    physical = np.isfinite(scattered).all(-1) & (np.nan_to_num(variables.W2) > electron.w_min**2)
    inside = physical & within(variables, cuts)
    bias = electron.bias(scattered)
    if bias is None:
        return _Kept(inside, physical)
    draws = streams.uniform(len(scattered) // len(streams)).cpu().double().numpy().ravel()
    return _Kept(inside & (draws * np.nan_to_num(bias, nan=np.inf) < electron.least_bias(cuts)), physical)


class _Repeated:
    """Streams from which each event draws for several rows.

    Args:
        rng: one stream for each event.
        times: rows of each event, which follow each other.
    """

    def __init__(self, rng: Rng, times: int) -> None:
        self._rng, self._times = rng, times

    def normal(self, *shape: int) -> Tensor:
        """Unit normal numbers.

        Args:
            *shape: trailing shape.
        """
        return self._rng.normal(self._times, *shape).flatten(0, 1)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1).

        Args:
            *shape: trailing shape.
        """
        return self._rng.uniform(self._times, *shape).flatten(0, 1)
