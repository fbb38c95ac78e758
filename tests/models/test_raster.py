"""Lists of filled pixels and dense images are the same rows."""

import pytest
import torch

from cloudchamber.models.diffusion import Diffusion
from cloudchamber.models.raster import Rasterised, dense
from cloudchamber.nets.unet import UNet
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import Rectified
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

SHAPE = (4, 8, 2)


def lists() -> Batch:
    """Three images with 2, 0 and 4 filled pixels; padding holds rubbish."""
    mask = torch.arange(4) < torch.tensor([[2], [0], [4]])
    tokens = torch.tensor([[0, 63, 63, 0], [9, 9, 9, 9], [1, 2, 30, 31]])
    return Batch(torch.linspace(-0.7, 0.8, 12).view(3, 4, 1), torch.ones(3), mask=mask, tokens=tokens)


def model() -> Rasterised:
    net = UNet(SHAPE, 2, widths=(8, 8), blocks=1)
    return Rasterised(Diffusion(Denoiser(net, Rectified())), SHAPE)


def test_every_value_is_in_its_pixel_and_padding_nowhere() -> None:
    rows = lists()
    images = dense(rows, SHAPE, -1.0)
    assert images.shape == (3, *SHAPE)
    assert (images != -1.0).flatten(1).sum(1).tolist() == [2, 0, 4]
    for row, pixel, value in ((0, 0, rows.x[0, 0, 0]), (0, 63, rows.x[0, 1, 0]), (2, 30, rows.x[2, 2, 0])):
        assert images[row].flatten()[pixel] == value


def test_losses_are_those_of_dense_images_per_pixel() -> None:
    rasterised, rows = model(), lists()
    images = Batch(dense(rows, SHAPE, -1.0), rows.weight)
    expected = rasterised.model.losses(images, RowRng((1,), 3))["denoising"] / 32
    torch.testing.assert_close(rasterised.losses(rows, RowRng((1,), 3))["denoising"], expected)


@pytest.mark.parametrize("sampler", ["euler", "ancestral"])
def test_samples_are_images_in_their_range(sampler: str) -> None:
    given = Batch(torch.zeros(5, 0), torch.ones(5))
    with torch.no_grad():
        drawn = model().sample(given, RowRng((2,), 5), 4, sampler)
    assert drawn.shape == (5, *SHAPE)
    assert drawn.abs().max() <= 1 + 1e-5
