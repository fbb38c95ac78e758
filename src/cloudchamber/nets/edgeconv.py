r"""Edge convolutions: every element of a set learns from its nearest neighbours (arXiv:1801.07829).

With f_i the features of element i and N(i) its k nearest neighbours, one convolution is

    f_i' = mean_{j in N(i)} mlp( f_j - f_i, f_i ).

In a chain of them the neighbours of the first are found in given coordinates, those of the others among the features
that the convolution before has made, as in the local part of OmniLearn (arXiv:2404.16091).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["EdgeConv", "LocalEmbedding", "Neighbours", "nearest"]

_FAR_AWAY = 999.0
"""Added to the coordinates of padding, which is so nobody's neighbour while there are enough real elements."""


class Neighbours(NamedTuple):
    """Who is near whom.

    Attributes:
        elements: their numbers, shape (B, N, k).
        real: whether a neighbour may be seen, shape (B, N, k); None where all may.
    """

    elements: Tensor
    real: Tensor | None


@torch.no_grad()
def nearest(points: Tensor, k: int, mask: Tensor, seen: Tensor | None = None) -> Neighbours:
    """The k nearest neighbours of every element, itself excluded; N - 1 where there are not as many.

    Args:
        points: coordinates, shape (B, N, D).
        k: number of neighbours.
        mask: real elements, shape (B, N); the others are moved far away.
        seen: elements that count as neighbours, shape (B, N); None for all.

    >>> line = torch.tensor([[[0.0], [1.0], [3.0]]])
    >>> nearest(line, 1, torch.ones(1, 3, dtype=torch.bool)).elements.flatten().tolist()
    [1, 0, 1]
    """
    with torch.autocast(points.device.type, enabled=False):
        exact = points.to(torch.promote_types(points.dtype, torch.float32))
        apart = exact.masked_fill(~mask[..., None], 0.0) + _FAR_AWAY * ~mask[..., None]
        distance = torch.cdist(apart, apart, compute_mode="donot_use_mm_for_euclid_dist")
    distance.diagonal(dim1=1, dim2=2).fill_(float("inf"))
    if seen is not None:
        distance = distance.masked_fill(~seen[:, None, :], float("inf"))
    found = distance.topk(min(k, points.shape[1] - 1), largest=False)
    return Neighbours(found.indices, None if seen is None else found.values.isfinite())


class _OfEdges(nn.Linear):
    """A layer that is used by its weights and never called; so no wrapper can exchange it."""


class EdgeConv(nn.Module):
    """One edge convolution.

    Args:
        features: F of an element.
        hidden: width of the network on edges.
        width: features D of the output.
    """

    def __init__(self, features: int, hidden: int, width: int) -> None:
        super().__init__()
        self.first, self.last = _OfEdges(2 * features, hidden), nn.Linear(hidden, width)
        self.activation = nn.GELU()

    def forward(self, f: Tensor, neighbours: Neighbours) -> Tensor:
        """Features from the neighbours, shape (B, N, D); zero for an element without any.

        Args:
            f: shape (B, N, F).
            neighbours: of every element.
        """
        messages = self.activation(self.last(self.activation(self._edges(f, neighbours.elements))))
        if neighbours.real is None:
            mean: Tensor = messages.mean(2)
            return mean
        real = neighbours.real[..., None]
        total: Tensor = messages.masked_fill(~real, 0.0).sum(2)
        return total / real.sum(2).clamp(min=1)

    def _edges(self, f: Tensor, elements: Tensor) -> Tensor:
        """The first layer on (f_j - f_i, f_i), which costs less as a layer of f_j plus a layer of f_i."""
        of_difference, of_element = self.first.weight.chunk(2, dim=1)
        theirs = nn.functional.linear(f, of_difference)
        own = nn.functional.linear(f, of_element - of_difference, self.first.bias)
        batch, n, k = elements.shape
        rows = torch.arange(batch, device=f.device)[:, None] * n + elements.flatten(1)
        return (
            theirs.flatten(0, 1).index_select(0, rows.flatten()).view(batch, n, k, theirs.shape[-1]) + own[:, :, None]
        )


class LocalEmbedding(nn.Module):
    """A chain of edge convolutions.

    Args:
        features: F of an element.
        hidden: widths on the edges, one for each convolution.
        width: features D of the output of each.
        k: number of neighbours.
    """

    def __init__(self, features: int, hidden: Sequence[int], width: int, k: int) -> None:
        super().__init__()
        inputs = [features] + [width] * (len(hidden) - 1)
        self.layers = nn.ModuleList(EdgeConv(n, h, width) for n, h in zip(inputs, hidden, strict=True))
        self.k = k

    def forward(self, points: Tensor, f: Tensor, mask: Tensor, seen: Tensor | None = None) -> Tensor:
        """Features of the neighbourhood of every element, shape (B, N, D).

        Args:
            points: coordinates, shape (B, N, P).
            f: shape (B, N, F).
            mask: real elements, shape (B, N).
            seen: elements that count as neighbours, shape (B, N); None for all.
        """
        for layer in self.layers:
            f = layer(f, nearest(points, self.k, mask, seen))
            points = f
        return f
