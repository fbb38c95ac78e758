"""Distributions, paths and networks whose answers are known."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cloudchamber.process.exact import Mixture
from cloudchamber.process.schedule import EDM, VE, VP, CosineLogSNR, Discrete, Rectified, Schedule, SubVP
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

SCHEDULES: dict[str, Schedule] = {
    "rectified": Rectified(),
    "cosine": CosineLogSNR(),
    "vp": VP(),
    "sub-vp": SubVP(),
    "ve": VE(),
    "edm": EDM(),
    "ddpm-linear": Discrete.linear(100),
    "ddpm-cosine": Discrete.cosine(100),
}
VARIANCE_PRESERVING = ("cosine", "vp", "ddpm-linear", "ddpm-cosine")

GAUSSIAN = Mixture(
    torch.ones(1),
    torch.tensor([[1.0, -2.0, 0.5]]),
    torch.tensor([[[1.2, 0.5, 0.0], [0.5, 0.8, -0.3], [0.0, -0.3, 0.6]]]),
)
MIXTURE = Mixture(
    torch.tensor([0.3, 0.7]),
    torch.tensor([[2.0, 0.0], [-1.0, 1.0]]),
    torch.tensor([[[0.3, 0.1], [0.1, 0.2]], [[0.5, -0.2], [-0.2, 0.4]]]),
)


def vectors(n: int, size: int) -> Batch:
    """A batch that only gives a shape, in double precision."""
    return Batch(torch.zeros(n, size, dtype=torch.float64), torch.ones(n))


def sets() -> Batch:
    """Two sets of different size with conditions, and padding of zeros."""
    mask = torch.arange(5) < torch.tensor([[5], [2]])
    x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(2)) * mask[..., None]
    return Batch(x, torch.ones(2), context=torch.tensor([[0.3, -1.0], [0.1, 0.7]]), mask=mask,
                 tokens=torch.tensor([[0, 1, 1, 2, 3], [3, 0, 0, 0, 0]]), token_context=x[..., :1])  # fmt: skip


class Doubles:
    """A random stream in double precision."""

    def __init__(self, seed: int, rows: int) -> None:
        self._rng = RowRng((seed,), rows)

    def normal(self, *shape: int) -> Tensor:
        return self._rng.normal(*shape).double()

    def uniform(self, *shape: int) -> Tensor:
        return self._rng.uniform(*shape).double()


class Knows(nn.Module):
    """A network that is a function of (x, t)."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        return self.function(x, t)


class Mixes(nn.Module):
    """A network in which every element sees all real elements of its set, whatever lies in the padding."""

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        assert given.mask is not None
        real = x.masked_fill(~given.mask[..., None], 0.0)
        total = real.sum(1, keepdim=True)
        out: Tensor = torch.sin(total) * t.reshape(len(x), -1).sum(1)[:, None, None] - real / 2
        return out.masked_fill(~given.mask[..., None], 0.0)
