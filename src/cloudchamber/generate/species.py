r"""Which particles there are: drawn at a given electron until they obey the laws, and how often they do at once.

A list of species with masses m is lawful where its charges are those of the proton (in whatever the level conserves)
and sum m < W. Drawing again until it is makes the probability of a lawful list

    P(list | e, lawful) = P(list | e) / A(e),        A(e) = P(lawful | e).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cloudchamber.models.autoregressive import MultisetModel
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

__all__ = ["Attempt", "Drawn", "Species", "SpeciesStage"]

_ATTEMPTS = 1_000
_ROOM = 1 - 1e-6
_FEWEST = 2

Array = NDArray[np.float64]


class Species(NamedTuple):
    """Kinds (B, N), masses (B, N) and mask (B, N), with the mass scores that the cloud is told."""

    kinds: Tensor
    masses: Tensor
    scores: Tensor
    mask: Tensor

    def select(self, rows: Tensor, longest: int) -> "Species":
        """Some rows, without the padding that all of them share.

        Args:
            rows: row numbers, shape (b,).
            longest: particles of the longest.
        """
        return Species(*(tensor[rows, :longest] for tensor in self))


class Attempt(NamedTuple):
    """Lists drawn once, and which of them are lawful, shape (B,)."""

    species: Species
    lawful: Tensor


class Drawn(NamedTuple):
    """Lawful lists, and how many were drawn to get them."""

    species: Species
    draws: int


class SpeciesStage:
    """Draws lists of species.

    Args:
        representation: knows the species and their masses.
        stage: the model of the lists.
        device: where it runs.
    """

    def __init__(self, representation: CloudRepresentation, stage: nn.Module, device: torch.device | str) -> None:
        assert isinstance(stage, MultisetModel)
        self.representation, self.stage, self.device = representation, stage, device

    def draw(self, scores: Tensor, W: Array, rng: EventRng) -> Drawn:
        """Lists, drawn again until they are lawful.

        Args:
            scores: of the electrons, shape (B, 2).
            W: mass of the hadronic system, shape (B,), GeV.
            rng: random streams, one for each event.

        Raises:
            RuntimeError: if that does not end.
        """
        shape, draws = (len(scores), self.stage.longest), 0
        made = Species(
            torch.zeros(shape, dtype=torch.long),
            torch.zeros(shape, dtype=torch.float64),
            torch.zeros(shape),
            torch.zeros(shape, dtype=torch.bool),
        )
        rows = list(range(len(scores)))
        for _ in range(_ATTEMPTS):
            if not rows:
                return Drawn(made.select(torch.arange(len(scores)), int(made.mask.sum(1).max())), draws)
            draws += len(rows)
            drawn, lawful = self.attempt(scores[rows], W[rows], rng.select(rows))
            length = drawn.kinds.shape[1]
            for target, value in zip(made, drawn, strict=True):
                target[torch.tensor(rows)[lawful], :length] = value[lawful].to(target.dtype)
            rows = [row for row, accepted in zip(rows, lawful.tolist(), strict=True) if not accepted]
        raise RuntimeError("the species stage cannot satisfy the conservation laws; its weights must be wrong")

    def attempt(self, scores: Tensor, W: Array, rng: EventRng) -> Attempt:
        """Lists drawn once.

        Args:
            scores: of the electrons, shape (B, 2).
            W: mass of the hadronic system, shape (B,), GeV.
            rng: random streams, one for each event.
        """
        table = self.representation.species
        context = self.representation.context(scores, torch.ones(len(scores)))[:, :-1]
        like = next(self.stage.parameters())
        given = Batch(torch.zeros(len(scores), 0), torch.ones(len(scores)), context=context.to(like.dtype))
        drawn = self.stage.sample(given.to(self.device), rng)
        kinds, mask = drawn.kinds.cpu(), drawn.mask.cpu()
        masses = table.draw_masses(kinds, rng.normal(self.stage.longest)[:, : kinds.shape[1]].cpu()) * mask
        species = Species(kinds, masses, table.mass_scores(kinds, masses).float() * mask, mask)
        return Attempt(species, self.lawful(species, W) & drawn.whole.cpu())

    def lawful(self, species: Species, W: Array) -> Tensor:
        """Which lists carry the proton's charges and leave room below W, shape (B,).

        Args:
            species: lists.
            W: mass of the hadronic system, shape (B,), GeV.
        """
        charges = (self.stage.charges.cpu()[species.kinds] * species.mask[..., None]).sum(1)
        room = species.masses.sum(1) < torch.from_numpy(W) * _ROOM
        return (charges == self.stage.total.cpu()).all(-1) & room & (species.mask.sum(1) >= _FEWEST)
