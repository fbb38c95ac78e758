"""A diffusion model of images that are given as lists of their filled pixels.

A million images of 64 x 64 pixels and three channels, of which a handful is filled, are lists of a hundred megabytes
and dense tensors of fifty gigabytes; so images are dense only inside a step.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from cloudchamber.models.diffusion import Diffusion
from cloudchamber.process.clip import Clipped
from cloudchamber.process.likelihood import Divergence
from cloudchamber.process.sampler import sample
from cloudchamber.process.step import Sampler
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Rasterised", "dense"]


class Rasterised(nn.Module):
    """A model of dense images, trained on lists.

    Args:
        model: of images x (B, H, W, C).
        shape: (H, W, C).
        empty: value of an empty pixel, the lower end of the range of values; minus it is the upper end.
    """

    def __init__(self, model: Diffusion, shape: tuple[int, int, int], empty: float = -1.0) -> None:
        super().__init__()
        self.model, self.shape, self.empty = model, shape, empty

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """The losses of the model of dense images, per pixel.

        Args:
            rows: values x (B, N, 1) and numbers `tokens` (B, N) of filled pixels.
            rng: random stream.
        """
        pixels = self.shape[0] * self.shape[1]
        return {name: loss / pixels for name, loss in self.model.losses(self._images(rows), rng).items()}

    def sample(self, given: Batch, rng: Rng, calls: int = 16, sampler: str | Sampler = "ancestral") -> Tensor:
        """New images, shape (B, H, W, C); predicted values are kept in their range.

        Args:
            given: its weight only gives the number of images.
            rng: random stream.
            calls: network calls.
            sampler: a name in `process.sampler.SAMPLERS`, or a sampler.
        """
        blank = Batch(given.weight.new_zeros(len(given), *self.shape), given.weight)
        limited = Clipped(self.model.denoiser, self.empty, -self.empty)
        return sample(limited, blank, rng, calls, sampler)

    def log_prob(self, rows: Batch, divergence: Divergence | None = None, tolerance: float = 1e-5) -> Tensor:
        """Log-density of the dense images, shape (B,).

        Args:
            rows: lists of filled pixels.
            divergence: how the divergence is computed; exactly by default, which is for small images.
            tolerance: of the solver.
        """
        return self.model.log_prob(self._images(rows), divergence, tolerance)

    def _images(self, rows: Batch) -> Batch:
        return Batch(dense(rows, self.shape, self.empty), rows.weight)


def dense(rows: Batch, shape: tuple[int, int, int], empty: float) -> Tensor:
    """Images from lists of filled pixels, shape (B, H, W, C).

    Args:
        rows: values x (B, N, 1), numbers `tokens` (B, N) and mask (B, N).
        shape: (H, W, C).
        empty: value of all other pixels.

    >>> import torch
    >>> row = Batch(torch.tensor([[[0.5]]]), torch.ones(1), mask=torch.tensor([[True]]), tokens=torch.tensor([[3]]))
    >>> dense(row, (1, 2, 2), -1.0).tolist()
    [[[[-1.0, -1.0], [-1.0, 0.5]]]]
    """
    assert rows.tokens is not None
    assert rows.mask is not None
    height, width, channels = shape
    size = height * width * channels
    images = rows.x.new_full((len(rows), size + 1), empty)
    images.scatter_(1, rows.tokens.masked_fill(~rows.mask, size), rows.x[..., 0])
    return images[:, :size].view(len(rows), *shape)
