"""A diffusion or flow-matching model: a denoiser, how it is trained, sampled and asked for densities."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.likelihood import Divergence, ExactTrace, log_prob
from cloudchamber.process.objective import Objective, Regression
from cloudchamber.process.sampler import sample
from cloudchamber.process.step import Field, Sampler
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Diffusion"]


class Diffusion(nn.Module):
    """Model of `x` given the other entries of a batch.

    Args:
        denoiser: a network, its target and the path.
        objective: what it is trained on; flow matching by default.
        repeats: noise draws per row and training step; more for small networks.
    """

    def __init__(self, denoiser: Denoiser, objective: Objective | None = None, repeats: int = 1) -> None:
        super().__init__()
        self.denoiser, self.objective, self.repeats = denoiser, objective or Regression(), repeats

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """The objective's loss of each row.

        Args:
            rows: a batch.
            rng: random stream.
        """
        draws = [self.objective(self.denoiser, rows, rng) for _ in range(self.repeats)]
        return {"denoising": torch.stack(draws).mean(0)}

    def sample(self, given: Batch, rng: Rng, calls: int = 16, sampler: str | Sampler = "adams-bashforth") -> Tensor:
        """New x under the conditions of a batch; padding is zero.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
            calls: network calls.
            sampler: a name in `process.sampler.SAMPLERS`, or a sampler.
        """
        return sample(self.denoiser, given, rng, calls, sampler)

    def log_prob(self, rows: Batch, divergence: Divergence | None = None, tolerance: float = 1e-5) -> Tensor:
        """Log-density of x given the other entries, shape (B,).

        Args:
            rows: a batch.
            divergence: how the divergence is computed; exactly by default, which is dear in many dimensions.
            tolerance: of the solver.
        """
        return log_prob(Field(self.denoiser, rows), rows.x, divergence or ExactTrace(), tolerance=tolerance)
