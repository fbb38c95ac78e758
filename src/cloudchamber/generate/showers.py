r"""One block of showers from a cascade: visible energy, hits of the layers, energies of the layers, hits.

A block is 128 consecutive numbers of showers, with their incident energies. It is always made whole and in the same
way, and each shower draws from streams of its own, so a shower depends on the model, the seed, its number and the
incident energies of its block alone. Numbers of hits that are impossible with the visible energy are drawn again.
Showers that are made cell by cell become one of their mirror images in the end, so that they have the symmetries of the
calorimeter exactly.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import Showers
from cloudchamber.generate.maker import BlockMaker
from cloudchamber.generate.pipeline import similar
from cloudchamber.models.cells import CellsModel
from cloudchamber.models.counts import CountsModel
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.models.shares import SharesModel
from cloudchamber.represent.cell_hits import CellsRepresentation
from cloudchamber.represent.hits import HitsRepresentation
from cloudchamber.represent.shower_scales import Given
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

__all__ = ["BLOCK", "ShowerPipeline"]

BLOCK = 128
"""Showers that are made at once."""
_ATTEMPTS = 100


class ShowerPipeline(BlockMaker[HitsRepresentation | CellsRepresentation]):
    """Makes blocks of showers from a cascade with the stages visible, counts, layers and hits."""

    @torch.no_grad()
    def block(self, number: int, seed: int, incident: NDArray[np.float64]) -> Showers:
        """All showers of a block.

        Args:
            number: the block's number; its showers are 128 `number` to 128 `number` + 127.
            seed: the user's seed.
            incident: incident energies, MeV, shape (128,).
        """
        numbers = range(number * BLOCK, (number + 1) * BLOCK)
        streams = [EventRng(seed, numbers, stage, self.device) for stage in range(4)]
        energy = torch.tensor(incident, dtype=torch.float64)
        visible = self._visible(energy, streams[0])
        counts = self._counts(energy, visible, streams[1])
        conditions = self.representation.layers_given(energy, visible, counts)
        excess = self.representation.excess(self._drawn("layers", conditions, streams[2]), conditions, visible, counts)
        given = Given(energy, visible, counts, excess)
        showers = self._mirrored(self._hits(given, streams[3]), given, EventRng(seed, numbers, 4))
        return replace(showers, incident_energy=np.array(incident, dtype=np.float64), run=self.run)

    def _visible(self, energy: Tensor, rng: EventRng) -> Tensor:
        """Visible energies, MeV, shape (128,)."""
        context = self.representation.scales.incident(energy)
        z = self._drawn("visible", Batch(torch.zeros(BLOCK, 1), torch.ones(BLOCK), context), rng)
        return self.representation.visible(z, energy)

    def _counts(self, energy: Tensor, visible: Tensor, rng: EventRng) -> Tensor:
        """Hits of each layer, shape (128, L)."""
        stage = self.model["counts"]
        assert isinstance(stage, CountsModel)
        context = self.representation.counts_context(energy, visible)
        counts = torch.zeros(BLOCK, stage.length, dtype=torch.long)
        rows = list(range(BLOCK))
        for _ in range(_ATTEMPTS):
            given = Batch(torch.zeros(len(rows), stage.length), torch.ones(len(rows)), context[rows])
            counts[rows] = stage.sample(given.to(self.device), rng.select(rows)).cpu()
            good = self.representation.fits(visible[rows], counts[rows])
            rows = [row for row, fits in zip(rows, good.tolist(), strict=True) if not fits]
            if not rows:
                return counts
        raise RuntimeError("the stage counts draws only impossible numbers of hits; its weights must be wrong")

    def _hits(self, given: Given, rng: EventRng) -> Tensor:
        """All hits, shape (128, N, F)."""
        if not isinstance(self.model["hits"], Diffusion):
            return self._drawn_rounded("hits", self.representation.hits_given(given), rng)
        total = given.counts.sum(1)  # sets of similar size share a network call
        scores = torch.zeros(BLOCK, int(total.max()), 3)
        for rows in similar(total):
            conditions = self.representation.hits_given(given.select(rows))
            drawn = self._drawn_rounded("hits", conditions, rng.select(rows.tolist()))
            scores[rows, : drawn.shape[1]] = drawn
        return scores

    def _mirrored(self, x: Tensor, given: Given, rng: EventRng) -> Showers:
        """Showers of the hits, as one of their mirror images where hits are cells."""
        if isinstance(self.representation, CellsRepresentation):
            x = self.representation.vary(replace(self.representation.hits_given(given), x=x), rng).x
        return self.representation.decode(x, given)

    def _drawn_rounded(self, name: str, given: Batch, rng: EventRng) -> Tensor:
        """Draws of a stage whose matrix products have the precision of the solver."""
        with self._rounded():
            return self._drawn(name, given, rng)

    def _drawn(self, name: str, given: Batch, rng: EventRng) -> Tensor:
        stage = self.model[name]
        if isinstance(stage, Diffusion):
            return self._diffused(name, given, rng)
        assert isinstance(stage, SharesModel | CellsModel)
        return stage.sample(given.to(self.device), rng).cpu()
