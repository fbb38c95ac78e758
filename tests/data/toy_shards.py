"""Shards of events that can be told apart."""

from pathlib import Path

import numpy as np
import torch

from cloudchamber.events import Events
from cloudchamber.formats import parquet
from cloudchamber.tensors.batch import Batch

SIZES = (37, 50, 20, 41)


def make_shards(folder: Path, sizes: tuple[int, ...] = SIZES) -> Path:
    """Events with 1 to 12 particles; px is the number of the event in the folder, the weight half of that."""
    rng = np.random.default_rng(3)
    first = 0
    for number, size in enumerate(sizes):
        counts = rng.integers(1, 13, size)
        px = np.repeat(np.arange(first, first + size), counts).astype(np.float32)
        columns = {"pdg_id": np.full(len(px), 211), "px": px, "py": px, "pz": px, "mass": np.zeros_like(px)}
        weight = (first + np.arange(size)) / 2
        parquet.write(folder / f"shard-{number:05d}.parquet", Events.from_flat(counts, columns, weight))
        first += size
    return folder


def encode(events: Events) -> Batch:
    """px as the only value of every particle, padded with -1 to the longest event."""
    counts = torch.from_numpy(events.counts)
    mask = torch.arange(int(counts.max())) < counts[:, None]
    x = torch.full((*mask.shape, 1), -1.0)
    x[mask] = torch.from_numpy(events.flat("px").copy())[:, None]
    return Batch(x, torch.from_numpy(events.weight.copy()), mask=mask, tokens=mask.long())
