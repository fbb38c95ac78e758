"""An endless stream of batches from shards, shuffled and sorted by length.

Epoch e visits the shards in a random order, in pools of a few shards. The n rows of a pool are shuffled and
cut into ceil(n / batch_size) batches whose sizes differ by one at most. Within each window of some batches,
the rows are first sorted by length, so that a batch of sets needs little padding, and then the batches of
the pool are shuffled. All of this is a function of (seed, epoch, pool), so a position in the stream is
three numbers, and every row is seen exactly once in an epoch. The next pool is read and encoded by a thread
meanwhile.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from cloudchamber.data.join import join, size_in_bytes
from cloudchamber.data.split import Piece
from cloudchamber.errors import InputError
from cloudchamber.tensors.batch import Batch, Bundle

__all__ = ["Encode", "EncodedRows", "ShardStream", "validation_batches"]

EncodedRows = Batch | Bundle
Encode = Callable[[Any], EncodedRows]


class Pool(NamedTuple):
    """Rows in memory and the batches they are cut into, each a tensor of row numbers."""

    rows: EncodedRows
    batches: list[Tensor]


class ShardStream:
    """Batches without end; the same for every process of a data-parallel run, which takes its rows of each.

    Args:
        shards: where the rows are.
        encode: makes rows of the events of a shard; must give the same rows whenever it is called.
        batch_size: most rows in a batch.
        seed: of the order of rows.
        pool_events: rows among which batches are mixed, about.
        window: batches in a window that is sorted by length; 1 for no sorting.
        cache_bytes: encoded shards are kept in memory up to this size.
        prefetch: prepare the next pool while the present one is used.

    Raises:
        InputError: if there are no shards or a number is not positive.
    """

    def __init__(
        self,
        shards: Sequence[Piece],
        encode: Encode,
        batch_size: int,
        seed: int = 0,
        *,
        pool_events: int = 100_000,
        window: int = 50,
        cache_bytes: int = 0,
        prefetch: bool = True,
    ) -> None:
        if not shards or min(batch_size, pool_events, window) < 1:
            raise InputError("a stream needs at least one shard and a positive batch size, pool and window.")
        self._shards, self._source = list(shards), _Source(shards, encode, cache_bytes)
        self._batch_size, self._seed, self._window = batch_size, seed, window
        self.events = sum(map(len, shards))
        self._pools = min(len(shards), -(-self.events // pool_events))
        self._executor = ThreadPoolExecutor(1, "encode") if prefetch else None
        self._next: tuple[tuple[int, int], Future[Pool]] | None = None
        self._pool: Pool | None = None
        self._epoch, self._index, self._batch = 0, 0, 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> EncodedRows:
        """The next batch, without padding that all its rows share."""
        if self._pool is None:
            self._pool = self._ready_pool()
        rows = self._pool.rows.select(self._pool.batches[self._batch]).trim()
        self._batch += 1
        if self._batch == len(self._pool.batches):
            self._epoch, self._index = self._following(self._epoch, self._index)
            self._batch, self._pool = 0, None
        return rows

    @property
    def epoch(self) -> int:
        """How often all rows have been seen."""
        return self._epoch

    def state_dict(self) -> dict[str, int]:
        """The position, and what it is a position of."""
        return {"epoch": self._epoch, "pool": self._index, "batch": self._batch} | self._identity()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Continue at a position.

        Args:
            state: what `state_dict` gave.

        Raises:
            InputError: if the stream had other data, another seed or another batch size.
        """
        changed = [name for name, value in self._identity().items() if state.get(name) != value]
        if changed:
            raise InputError(
                f"training cannot continue with another {', '.join(changed)} than it began with; give the "
                "same data and settings, or start a new run."
            )
        self._epoch, self._index, self._batch = state["epoch"], state["pool"], state["batch"]
        self._pool = None

    def close(self) -> None:
        """Stop the thread that prepares pools."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
        self._executor, self._next = None, None

    def _identity(self) -> dict[str, int]:
        return {
            "events": self.events,
            "pools": self._pools,
            "batch_size": self._batch_size,
            "window": self._window,
            "seed": self._seed,
        }

    def _following(self, epoch: int, pool: int) -> tuple[int, int]:
        return (epoch, pool + 1) if pool + 1 < self._pools else (epoch + 1, 0)

    def _ready_pool(self) -> Pool:
        """The present pool, from the thread if it has it; the thread then turns to the following one."""
        here = (self._epoch, self._index)
        prepared = self._next is not None and self._next[0] == here
        ready = self._next[1].result() if self._next and prepared else self._make_pool(*here)
        if self._executor is not None:
            following = self._following(*here)
            self._next = (following, self._executor.submit(self._make_pool, *following))
        return ready

    def _make_pool(self, epoch: int, index: int) -> Pool:
        order = np.random.default_rng([self._seed, epoch, 0]).permutation(len(self._shards))
        rows = join([self._source.rows(int(i)) for i in np.array_split(order, self._pools)[index]])
        rng = np.random.default_rng([self._seed, epoch, index + 1])
        return Pool(rows, _batches(rows.lengths, self._batch_size, self._window, rng))


class _Source:
    """Encoded shards, from memory where they fit."""

    def __init__(self, shards: Sequence[Piece], encode: Encode, cache_bytes: int) -> None:
        self._shards, self._encode, self._room = shards, encode, cache_bytes
        self._cache: dict[int, EncodedRows] = {}

    def rows(self, shard: int) -> EncodedRows:
        if shard in self._cache:
            return self._cache[shard]
        rows = self._encode(self._shards[shard].read())
        if (size := size_in_bytes(rows)) <= self._room:
            self._cache[shard] = rows
            self._room -= size
        return rows


def validation_batches(
    shards: Sequence[Piece], encode: Encode, batch_size: int, limit: int | None = None
) -> list[EncodedRows]:
    """Held-out rows in memory: batches in the order of length, the same every time.

    Args:
        shards: where the rows are.
        encode: makes rows of the events of a shard.
        batch_size: most rows in a batch.
        limit: use only about this many rows, the first of each shard in proportion to its length.
    """
    share = 1.0 if limit is None else min(limit / sum(map(len, shards)), 1.0)
    rows = join([encode(shard.read()[: math.ceil(share * len(shard))]) for shard in shards])
    kept = rows.lengths
    order = torch.argsort(kept, stable=True)
    return [rows.select(index).trim() for index in order.tensor_split(-(-len(kept) // batch_size))]


def _batches(lengths: Tensor, batch_size: int, window: int, rng: np.random.Generator) -> list[Tensor]:
    """Row numbers of the batches of a pool.

    Args:
        lengths: of the rows, shape (n,).
        batch_size: most rows in a batch.
        window: batches that are sorted by length together.
        rng: decides the order of rows and of batches.
    """
    count = -(-len(lengths) // batch_size)
    order = torch.from_numpy(rng.permutation(len(lengths)))
    batches = list(_sorted_windows(order.tensor_split(count), lengths, window))
    return [batches[i] for i in rng.permutation(count)]


def _sorted_windows(batches: Sequence[Tensor], lengths: Tensor, window: int) -> Iterator[Tensor]:
    """The same row numbers, where rows of similar length share a batch of a window."""
    for first in range(0, len(batches), window):
        group = batches[first : first + window]
        rows = torch.cat(list(group))
        yield from rows[torch.argsort(lengths[rows], stable=True)].tensor_split(len(group))
