r"""Numbers as bins of equal probability: F(v) in [b / K, (b + 1) / K) with a fitted distribution F.

A model gives probabilities of bins; inside of a bin, v follows F.
"""

import torch
from torch import Tensor, nn

from cloudchamber.tensors.bijections import TabulatedMap

__all__ = ["QuantileBins", "drawn"]


class QuantileBins(nn.Module):
    """Bins of the distributions of a fitted map, one for each of its rows.

    Args:
        fitted: a map whose scores are unit normal.
        number: of bins K.
    """

    knots: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, fitted: TabulatedMap, number: int) -> None:
        super().__init__()
        self.number = number
        for name, values in fitted.state().items():
            self.register_buffer(name, values, persistent=False)

    def find(self, cumulative: Tensor) -> Tensor:
        """Bins of values, int64.

        Args:
            cumulative: F(v) of the values.
        """
        return (cumulative * self.number).long().clamp(0, self.number - 1)

    def spread(self, bins: Tensor, width: float) -> Tensor:
        """What a model is trained to say of bins: some probability for those beside them too, shape (..., K).

        Few data then say as much of a smooth distribution as many would without.

        Args:
            bins: shape (...).
            width: standard deviation in bins; 0 for the bins alone.
        """
        away = torch.arange(self.number, device=bins.device) - bins[..., None]
        if width == 0:
            return (away == 0).float()
        kernel = torch.exp(-0.5 * (away / width) ** 2)
        return kernel / kernel.sum(-1, keepdim=True)

    def cumulative(self, bins: Tensor, within: Tensor) -> Tensor:
        """F(v) at places inside of bins, float64.

        Args:
            bins: shape (...).
            within: place in the bin, from 0 to 1, shape (...).
        """
        return (bins + within.double()) / self.number

    def values(self, cumulative: Tensor, row: Tensor) -> Tensor:
        """Values v of F(v), within the range of the fitted data, float64.

        Args:
            cumulative: from 0 to 1, shape (...).
            row: which distribution each value has, shape (...).
        """
        size, low, high = self.knots.shape[1], self.low[row], self.high[row]
        z = torch.special.ndtri(cumulative.clamp(1e-12, 1 - 1e-12))
        position = ((z - low) / (high - low) * (size - 1)).clamp(0, size - 1)
        segment = position.long().clamp(max=size - 2)
        left, right = self.knots[row, segment], self.knots[row, segment + 1]
        values: Tensor = left + (position - segment) * (right - left)
        return values


def drawn(logits: Tensor, uniform: Tensor) -> Tensor:
    """One class for each row of logits, shape (...), by the inverse of the cumulative distribution.

    Args:
        logits: shape (..., classes).
        uniform: numbers in [0, 1), shape (...).
    """
    cumulative = logits.float().softmax(-1).cumsum(-1)
    # below the last sum, which is that of the last class that is possible, whatever is rounded
    threshold = uniform.clamp(max=1 - 2.0**-22)[..., None] * cumulative[..., -1:]
    chosen = torch.searchsorted(cumulative, threshold, right=True)[..., 0]
    return chosen.clamp(max=logits.shape[-1] - 1)
