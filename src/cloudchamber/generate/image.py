r"""One block of events from a model of images (arXiv:2310.16308).

As in `generate.pipeline` a block is 256 consecutive event numbers, made whole and in the same way, and each event draws
from streams of its own. Nothing is conserved and nothing is moved or drawn again to look so: momentum sums come out as
the model has learnt them. Only an image without any electron, which is no deep-inelastic event, is drawn again, and
the tally counts them. The azimuth of the electron is uniform.
"""

import numpy as np
import torch
from torch import Tensor

from cloudchamber.generate.electrons import Electrons
from cloudchamber.generate.maker import BlockMaker
from cloudchamber.generate.pipeline import BLOCK, Block, Tally, assemble
from cloudchamber.models.raster import Rasterised
from cloudchamber.physics.dis import ELECTRON_MASS
from cloudchamber.represent.image import ImageRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

__all__ = ["ImagePipeline"]

_ATTEMPTS = 100


class ImagePipeline(BlockMaker[ImageRepresentation]):
    """Makes blocks of events from a cascade with the stage image."""

    @torch.no_grad()
    def block(self, number: int, seed: int, history: bool = False, electrons: Electrons | None = None) -> Block:
        """All events of a block.

        Args:
            number: the block's number; its events are 256 `number` to 256 `number` + 255.
            seed: the user's seed.
            history: not used, since nothing decays.
            electrons: must be None; the electron is a pixel of the image.
        """
        assert electrons is None
        numbers = range(number * BLOCK, (number + 1) * BLOCK)
        tally = Tally(events=BLOCK)
        images = self._images(EventRng(seed, numbers, 0, self.device), tally)
        rng = EventRng(seed, numbers, 1)
        phi = 2 * np.pi * rng.uniform().double().numpy() - np.pi
        decoded = self.representation.decode(self.representation.filled(images), phi, rng)
        mass = np.full(len(decoded.scattered), ELECTRON_MASS)
        return Block(assemble(decoded.scattered, decoded.particles, decoded.event, self.run, mass), tally)

    def _images(self, rng: EventRng, tally: Tally) -> Tensor:
        """Images with an electron, shape (256, H, W, C)."""
        stage, solver = self.model["image"], self.solver
        assert isinstance(stage, Rasterised)
        images = torch.empty(BLOCK, *self.representation.shape)
        rows = list(range(BLOCK))
        for attempt in range(_ATTEMPTS):
            tally.redrawn_images += len(rows) if attempt else 0
            given = Batch(torch.zeros(len(rows), 0), torch.ones(len(rows))).to(self.device)
            with self._rounded():
                calls, sampler = solver.calls_of("image"), solver.sampler_of("image")
                drawn = stage.sample(given, rng.select(rows), calls, sampler)
            images[rows] = drawn.cpu().float()
            good = self.representation.has_electron(images[rows])
            rows = [row for row, found in zip(rows, good.tolist(), strict=True) if not found]
            if not rows:
                return images
        raise RuntimeError("the image stage draws only images without an electron; its weights must be wrong")
