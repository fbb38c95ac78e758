"""One block of showers of voxels: energies of the layers, if the model knows them, then voxels.

A block is 128 consecutive numbers of showers, made as in `generate.showers`: whole, always in the same way, with
streams of random numbers of their own for each shower.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import RunInfo, Showers
from cloudchamber.generate.pipeline import Solver
from cloudchamber.generate.showers import BLOCK
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.represent.voxels import VoxelsRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

__all__ = ["VoxelPipeline"]

_VOXELS_AT_ONCE = {"cpu": 2**16, "cuda": 2**22}
"""In one call of the network, which needs some hundred times that in memory."""


class VoxelPipeline:
    """Makes blocks of showers.

    Args:
        representation: showers <-> tensors.
        model: a cascade with the stages layers, if they come first, and voxels.
        run: metadata of the showers.
        solver: how the stages are sampled.
        device: where the networks run.
    """

    def __init__(
        self,
        representation: VoxelsRepresentation,
        model: Cascade,
        run: RunInfo,
        *,
        solver: Solver,
        device: torch.device | str = "cpu",
    ) -> None:
        self.representation, self.model, self.run = representation, model.to(device), run
        self.solver, self.device = solver, device

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
        rounded = self.solver.precision == "bfloat16"
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=rounded):
            z = self._in_parts(context, second)
        return self.representation.decode(z, energy, layers).with_run(self.run)

    def _in_parts(self, context: Tensor, rng: EventRng) -> Tensor:
        """Scores of the voxels of all showers, some showers at a time, shape (128, V)."""
        voxels = self.representation.voxels
        size = max(_VOXELS_AT_ONCE.get(torch.device(self.device).type, 2**16) // voxels, 1)
        rows = torch.split(torch.arange(len(context)), size)
        return torch.cat([self._drawn("voxels", voxels, context[r], rng.select(r.tolist())) for r in rows])

    def _drawn(self, name: str, size: int, context: Tensor, rng: EventRng) -> Tensor:
        stage, solver = self.model[name], self.solver
        assert isinstance(stage, Diffusion)
        given = Batch(torch.zeros(len(context), size), torch.ones(len(context)), context).to(self.device)
        return stage.sample(given, rng, solver.calls_of(name), solver.sampler_of(name)).cpu().float()
