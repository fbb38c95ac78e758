"""Blocks of images: what the model draws comes out, and only images without an electron are drawn again."""

import awkward as ak
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cloudchamber.events import Events, RunInfo
from cloudchamber.generate.image import ImagePipeline
from cloudchamber.generate.pipeline import BLOCK, Solver
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.models.raster import Rasterised, dense
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import Rectified
from cloudchamber.process.step import Sampler
from cloudchamber.represent.image import EMPTY, ImageRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng


class Recites(Rasterised):
    """Draws the images it was given, in their order; the first draw of some of them has no electron."""

    def __init__(self, images: Tensor, spoilt: int) -> None:
        super().__init__(Diffusion(Denoiser(nn.Identity(), Rectified())), (1, 1, 1))
        self.images, self.spoilt, self.asked = images, spoilt, list[tuple[int, int]]()

    def sample(self, given: Batch, rng: Rng, calls: int = 16, sampler: str | Sampler = "heun") -> Tensor:
        self.asked.append((len(given), calls))
        rows = self.images[BLOCK - len(given) if len(self.asked) > 1 else 0 :][: len(given)].clone()
        if len(self.asked) == 1:
            rows[BLOCK - self.spoilt :, ..., -1] = -1.0
        return rows


@pytest.fixture(scope="module")
def representation(stable_events: Events) -> ImageRepresentation:
    return ImageRepresentation.fit(stable_events, rows=32, columns=32)


def pipeline(representation: ImageRepresentation, events: Events, spoilt: int = 0) -> ImagePipeline:
    images = dense(representation.encode(events[:BLOCK])["image"], representation.shape, EMPTY)
    run = RunInfo(process="it", beams=events.run.beams)
    return ImagePipeline(representation, Cascade({"image": Recites(images, spoilt)}), run, solver=Solver(calls=500))


@pytest.mark.parametrize("spoilt", [0, 40])
def test_a_block_is_what_the_model_draws(
    representation: ImageRepresentation, stable_events: Events, spoilt: int
) -> None:
    maker = pipeline(representation, stable_events, spoilt)
    events, tally = maker.block(0, seed=1)
    stage = maker.model["image"]
    assert isinstance(stage, Recites)
    assert stage.asked == [(BLOCK, 500), *([(spoilt, 500)] if spoilt else [])]
    assert (len(events), tally.events, tally.redrawn_images) == (BLOCK, BLOCK, spoilt)
    assert events.run.process == "it"
    before, after = representation.pixelate(stable_events[:BLOCK]), representation.pixelate(events)
    assert np.array_equal(after.image, before.image)
    assert np.array_equal(after.pixel, before.pixel)
    np.testing.assert_allclose(after.intensity, before.intensity, atol=1e-6)
    assert (ak.to_numpy(events.electron.pdg_id) == 11).all()
    assert set(events.flat("pdg_id")) <= {11, 211, 321}
    masses = events.flat("mass")[events.flat("pdg_id") == 211]
    np.testing.assert_allclose(masses, 0.13957, atol=1e-5)


def test_the_azimuth_of_the_electron_is_uniform(representation: ImageRepresentation, stable_events: Events) -> None:
    phi = ak.to_numpy(pipeline(representation, stable_events).block(0, seed=1).events.electron.phi)
    assert abs(np.exp(1j * phi).mean()) < 4 / BLOCK**0.5
    assert abs(np.exp(2j * phi).mean()) < 4 / BLOCK**0.5


def test_weights_that_draw_no_electron_are_named(representation: ImageRepresentation, stable_events: Events) -> None:
    maker = pipeline(representation, stable_events)
    empty = torch.full((1, *representation.shape), -1.0)
    maker.model["image"].sample = lambda given, *_: empty.expand(len(given), -1, -1, -1)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="only images without an electron"):
        maker.block(0, seed=1)
