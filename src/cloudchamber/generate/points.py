"""One block of showers as arXiv:2307.04780 makes them: energy and number of hits, then hits.

A block is 128 consecutive numbers of showers, made as in `generate.showers`: whole, always in the same way, with
streams of random numbers of their own for each shower.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import Showers
from cloudchamber.generate.maker import BlockMaker
from cloudchamber.generate.pipeline import similar
from cloudchamber.generate.showers import BLOCK
from cloudchamber.represent.points import PointsRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

__all__ = ["PointPipeline"]


class PointPipeline(BlockMaker[PointsRepresentation]):
    """Makes blocks of showers from a cascade with the stages cluster and hits."""

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
        cluster = self._diffused("cluster", given, first)
        counts = self.representation.counts(cluster)
        hits = self._hits(context, cluster, counts, second)
        return self.representation.decode(hits, counts, energy).with_run(self.run)

    def _hits(self, context: Tensor, cluster: Tensor, counts: Tensor, rng: EventRng) -> Tensor:
        """Scores of all hits, in groups of showers with similar numbers of them, shape (128, N, 4)."""
        scores = torch.zeros(BLOCK, int(counts.max()), self.representation.FEATURES)
        for rows in similar(counts):
            given = self.representation.hits_given(context[rows], cluster[rows], counts[rows])
            with self._rounded():
                drawn = self._diffused("hits", given, rng.select(rows.tolist()))
            scores[rows, : drawn.shape[1]] = drawn
        return scores
