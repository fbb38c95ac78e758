"""What every maker of blocks has: a representation, a cascade on a device, the metadata of a run, and a solver."""

from typing import Generic, TypeVar

import torch
from torch import Tensor

from cloudchamber.events import RunInfo
from cloudchamber.generate.pipeline import Solver
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["BlockMaker"]

R = TypeVar("R")


class BlockMaker(Generic[R]):
    """Makes blocks of events or showers from the stages of a cascade.

    Args:
        representation: events or showers <-> tensors.
        model: a cascade with the stages of the representation.
        run: metadata of what is made.
        solver: how the diffusion stages are sampled.
        device: where the networks run.
    """

    def __init__(
        self, representation: R, model: Cascade, run: RunInfo, *, solver: Solver, device: torch.device | str = "cpu"
    ) -> None:
        self.representation, self.model, self.run = representation, model.to(device), run
        self.solver, self.device = solver, device

    def _diffused(self, name: str, given: Batch, rng: Rng) -> Tensor:
        """Draws of a diffusion stage, on the CPU."""
        stage, solver = self.model[name], self.solver
        assert isinstance(stage, Diffusion)
        return stage.sample(given.to(self.device), rng, solver.calls_of(name), solver.sampler_of(name)).cpu().float()

    def _rounded(self) -> torch.autocast:
        """Matrix products have the precision of the solver inside of this context."""
        rounded = self.solver.precision == "bfloat16"
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=rounded)
