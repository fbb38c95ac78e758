"""One block of showers as arXiv:2307.04780 makes them: energy and number of hits, then hits.

A block is 128 consecutive numbers of showers, made as in `generate.showers`: whole, always in the same way, with
streams of random numbers of their own for each shower.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import RunInfo, Showers
from cloudchamber.generate.pipeline import Solver, similar
from cloudchamber.generate.showers import BLOCK
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.represent.points import PointsRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

__all__ = ["PointPipeline"]


class PointPipeline:
    """Makes blocks of showers.

    Args:
        representation: showers <-> tensors.
        model: a cascade with the stages cluster and hits.
        run: metadata of the showers.
        solver: how the stages are sampled.
        device: where the networks run.
    """

    def __init__(
        self,
        representation: PointsRepresentation,
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
        context = self.representation.incident_context(energy)
        given = Batch(torch.zeros(BLOCK, self.representation.CLUSTER), torch.ones(BLOCK), context)
        cluster = self._drawn("cluster", given, first)
        counts = self.representation.counts(cluster)
        hits = self._hits(context, cluster, counts, second)
        return self.representation.decode(hits, counts, energy).with_run(self.run)

    def _hits(self, context: Tensor, cluster: Tensor, counts: Tensor, rng: EventRng) -> Tensor:
        """Scores of all hits, in groups of showers with similar numbers of them, shape (128, N, 4)."""
        scores = torch.zeros(BLOCK, int(counts.max()), self.representation.FEATURES)
        rounded = self.solver.precision == "bfloat16"
        for rows in similar(counts):
            given = self.representation.hits_given(context[rows], cluster[rows], counts[rows])
            with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=rounded):
                drawn = self._drawn("hits", given, rng.select(rows.tolist()))
            scores[rows, : drawn.shape[1]] = drawn
        return scores

    def _drawn(self, name: str, given: Batch, rng: EventRng) -> Tensor:
        stage, solver = self.model[name], self.solver
        assert isinstance(stage, Diffusion)
        return stage.sample(given.to(self.device), rng, solver.calls_of(name), solver.sampler_of(name)).cpu().float()
