"""A diffusion or flow-matching model: a denoiser, how it is trained, how it is sampled."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.objective import flow_matching
from cloudchamber.process.sampler import sample
from cloudchamber.process.schedule import Rectified
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Diffusion"]


class Diffusion(nn.Module):
    """Model of `x` given the other entries of a batch.

    Args:
        net: predicts the velocity of (x_t, t, given).
        repeats: noise draws per row and training step; more for small networks.
    """

    def __init__(self, net: nn.Module, repeats: int = 1) -> None:
        super().__init__()
        self.denoiser = Denoiser(net, Rectified())
        self.repeats = repeats

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """The flow-matching loss of each row.

        Args:
            rows: a batch.
            rng: random stream.
        """
        draws = [flow_matching(self.denoiser, rows, rng) for _ in range(self.repeats)]
        return {"velocity": torch.stack(draws).mean(0)}

    def sample(self, given: Batch, rng: Rng, calls: int = 16, sampler: str = "heun") -> Tensor:
        """New x under the conditions of a batch; padding is zero.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
            calls: network calls.
            sampler: solver's name, see `process.sampler.SAMPLERS`.
        """
        noise = rng.normal(*given.x.shape[1:])
        if given.mask is not None:
            noise = noise * given.mask[..., None]
            given = replace(given, x=noise)

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            v: Tensor = self.denoiser(x, t.expand(len(x)), given)
            return v.to(x.dtype)

        return sample(velocity, noise, calls, sampler)
