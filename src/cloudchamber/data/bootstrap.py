"""Shards with events drawn with replacement: another sample of the same size, as far as one sample can tell.

Every shard keeps its number of events, so a bootstrapped sample is divided among shards as the original is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cloudchamber.data.split import Shard
from cloudchamber.events import Events

__all__ = ["bootstrap"]


@dataclass(frozen=True)
class _Bootstrapped(Shard):
    """A shard whose events are drawn from those of the file with replacement; the same whenever it is read."""

    seed: int
    number: int

    def read(self) -> Events:
        """Its events.

        Raises:
            InputError: if the file is damaged, or holds fewer rows than when it was divided.
        """
        rng = np.random.default_rng([self.seed, self.number])
        return super().read()[np.sort(rng.integers(len(self), size=len(self)))]


def bootstrap(shards: Sequence[Shard], seed: int) -> list[Shard]:
    """The same shards with events drawn with replacement.

    Args:
        shards: of a sample.
        seed: names the draw.
    """
    return [_Bootstrapped(s.path, s.start, s.stop, seed, number) for number, s in enumerate(shards)]
