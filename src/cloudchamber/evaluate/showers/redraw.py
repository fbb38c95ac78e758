"""Truth-truth pairs of the full size where the reference is too small for disjoint ones: redrawn with replacement.

Two samples of n showers that are drawn with replacement from N of the reference differ as two fresh samples of n do,
as far as they are compared by their histograms or moments. (Nearest neighbours would meet each other's copies, and
classifiers learn them by heart, so those are compared on disjoint pairs.)
"""

from itertools import pairwise
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.pairs import Block, Plan

__all__ = ["Redrawn", "redrawn"]

_SEED = 20_010_20


class _Rows(Protocol):
    """A sample whose showers can be taken by their numbers."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Self: ...  # noqa: ANN401


class Redrawn(NamedTuple):
    """A reference with pairs of the full size behind it, and the plan that uses them."""

    reference: Any
    plan: Plan


def redrawn(reference: _Rows, plan: Plan, pairs: int) -> Redrawn:
    """The same reference and plan where the pairs have the full size; else with redrawn pairs.

    Args:
        reference: the whole of it.
        plan: which showers to compare.
        pairs: how many to draw.
    """
    if plan.full_size and plan.scale == 1.0:
        return Redrawn(reference, plan)
    n, size = len(reference), round(plan.effective_size)
    draws = np.random.default_rng(_SEED).integers(0, n, 2 * pairs * size)
    rows: NDArray[np.int64] = np.concatenate([np.arange(n), draws])
    edges = [n + k * size for k in range(2 * pairs + 1)]
    blocks = [Block(a, b) for a, b in pairwise(edges)]
    return Redrawn(
        reference[rows], Plan(plan.candidate, plan.reference, tuple(zip(blocks[::2], blocks[1::2], strict=True)))
    )
