"""One block of showers of voxels: energies of the layers, if the model knows them, then voxels.

A block is 128 consecutive numbers of showers, made as in `generate.showers`: whole, always in the same way, with
streams of random numbers of their own for each shower.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import Showers
from cloudchamber.generate.maker import BlockMaker
from cloudchamber.generate.showers import BLOCK
from cloudchamber.represent.voxels import VoxelsRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

__all__ = ["VoxelPipeline"]

_VOXELS_AT_ONCE = {"cpu": 2**16, "cuda": 2**22}
"""In one call of the network, which needs some hundred times that in memory."""


class VoxelPipeline(BlockMaker[VoxelsRepresentation]):
    """Makes blocks of showers from a cascade with the stages layers, if they come first, and voxels."""

    @torch.no_grad()
    def block(self, number: int, seed: int, incident: NDArray[np.float64]) -> Showers:
        """All showers of a block.

        Args:
            number: the block's number; its showers are 128 `number` to 128 `number` + 127.
            seed: the user's seed.
            incident: incident energies, MeV, shape (128,).
        """
        numbers = range(number * BLOCK, (number + 1) * BLOCK)
        first, second = (EventRng(seed, numbers, stage, self.device) for stage in range(2))
        energy = torch.tensor(incident, dtype=torch.float64)
        context, layers = self.representation.incident_context(energy), None
        if self.representation.layers is not None:
            scores = self._drawn("layers", len(self.representation.geometry.layers), context, first)
            layers = self.representation.layer_energies(scores, energy)
            context = torch.cat([context, scores], dim=1)
        with self._rounded():
            z = self._in_parts(context, second)
        return self.representation.decode(z, energy, layers).with_run(self.run)

    def _in_parts(self, context: Tensor, rng: EventRng) -> Tensor:
        """Scores of the voxels of all showers, some showers at a time, shape (128, V)."""
        voxels = self.representation.voxels
        size = max(_VOXELS_AT_ONCE.get(torch.device(self.device).type, 2**16) // voxels, 1)
        rows = torch.split(torch.arange(len(context)), size)
        return torch.cat([self._drawn("voxels", voxels, context[r], rng.select(r.tolist())) for r in rows])

    def _drawn(self, name: str, size: int, context: Tensor, rng: EventRng) -> Tensor:
        return self._diffused(name, Batch(torch.zeros(len(context), size), torch.ones(len(context)), context), rng)
