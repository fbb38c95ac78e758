"""Predictions kept inside the range of the data, where that is known (the practice of arXiv:2006.11239's samplers)."""

from typing import cast

from torch import Tensor

from cloudchamber.process.denoise import Denoiser, Prediction, scales_at
from cloudchamber.process.schedule import Span
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Clipped"]


class Clipped(Denoiser):
    """A denoiser whose predicted data lie between two values; the noise follows from them.

    Args:
        denoiser: what to limit.
        low: least value of the data.
        high: largest value of the data.
    """

    def __init__(self, denoiser: Denoiser, low: float, high: float) -> None:
        super().__init__(denoiser, denoiser.schedule, denoiser.target)
        self.calls, self.low, self.high = denoiser.calls, low, high

    @property
    def original(self) -> Denoiser:
        """The denoiser without limits."""
        return cast(Denoiser, self.net)

    @property
    def span(self) -> Span:
        """Times between which its predictions exist."""
        return self.original.span

    def predict(self, x_t: Tensor, t: Tensor, given: Batch) -> Prediction:
        """Data inside the limits, and the noise that goes with them; where there is no noise, all as predicted.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
        """
        return self._limited(self.original.predict(x_t, t, given), x_t, t)

    def draw(self, x_t: Tensor, t: Tensor, given: Batch, rng: Rng) -> Prediction:
        """Data drawn and kept inside the limits, and the noise that goes with them.

        Args:
            x_t: shape (B, ...).
            t: shape (B,).
            given: conditions.
            rng: random stream.
        """
        return self._limited(self.original.draw(x_t, t, given, rng), x_t, t)

    def _limited(self, found: Prediction, x_t: Tensor, t: Tensor) -> Prediction:
        at, x = scales_at(self.schedule, t, x_t), found.x.clamp(self.low, self.high)
        noise = found.eps + (at.ratio.reciprocal() * (found.x - x)).where(at.sigma > 0, 0.0)
        return found._replace(x=x, eps=noise)
