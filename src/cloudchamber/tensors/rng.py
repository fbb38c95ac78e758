"""Random numbers as an argument, with the batch as the leading dimension.

`RowRng` serves training: one stream per step, drawn for the whole batch of all processes, of which each process takes
its rows; so the numbers do not depend on how a batch is divided. `EventRng` serves generation: one stream per event
number, so an event does not depend on its neighbours.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["EventRng", "Rng", "RowRng"]


class Rng(Protocol):
    """Draws of shape (B, ...) where row b belongs to row b of the batch."""

    def normal(self, *shape: int) -> Tensor:
        """Unit normal numbers of the given trailing shape, one row for each row of the batch."""
        ...

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1) of the given trailing shape, one row for each row of the batch."""
        ...


class RowRng:
    """Rows `start` to `stop` of draws made for `total` rows.

    Args:
        seed: numbers that name the stream, for example (seed, step).
        total: rows of the batch over all processes.
        start: first row of this process.
        stop: one after the last row of this process; `total` by default.
        device: where the numbers are returned; they are drawn on the CPU.

    >>> whole, half = RowRng((1, 2), 4), RowRng((1, 2), 4, start=2)
    >>> bool((whole.normal(3)[2:] == half.normal(3)).all())
    True
    """

    def __init__(
        self,
        seed: Sequence[int],
        total: int,
        start: int = 0,
        stop: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        state = np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)[0]
        self._generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))
        self._total, self._rows, self._device = total, slice(start, total if stop is None else stop), device

    def normal(self, *shape: int) -> Tensor:
        """Unit normal numbers.

        Args:
            *shape: trailing shape.
        """
        return torch.randn(self._total, *shape, generator=self._generator)[self._rows].to(self._device)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1).

        Args:
            *shape: trailing shape.
        """
        return torch.rand(self._total, *shape, generator=self._generator)[self._rows].to(self._device)


class EventRng:
    """One independent stream per event number.

    Args:
        seed: the user's seed.
        events: event numbers, one for each row of the batch.
        stage: which part of a chain draws; each has streams of its own.
        device: where the numbers are returned.

    >>> a, b = EventRng(1, [5, 6]), EventRng(1, [6])
    >>> bool((a.normal(2)[1:] == b.normal(2)).all())
    True
    """

    def __init__(self, seed: int, events: Sequence[int], stage: int = 0, device: torch.device | str = "cpu") -> None:
        self._streams = [np.random.Generator(np.random.Philox(key=_key(seed, stage, n))) for n in events]
        self._device = device

    def normal(self, *shape: int) -> Tensor:
        """Unit normal numbers in float32.

        Args:
            *shape: trailing shape.
        """
        rows = [stream.standard_normal(shape, dtype=np.float32) for stream in self._streams]
        return torch.from_numpy(np.stack(rows)).to(self._device)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1) in float32.

        Args:
            *shape: trailing shape.
        """
        rows = [stream.random(shape, dtype=np.float32) for stream in self._streams]
        return torch.from_numpy(np.stack(rows)).to(self._device)

    def select(self, rows: Sequence[int]) -> "EventRng":
        """The same streams, at their present positions, for some rows only.

        Args:
            rows: row numbers of this batch.
        """
        chosen = object.__new__(EventRng)
        chosen._streams, chosen._device = [self._streams[row] for row in rows], self._device
        return chosen


def _key(seed: int, stage: int, event: int) -> NDArray[np.uint64]:
    """A 128-bit Philox key, well mixed from the three numbers."""
    return np.random.SeedSequence([seed, stage, event]).generate_state(2, np.uint64).astype(np.uint64, copy=False)
