r"""Shares of a whole that are broken off one after the other, and scores for them that have no bounds.

Shares s_1 ... s_n of one group sum to one. Before share k is broken off there is left

    r_k = s_k + s_{k+1} + ... + s_n,

and s_k lies between bounds a_k and b_k that follow from the shares before it. Its score is

    v = logit((s - a) / (b - a)).

The last share of a group is all that is left. For shares that fall, a_k = r_k / (n - k + 1), b_k = min(s_{k-1}, r_k).
Shares of a group that has weights w have the score v = logit(s_k / r_k) - logit(w_k / (w_k + ... + w_n)), or, where the
amount A of the whole is given, v = ln(A s_k / w_k): a share that is an amount of its own keeps it in any whole.
"""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "ROWS", "Groups", "Sticks", "Weighted", "falling", "falling_known", "groups", "last_share", "left",
    "score", "share", "share_row", "weighted", "weighted_score", "weighted_share",
]  # fmt: skip

_EDGE = 1e-9
"""Shares keep this distance from their bounds, relative to that between the bounds."""


class Groups(NamedTuple):
    """Elements of rows that stand in groups, group after group.

    Attributes:
        sizes: elements of each group, shape (B, G).
        starts: place of the first one of each group, shape (B, G).
        rank: place of each element in its group, shape (B, N).
        size: size of each element's group, shape (B, N).
    """

    sizes: Tensor
    starts: Tensor
    rank: Tensor
    size: Tensor


class Sticks(NamedTuple):
    """What is left before shares are broken off, and their bounds; each of the shape of the shares, float64."""

    left: Tensor
    low: Tensor
    high: Tensor


def groups(group: Tensor, mask: Tensor, number: int) -> Groups:
    """The groups of elements that are sorted by group.

    Args:
        group: of each element, shape (B, N).
        mask: real elements, shape (B, N).
        number: of groups G.

    >>> groups(torch.tensor([[0, 0, 2]]), torch.ones(1, 3, dtype=torch.bool), 3).rank.tolist()
    [[0, 1, 0]]
    """
    sizes = torch.zeros(len(group), number, dtype=torch.long, device=group.device)
    sizes.scatter_add_(1, group, mask.long())
    starts = sizes.cumsum(1) - sizes
    rank = torch.arange(group.shape[1], device=group.device) - starts.gather(1, group)
    return Groups(sizes, starts, rank.masked_fill(~mask, 0), sizes.gather(1, group).clamp(min=1))


def left(shares: Tensor, grouped: Groups) -> Tensor:
    """What is left before each share, r, shape (B, N), float64.

    Args:
        shares: zero on padding, shape (B, N).
        grouped: their groups.
    """
    total = torch.cat([torch.zeros_like(shares[:, :1]), shares], dim=1).double().cumsum(1)
    last = (torch.arange(shares.shape[1], device=shares.device) - grouped.rank + grouped.size).clamp(
        max=shares.shape[1]
    )
    return total.gather(1, last) - total[:, :-1]


def falling(left: Tensor, before: Tensor, number: Tensor) -> Sticks:
    """Bounds of shares that fall.

    Args:
        left: what is left, shape (...).
        before: the share before; anything not below `left` for the first, shape (...).
        number: shares that are still to come, at least one, shape (...).
    """
    low = left / number
    return Sticks(left, low, torch.maximum(torch.minimum(before, left), low))


def score(shares: Tensor, sticks: Sticks) -> Tensor:
    """Scores of shares, shape (...), float64.

    Args:
        shares: between their bounds, shape (...).
        sticks: the bounds.
    """
    width = (sticks.high - sticks.low).clamp(min=1e-12)
    return torch.logit(((shares.double() - sticks.low) / width).clamp(_EDGE, 1 - _EDGE))


def share(scores: Tensor, sticks: Sticks) -> Tensor:
    """Shares of scores, the inverse of `score`, shape (...), float64.

    Args:
        scores: shape (...).
        sticks: the bounds.
    """
    return sticks.low + (sticks.high - sticks.low) * torch.sigmoid(scores.double())


_MANY = 31
"""Scores of shares are told apart by the number of shares still to come, up to so many."""
ROWS = 2 * (_MANY + 1)
"""Kinds of scores, see `share_row`."""


def share_row(rank: Tensor, size: Tensor) -> Tensor:
    """Kind of the score of a falling share: how many are still to come, and whether it is the first.

    Args:
        rank: place in its group, shape (...).
        size: of its group, shape (...).
    """
    return 2 * (size - rank).clamp(max=_MANY) + (rank == 0).long()


class Weighted(NamedTuple):
    """What is known of shares before they are broken off, each of shape (...), float64.

    Attributes:
        left: what is left.
        weight: of the share.
        to_come: sum of its weight and those behind it.
        total: sum of all weights.
        amount: A, where the share is told as an amount; zero elsewhere.
    """

    left: Tensor
    weight: Tensor
    to_come: Tensor
    total: Tensor
    amount: Tensor


def weighted(shares: Tensor, weights: Tensor, amount: Tensor) -> Weighted:
    """What is known of the shares of rows that are one group each.

    Args:
        shares: zero on padding, shape (B, M), float64.
        weights: zero on padding, shape (B, M), float64.
        amount: of the whole, where a share is told as an amount; zero elsewhere, shape (B, M), float64.
    """
    left, to_come = (values.flip(1).cumsum(1).flip(1) for values in (shares, weights))
    return Weighted(left, weights, to_come, to_come[:, :1].expand_as(to_come), amount)


def weighted_score(shares: Tensor, known: Weighted) -> Tensor:
    """Score logit(s / r) - logit(w / W) of shares, W the sum of the weights still to come, or ln(A s / w), float64.

    Args:
        shares: shape (...).
        known: of the same.
    """
    relative = _logit(shares / known.left.clamp(min=1e-300)) - _logit(known.weight / known.to_come.clamp(min=1e-300))
    own = (known.amount * shares / known.weight.clamp(min=1e-300)).clamp(min=1e-300).log()
    return torch.where(known.amount > 0, own, relative)


def weighted_share(scores: Tensor, known: Weighted) -> Tensor:
    """Shares of scores, the inverse of `weighted_score`, shape (...), float64.

    Args:
        scores: shape (...).
        known: of the same shares.
    """
    scores = scores.double()
    relative = torch.sigmoid(scores + _logit(known.weight / known.to_come.clamp(min=1e-300)))
    whole = (known.amount * known.left).clamp(min=1e-300)
    own = (scores.exp() * known.weight / whole).clamp(max=1 - _EDGE)
    return known.left * torch.where(known.amount > 0, own, relative)


def _logit(fraction: Tensor) -> Tensor:
    return torch.logit(fraction.double().clamp(_EDGE, 1 - _EDGE))


def falling_known(shares: Tensor, grouped: Groups) -> Sticks:
    """What is left before falling shares of groups, and their bounds; float64.

    Args:
        shares: zero on padding, shape (B, N).
        grouped: their groups.
    """
    return falling(left(shares, grouped).clamp(min=0), last_share(shares, grouped), grouped.size - grouped.rank)


def last_share(shares: Tensor, grouped: Groups) -> Tensor:
    """The share before each one; 2 for the first of a group, shape (B, N).

    Args:
        shares: shape (B, N).
        grouped: their groups.
    """
    return torch.cat([shares[:, :1], shares[:, :-1]], dim=1).masked_fill(grouped.rank == 0, 2.0)
