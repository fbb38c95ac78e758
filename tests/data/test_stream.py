from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_shards import encode

from cloudchamber.data.join import join, size_in_bytes
from cloudchamber.data.split import split
from cloudchamber.data.stream import Encode, ShardStream, validation_batches
from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.tensors.batch import Batch, Bundle

MakeStream = Callable[..., ShardStream]
TRAINING_ROWS = 145


@pytest.fixture
def stream(folder: Path) -> Iterator[MakeStream]:
    made: list[ShardStream] = []

    def make(batch_size: int = 8, encode: Encode = encode, **settings: int) -> ShardStream:
        made.append(ShardStream(split(folder).train, encode, batch_size, **{"pool_events": 60, **settings}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def an_epoch(stream: ShardStream) -> list[Batch]:
    epoch, batches = stream.epoch, []
    while stream.epoch == epoch:
        batches.append(next(stream))
    return batches


def numbers(batches: Iterable[Batch]) -> list[int]:
    return [int(n) for batch in batches for n in batch.x[:, 0, 0]]


def assert_same_batches(first: ShardStream, second: ShardStream, count: int) -> None:
    for _ in range(count):
        a, b = next(first), next(second)
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.mask, b.mask)
        assert torch.equal(a.weight, b.weight)


@pytest.mark.parametrize("batch_size", [1, 8, 60, 1000])
@pytest.mark.parametrize("window", [1, 3])
def test_every_event_is_seen_once_an_epoch(stream: MakeStream, batch_size: int, window: int) -> None:
    batches = stream(batch_size, window=window)
    epochs = [an_epoch(batches) for _ in range(3)]
    for epoch in epochs:
        assert sorted(numbers(epoch)) == list(range(TRAINING_ROWS))
        assert max(map(len, epoch)) <= batch_size
    assert numbers(epochs[0]) != numbers(epochs[1]) != numbers(epochs[2])


def test_weights_and_values_stay_with_their_event(stream: MakeStream) -> None:
    for batch in an_epoch(stream()):
        assert torch.equal(batch.weight * 2, batch.x[:, 0, 0].double())
        assert bool(((batch.x[..., 0] == batch.x[:, :1, 0]) == batch.mask).all())
        assert torch.equal(batch.mask, batch.tokens.bool())


def test_batches_are_trimmed_and_of_similar_length(stream: MakeStream) -> None:
    def filled(window: int) -> float:
        batches = an_epoch(stream(10, window=window, pool_events=1000))
        assert all(bool(batch.mask.any(0).all()) for batch in batches)
        assert {int(n) for batch in batches for n in batch.lengths} == set(range(1, 13))
        return TRAINING_ROWS * 6.5 / sum(batch.mask.numel() for batch in batches)

    assert filled(50) > 0.85 > filled(1)


def test_batches_of_a_pool_have_almost_equal_sizes(stream: MakeStream) -> None:
    sizes = {len(batch) for batch in an_epoch(stream(10, pool_events=1000))}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("seen", [0, 1, 5, 6, 7, 13, 19, 20, 21, 45])
def test_a_resumed_stream_continues_exactly(stream: MakeStream, seen: int) -> None:
    first, second = stream(), stream()
    for _ in range(seen):
        next(first)
    second.load_state_dict(first.state_dict())
    assert_same_batches(first, second, 30)


def test_a_running_stream_can_be_set_back(stream: MakeStream) -> None:
    first, second = stream(), stream()
    start = first.state_dict()
    for _ in range(12):
        next(first)
    first.load_state_dict(start)
    assert_same_batches(first, second, 25)


@pytest.mark.parametrize("settings", [{"cache_bytes": 2**30}, {"cache_bytes": 5000}, {"prefetch": False}])
def test_cache_and_thread_change_nothing(stream: MakeStream, settings: dict[str, int]) -> None:
    assert_same_batches(stream(), stream(**settings), 60)


def test_the_cache_keeps_what_fits(stream: MakeStream) -> None:
    calls = []

    def counted(events: Events) -> Batch:
        calls.append(len(events))
        return encode(events)

    cached = stream(encode=counted, cache_bytes=2**30, prefetch=False)
    for _ in range(3):
        an_epoch(cached)
    assert len(calls) == 4
    calls.clear()
    uncached = stream(encode=counted, prefetch=False)
    for _ in range(3):
        an_epoch(uncached)
    assert len(calls) == 12


def test_the_seed_decides_the_order(stream: MakeStream) -> None:
    assert numbers(an_epoch(stream(seed=1))) == numbers(an_epoch(stream(seed=1)))
    assert numbers(an_epoch(stream(seed=1))) != numbers(an_epoch(stream(seed=2)))


def test_a_position_in_other_data_is_refused(stream: MakeStream) -> None:
    state = stream().state_dict()
    with pytest.raises(InputError, match="another batch_size than it began with"):
        stream(9).load_state_dict(state)
    with pytest.raises(InputError, match="another seed"):
        stream(seed=5).load_state_dict(state)


def test_failures_of_the_thread_reach_the_user(stream: MakeStream, folder: Path) -> None:
    broken = stream()
    (folder / "shard-00000.parquet").write_bytes(b"")
    (folder / "shard-00001.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        an_epoch(broken)


def test_impossible_streams_are_explained(stream: MakeStream) -> None:
    with pytest.raises(InputError, match="positive batch size"):
        stream(0)
    with pytest.raises(InputError, match="at least one shard"):
        ShardStream([], encode, 8)


@pytest.mark.parametrize(("limit", "expected"), [(None, 3), (2, 2), (100, 3)])
def test_validation_rows_come_sorted_and_limited(folder: Path, limit: int | None, expected: int) -> None:
    batches = validation_batches(split(folder).validation, encode, 2, limit)
    assert sorted(numbers(batches)) == list(range(TRAINING_ROWS, TRAINING_ROWS + expected))
    lengths = torch.cat([batch.lengths for batch in batches])
    assert bool((lengths.diff() >= 0).all())
    assert max(map(len, batches)) <= 2


def test_bundles_pass_through(stream: MakeStream) -> None:
    def both(events: Events) -> Bundle:
        rows = encode(events)
        return Bundle({"vector": Batch(rows.x[:, 0], rows.weight), "set": rows})

    seen = an_epoch(stream(encode=both))
    assert all(torch.equal(rows["vector"].x[:, 0], rows["set"].x[:, 0, 0]) for rows in seen)
    assert sorted(numbers(rows["set"] for rows in seen)) == list(range(TRAINING_ROWS))


def test_joined_rows_keep_their_fields_and_lengths() -> None:
    def batch(rows: int, length: int) -> Batch:
        mask = torch.arange(length) < torch.arange(1, rows + 1)[:, None]
        return Batch(
            torch.randn(rows, length, 3),
            torch.rand(rows),
            torch.randn(rows, 2),
            mask,
            mask.long(),
            torch.randn(rows, length, 4),
        )

    parts = [batch(3, 5), batch(2, 7), batch(4, 4)]
    both = join(parts)
    assert both.x.shape == (9, 7, 3)
    assert both.token_context.shape == (9, 7, 4)
    for part, first in zip(parts, np.cumsum([0, 3, 2]), strict=True):
        back = both.select(torch.arange(first, first + len(part))).pad_to(part.x.shape[1])
        for name in ("x", "weight", "context", "mask", "tokens", "token_context"):
            assert torch.equal(getattr(back, name), getattr(part, name))
    assert size_in_bytes(parts[0]) == 4 * (3 * 5 * 3 + 3 + 3 * 2 + 3 * 5 * 4) + 3 * 5 + 8 * 3 * 5
    assert size_in_bytes(Bundle({"a": parts[0], "b": parts[0]})) == 2 * size_in_bytes(parts[0])
