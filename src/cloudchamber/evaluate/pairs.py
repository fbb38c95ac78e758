"""Which reference events the candidate is compared with, and which make the truth-truth pairs.

The candidate's n events are compared with the first n of the reference. The pairs are cut from the end of the
reference, each 2n events long, so that with 2 n (k + 1/2) reference events all k pairs and the comparison are
disjoint; with less, the last pairs reach into the compared block. Where not even three pairs of the full size
fit, smaller pairs take their place.
"""

from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Block", "Plan"]

Block = slice
"""A range of events."""

_FEWEST_FULL_PAIRS = 3


@dataclass(frozen=True)
class Plan:
    """Blocks of events for one evaluation.

    Attributes:
        candidate: events of the candidate.
        reference: events of the reference that the candidate is compared with.
        pairs: disjoint pairs of reference blocks of the same size.
    """

    candidate: Block
    reference: Block
    pairs: tuple[tuple[Block, Block], ...]

    @classmethod
    def make(cls, n_candidate: int, n_reference: int, max_pairs: int) -> "Plan":
        """Plan an evaluation.

        Args:
            n_candidate: events of the candidate.
            n_reference: events of the reference.
            max_pairs: most truth-truth pairs that are wanted.

        >>> plan = Plan.make(1000, 60_000, 10)
        >>> len(plan.pairs), plan.pair_size, plan.pairs[-1][1].stop
        (10, 1000, 60000)
        >>> Plan.make(1000, 2000, 10).pair_size
        100
        """
        n = min(n_candidate, n_reference)
        full = n_reference // (2 * n)
        count, size = (
            (min(full, max_pairs), n) if full >= _FEWEST_FULL_PAIRS else (max_pairs, n_reference // 2 // max_pairs)
        )
        edges = [n_reference - (2 * count - k) * size for k in range(2 * count + 1)]
        blocks = [Block(a, b) for a, b in pairwise(edges)]
        return cls(Block(0, n_candidate), Block(0, n), tuple(zip(blocks[::2], blocks[1::2], strict=True)))

    @property
    def pair_size(self) -> int:
        """Events in each half of a pair; 0 without pairs."""
        return int(self.pairs[0][0].stop - self.pairs[0][0].start) if self.pairs else 0

    @property
    def full_size(self) -> bool:
        """Whether the pairs are as large as the samples that are compared."""
        return self.pair_size >= int(self.reference.stop)

    @property
    def effective_size(self) -> float:
        """Size of two equal samples with the same floor: the harmonic mean of candidate and reference."""
        a, b = int(self.candidate.stop), int(self.reference.stop)
        return 2 * a * b / (a + b)

    @property
    def scale(self) -> float:
        """What brings the floor of W1 from the pair size to the size compared; 1 where they agree."""
        return float((self.pair_size / self.effective_size) ** 0.5)
