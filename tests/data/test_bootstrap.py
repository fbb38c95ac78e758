"""Bootstrapped shards: the same whenever they are read, of the same size, drawn with replacement."""

from pathlib import Path

import numpy as np
from toy_shards import SIZES, make_shards

from cloudchamber.data.bootstrap import bootstrap
from cloudchamber.data.split import Shard, split


def numbers(shard: Shard) -> np.ndarray:
    """Which events of the folder a shard holds: twice their weights."""
    return np.round(2 * shard.read().weight).astype(int)


def test_events_are_drawn_from_their_own_shard_with_replacement(tmp_path: Path) -> None:
    shards = split(make_shards(tmp_path, (400, 300))).train
    drawn = bootstrap(shards, seed=5)
    for one, other in zip(shards, drawn, strict=True):
        assert len(one) == len(other) == len(other.read())
        assert set(numbers(other)) < set(numbers(one))
        share = len(set(numbers(other))) / len(one)
        assert abs(share - (1 - np.exp(-1))) < 5 * 0.31 / np.sqrt(len(one))  # distinct events of a bootstrap
        np.testing.assert_array_equal(numbers(other), numbers(other))


def test_seeds_and_shards_draw_differently(tmp_path: Path) -> None:
    shards = split(make_shards(tmp_path, (200, 200))).train
    first, second = bootstrap(shards, seed=1), bootstrap(shards, seed=2)
    assert not np.array_equal(numbers(first[0]), numbers(second[0]))
    assert not np.array_equal(numbers(first[0]), numbers(first[1]) - 200)
    assert sum(map(len, first)) == sum(map(len, shards)) > max(SIZES)
