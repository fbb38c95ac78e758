"""Two networks that tell showers apart by their cells: one of dense layers, one of convolutions.

Both see every cell at full granularity, as ln(1 + E / threshold), and the logarithm of the incident energy. The first
layer of the dense network has one row for each cell, of which only those with hits are added up: a sparse form of the
dense network on all voxels that arXiv:2410.21611 calls the low-level classifier. Both are told the energies of the
layers and the visible over the incident energy, too, because sums over many cells are learnt slowly.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from cloudchamber.events import Showers

__all__ = ["ConvolutionalNet", "DenseNet", "Hits"]

_SCALE = 3.0
"""Typical ln(1 + E / threshold) of a hit."""


@dataclass(frozen=True)
class Hits:
    """Showers as jagged tensors.

    Attributes:
        cell: number of the cell of each hit, shape (H,).
        value: ln(1 + E / threshold) of each hit over its typical size, shape (H,).
        offsets: where each shower starts, shape (n + 1,).
        event: what is known of the whole shower, shape (n, F).
    """

    cell: Tensor
    value: Tensor
    offsets: Tensor
    event: Tensor

    @classmethod
    def of(cls, showers: Showers, threshold: float) -> "Hits":
        """The tensors of showers.

        Args:
            showers: n of them.
            threshold: MeV; the same for all samples that are compared, or it would tell them apart.
        """
        value = np.log1p(showers.energy / threshold) / _SCALE
        layers = np.log1p(showers.layer_energy / threshold) / _SCALE
        whole = np.stack([showers.incident_energy, showers.visible_energy / showers.incident_energy], axis=1)
        event = np.concatenate([np.log(np.maximum(whole, 1e-6)), layers], axis=1)
        return cls(
            torch.from_numpy(showers.geometry.number(*showers.cells)),
            torch.from_numpy(value.astype(np.float32)),
            torch.from_numpy(showers.offsets),
            torch.from_numpy(event.astype(np.float32)),
        )

    @classmethod
    def join(cls, first: "Hits", second: "Hits") -> "Hits":
        """Two samples as one.

        Args:
            first: comes first.
            second: comes after it.
        """
        offsets = torch.cat([first.offsets, second.offsets[1:] + first.offsets[-1]])
        pairs = ((first.cell, second.cell), (first.value, second.value), (first.event, second.event))
        cell, value, event = (torch.cat(pair) for pair in pairs)
        return cls(cell, value, offsets, event)

    def __len__(self) -> int:
        return len(self.event)

    def standardised(self) -> "Hits":
        """The same with what is known of whole showers about its mean, in units of its spread."""
        spread = self.event.std(0)
        return replace(self, event=(self.event - self.event.mean(0)) / torch.where(spread > 0, spread, 1.0))

    def first(self, n: int) -> "Hits":
        """The first showers.

        Args:
            n: how many, or all there are.
        """
        return self if n >= len(self) else self.take(torch.arange(n))

    def take(self, rows: Tensor) -> "Hits":
        """Some showers.

        Args:
            rows: their numbers, shape (b,).
        """
        counts = self.offsets[rows + 1] - self.offsets[rows]
        offsets = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
        hit = torch.arange(int(offsets[-1])) + (self.offsets[rows] - offsets[:-1]).repeat_interleave(counts)
        return Hits(self.cell[hit], self.value[hit], offsets, self.event[rows])


class DenseNet(nn.Module):
    """Hits -> one logit for each shower, by dense layers on all cells.

    Args:
        cells: how many there are.
        features: known of the whole shower.
        width: of the hidden layers.
    """

    def __init__(self, cells: int, features: int, width: int = 64) -> None:
        super().__init__()
        self.cells = nn.EmbeddingBag(cells, width, mode="sum")
        nn.init.normal_(self.cells.weight, std=0.05)
        self.whole = nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, width))
        self.layers = nn.Sequential(nn.GELU(), nn.Dropout(0.2), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, hits: Hits) -> Tensor:
        """Logits, shape (b,).

        Args:
            hits: of b showers.
        """
        h = self.cells(hits.cell, hits.offsets[:-1], per_sample_weights=hits.value)
        logits: Tensor = self.layers(h + self.whole(hits.event))[:, 0]
        return logits


class ConvolutionalNet(nn.Module):
    """Hits -> one logit for each shower, by convolutions over layers and both axes.

    Args:
        shapes: bins of each layer along both axes, shape (L, 2).
        features: known of the whole shower.
        width: channels of the first convolution.
    """

    place: Tensor

    def __init__(self, shapes: np.ndarray[tuple[int, int], np.dtype[np.int64]], features: int, width: int = 16) -> None:
        super().__init__()
        self.volume = (len(shapes), int(shapes[:, 1].max()), int(shapes[:, 0].max()))
        self.register_buffer("place", torch.from_numpy(_places(shapes, self.volume)))
        self.convolutions = nn.Sequential(
            nn.Conv3d(1, width, 3, 2, 1), nn.GELU(),
            nn.Conv3d(width, 2 * width, 3, 2, 1), nn.GroupNorm(4, 2 * width), nn.GELU(),
            nn.Conv3d(2 * width, 4 * width, 3, 2, 1), nn.GroupNorm(4, 4 * width), nn.GELU(),
            nn.AdaptiveAvgPool3d((2, 2, 2)), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Linear(32 * width + features, 128), nn.GELU(), nn.Dropout(0.2), nn.Linear(128, 1))

    def forward(self, hits: Hits) -> Tensor:
        """Logits, shape (b,).

        Args:
            hits: of b showers.
        """
        b, size = len(hits.event), int(np.prod(self.volume))
        row = torch.arange(b).repeat_interleave(hits.offsets.diff())
        flat = torch.zeros(b * size).index_put((row * size + self.place[hits.cell],), hits.value)
        found = self.convolutions(flat.reshape(b, 1, *self.volume))
        logits: Tensor = self.head(torch.cat([found, hits.event], dim=1))[:, 0]
        return logits


def _places(
    shapes: np.ndarray[tuple[int, int], np.dtype[np.int64]], volume: tuple[int, int, int]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Where each cell is in the volume; smaller layers fill a corner of theirs."""
    _, high, wide = volume
    layers = [(layer * high + np.arange(m)[:, None]) * wide + np.arange(n) for layer, (n, m) in enumerate(shapes)]
    return np.concatenate([places.ravel() for places in layers])
