"""Random numbers as an argument, with the batch as the leading dimension.

`RowRng` serves training: one stream per step, drawn for the whole batch of all processes, of which each process takes
its rows; so the numbers do not depend on how a batch is divided. `EventRng` serves generation: one stream per event
number, so an event does not depend on its neighbours.
"""

import math
from collections.abc import Sequence
from copy import copy
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from cloudchamber.tensors.philox import philox

__all__ = ["EventRng", "Rng", "RowRng"]

_WORD = 0xFFFFFFFF


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
    """One independent stream per event number: word i of stream n is word i mod 4 of `philox` at (i / 4, stage, n).

    Args:
        seed: the user's seed.
        events: event numbers, one for each row of the batch.
        stage: which part of a chain draws; each has streams of its own.
        device: where the numbers are drawn.

    >>> a, b = EventRng(1, [5, 6]), EventRng(1, [6])
    >>> bool((a.normal(2)[1:] == b.normal(2)).all())
    True
    """

    def __init__(self, seed: int, events: Sequence[int], stage: int = 0, device: torch.device | str = "cpu") -> None:
        first, second = np.random.SeedSequence(seed).generate_state(2, np.uint32).tolist()
        self._key = first, second
        self._events = torch.as_tensor(events, dtype=torch.int64, device=device)
        self._stage = stage
        self._drawn = torch.zeros_like(self._events)
        self._rows = torch.arange(len(self._events), device=device)

    def __len__(self) -> int:
        return len(self._rows)

    def normal(self, *shape: int) -> Tensor:
        """Unit normal numbers in float32, by the method of Box and Muller from pairs of words.

        Args:
            *shape: trailing shape.
        """
        words = self._words(math.prod(shape)).reshape(len(self._rows), -1, 2)
        radius = torch.sqrt(-2 * torch.log((words[..., 0].float() + 0.5) * 2.0**-32))
        angle = words[..., 1].float() * (2 * math.pi * 2.0**-32)
        pairs = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)
        return self._shaped(pairs, shape)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1) in float32.

        Args:
            *shape: trailing shape.
        """
        return self._shaped((self._words(math.prod(shape)) >> 8).float() * 2.0**-24, shape)

    def select(self, rows: Sequence[int]) -> "EventRng":
        """The same streams, at their present positions, for some rows only; what they draw is drawn for both.

        Args:
            rows: row numbers of this batch.
        """
        chosen = copy(self)
        chosen._rows = self._rows[torch.as_tensor(rows, dtype=torch.int64, device=self._rows.device)]
        return chosen

    def _words(self, number: int) -> Tensor:
        """At least so many new words of each stream, shape (B, multiple of 4)."""
        blocks = -(-number // 4)
        position = self._drawn[self._rows, None] + torch.arange(blocks, device=self._rows.device)
        self._drawn[self._rows] += blocks
        event = self._events[self._rows, None].expand_as(position)
        stage = torch.full_like(position, self._stage)
        return philox(torch.stack([position, stage, event & _WORD, event >> 32], dim=-1), self._key).flatten(-2)

    @staticmethod
    def _shaped(numbers: Tensor, shape: tuple[int, ...]) -> Tensor:
        return numbers.flatten(1)[:, : math.prod(shape)].reshape(-1, *shape)
