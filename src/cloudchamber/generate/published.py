r"""One block of events from the published chain: event features, then all particles at once (arXiv:2410.22421).

As in `generate.pipeline` a block is 256 consecutive event numbers, made whole and in the same way, and each event draws
from streams of its own. The number of particles is the rounded third feature of the event; their network is told the
features as they were drawn. Nothing is drawn again or moved to conserve anything; only an electron without positive
transverse momentum, which has no direction, is drawn again. The azimuth of the electron is uniform.
"""

import numpy as np
import torch
from torch import Tensor

from cloudchamber.generate.electrons import Electrons
from cloudchamber.generate.maker import BlockMaker
from cloudchamber.generate.pipeline import BLOCK, Block, Tally, assemble
from cloudchamber.physics.dis import ELECTRON_MASS
from cloudchamber.represent.published import PublishedRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

__all__ = ["PublishedPipeline"]

_ATTEMPTS = 1_000


class PublishedPipeline(BlockMaker[PublishedRepresentation]):
    """Makes blocks of events inside the published acceptance, from a cascade with the stages event and particles."""

    @torch.no_grad()
    def block(self, number: int, seed: int, history: bool = False, electrons: Electrons | None = None) -> Block:
        """All events of a block.

        Args:
            number: the block's number; its events are 256 `number` to 256 `number` + 255.
            seed: the user's seed.
            history: not used, since nothing decays.
            electrons: must be None; the particles of a given electron cannot be drawn.
        """
        assert electrons is None
        numbers = range(number * BLOCK, (number + 1) * BLOCK)
        first = EventRng(seed, numbers, 0, self.device)
        event = self._event(first)
        phi = 2 * np.pi * first.uniform().cpu().double().numpy() - np.pi
        counts = self.representation.counts(event)
        mask = torch.arange(int(counts.max())) < counts[:, None]
        x = torch.zeros(*mask.shape, self.representation.features)
        given = Batch(x, torch.ones(BLOCK), context=event, mask=mask)
        particles = self._diffused("particles", given, EventRng(seed, numbers, 1, self.device))
        decoded = self.representation.decode(event, particles, mask, phi)
        mass = np.full(BLOCK, ELECTRON_MASS)
        events = assemble(decoded.scattered, decoded.particles, decoded.event, self.run, mass)
        return Block(events, Tally(events=BLOCK))

    def _event(self, rng: EventRng) -> Tensor:
        """Scores of event features, shape (256, 3)."""
        scores = torch.full((BLOCK, self.representation.EVENT), float("nan"))
        for _ in range(_ATTEMPTS):
            rows = np.flatnonzero(~self.representation.physical(scores)).tolist()
            if not rows:
                return scores
            given = Batch(torch.zeros(len(rows), scores.shape[1]), torch.ones(len(rows)))
            scores[rows] = self._diffused("event", given, rng.select(rows))
        raise RuntimeError("the event stage draws only electrons without a direction; its weights must be wrong")
