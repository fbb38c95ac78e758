r"""A normalising flow of vectors in couplings of rational-quadratic splines, by zuko (arXiv:1906.04032).

Each coupling leaves a half of the numbers alone and maps the others one by one, with splines between -5 and 5 that are
functions of the first half and of the context; halves change places from one coupling to the next. The log-density is
exact, and both a density and a draw take one pass through every network.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cloudchamber.errors import InputError
from cloudchamber.process.base import UnitNormal
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["SplineFlow"]


class SplineFlow(nn.Module):
    """A flow of `x` given the context of a batch.

    Args:
        features: size F of x, at least 2.
        context: size C of the context; 0 for none.
        couplings: how many.
        width: hidden width of their networks.
        depth: hidden layers of their networks.
        bins: of each spline.

    Raises:
        InputError: if zuko is not installed.
    """

    def __init__(
        self, features: int, context: int = 0, *, couplings: int = 8, width: int = 128, depth: int = 2, bins: int = 10
    ) -> None:
        super().__init__()
        try:
            from zuko.flows import NSF
        except ImportError:
            raise InputError("normalising flows need the package zuko; install '.[mcmc]'.") from None
        self.base = UnitNormal()
        flow = NSF(features, context, bins=bins, transforms=couplings, passes=2, hidden_features=(width,) * depth,
                   activation=nn.SiLU)  # fmt: skip
        self.layers = flow.transform

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Minus the log-density of each row.

        Args:
            rows: a batch.
            rng: not used.
        """
        return {"nll": -self.log_prob(rows)}

    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """New x under the conditions of a batch.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
        """
        noise = rng.normal(given.x.shape[1]).to(given.x)
        with torch.no_grad():
            drawn: Tensor = self.layers(given.context).inv(noise)
            return drawn

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-density of x given the context, shape (B,).

        Args:
            rows: a batch.
        """
        z, log_det = self.layers(rows.context).call_and_ladj(rows.x)
        density: Tensor = self.base.log_prob(z) + log_det
        return density
