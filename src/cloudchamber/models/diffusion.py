"""A diffusion or flow-matching model: a denoiser, how it is trained, sampled and asked for densities."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cloudchamber.process.base import Base
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.likelihood import Divergence, ExactTrace, ForwardTrace, Scored, log_prob, sample_with_log_prob
from cloudchamber.process.objective import Objective, Regression
from cloudchamber.process.sampler import sample
from cloudchamber.process.step import Field, Sampler
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Diffusion", "SolvedDiffusion"]


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

    def sample_with_log_prob(
        self, given: Batch, rng: Rng, steps: int = 16, divergence: Divergence | None = None, base: Base | None = None
    ) -> Scored:
        """New x under the conditions of a batch, with the log-density of each.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
            steps: of the fourth-order Runge-Kutta method, four network calls each.
            divergence: how the divergence is computed; exactly by default.
            base: what the noise is drawn from; unit normal by default.
        """
        field = Field(self.denoiser, given)
        return sample_with_log_prob(field, rng, given.x, divergence or ExactTrace(), steps=steps, base=base)

    def log_prob(
        self, rows: Batch, divergence: Divergence | None = None, tolerance: float = 1e-5, steps: int | None = None,
        base: Base | None = None, *, power: float = 1.0,
    ) -> Tensor:  # fmt: skip
        """Log-density of x given the other entries, shape (B,).

        Args:
            rows: a batch.
            divergence: how the divergence is computed; exactly by default, which is dear in many dimensions.
            tolerance: of the adaptive solver.
            steps: of the fourth-order Runge-Kutta method instead, as in `sample_with_log_prob`.
            base: what the noise is drawn from; unit normal by default.
            power: of the grid of steps: 1 for a uniform one, larger for more steps near the data.
        """
        field, divergence = Field(self.denoiser, rows), divergence or ExactTrace()
        return log_prob(field, rows.x, divergence, tolerance=tolerance, steps=steps, base=base, power=power)


class SolvedDiffusion(nn.Module):
    """A diffusion model whose draws and densities come from one and the same fixed solver.

    Args:
        model: of vectors, with a network that pushes tangents forward.
        steps: of the fourth-order Runge-Kutta method.
        base: what the noise is drawn from; unit normal by default.
    """

    def __init__(self, model: Diffusion, steps: int = 6, base: Base | None = None) -> None:
        super().__init__()
        self.model, self.steps, self.base = model, steps, base

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Those of the model.

        Args:
            rows: a batch.
            rng: random stream.
        """
        return self.model.losses(rows, rng)

    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """New x under the conditions of a batch.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
        """
        return self.sample_with_log_prob(given, rng).x

    def sample_with_log_prob(self, given: Batch, rng: Rng) -> Scored:
        """New x under the conditions of a batch, with the log-density of each.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
        """
        return self.model.sample_with_log_prob(given, rng, self.steps, ForwardTrace(), self.base)

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-density of x given the other entries, shape (B,).

        Args:
            rows: a batch.
        """
        return self.model.log_prob(rows, ForwardTrace(), steps=self.steps, base=self.base)
