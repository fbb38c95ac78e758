r"""A normalising flow of vectors: z = f(x | c) with neural rational-quadratic splines (arXiv:1906.04032), by zuko.

The log-density is that of a unit normal z plus ln |det df/dx|, exact for every draw up to rounding. The transforms are
autoregressive, so a density takes one pass and a draw one pass for each feature.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cloudchamber.errors import InputError
from cloudchamber.process.likelihood import Scored
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["SplineFlow"]


class SplineFlow(nn.Module):
    """A flow of `x` given the context of a batch.

    Args:
        features: size F of x.
        context: size C of the context; 0 for none.
        transforms: how many splines follow each other.
        width: hidden width of their networks.
        bins: of each spline, between -5 and 5; beyond, the map is the identity.

    Raises:
        InputError: if zuko is not installed.
    """

    def __init__(self, features: int, context: int = 0, *, transforms: int = 3, width: int = 64, bins: int = 8) -> None:
        super().__init__()
        try:
            import zuko
        except ImportError:
            raise InputError("spline flows need the package zuko; install 'cloudchamber[mcmc]'.") from None
        self.flow = zuko.flows.NSF(features, context, bins=bins, transforms=transforms, hidden_features=(width, width))

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Minus the log-density of each row.

        Args:
            rows: a batch.
            rng: not used.
        """
        return {"likelihood": -self.flow(rows.context).log_prob(rows.x)}

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
        with torch.no_grad():
            flow = self.flow(given.context)
            noise = rng.normal(given.x.shape[1]).to(given.x)
            x, log_det = flow.transform.inv.call_and_ladj(noise)
            return Scored(x, flow.base.log_prob(noise) - log_det)

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-density of x given the context, shape (B,).

        Args:
            rows: a batch.
        """
        with torch.no_grad():
            log_prob: Tensor = self.flow(rows.context).log_prob(rows.x)
            return log_prob
