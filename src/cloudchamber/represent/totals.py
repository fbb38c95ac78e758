"""What codings of showers share: the visible energy and the hits of each layer, which are drawn before all else."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Geometry, Showers
from cloudchamber.represent.shower_scales import TINY, Given, Scales, given_of, require_threshold
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.bijections import TabulatedMap

__all__ = ["Totals", "by_layer", "enough", "first_columns", "geometry_of", "maps_of"]

_FEWEST = 200
"""Layers with fewer values than this share a quantile map with all others."""
_LEAST_SHOWERS = 20

Array = NDArray[np.float64]


class Totals(ABC):
    """Visible energies and numbers of hits <-> tensors.

    Args:
        geometry: the cells.
        scales: see `Scales`.
        maps: fitted maps by name; `visible` has one row.
        most: most hits of a layer.
    """

    VISIBLE_CONTEXT, COUNTS_CONTEXT = 1, 2

    def __init__(self, geometry: Geometry, scales: Scales, maps: Mapping[str, TabulatedMap], most: int) -> None:
        self.geometry, self.scales, self.most, self._maps = geometry, scales, most, dict(maps)

    def totals_state(self) -> dict[str, Tensor]:
        """Geometry, scales and maps, by name."""
        text = torch.frombuffer(bytearray(self.geometry.model_dump_json().encode()), dtype=torch.uint8)
        maps = {f"{name}.{key}": value for name, m in self._maps.items() for key, value in m.state().items()}
        return {"geometry": text, "most": torch.tensor(self.most), **self.scales.state(), **maps}

    def encode(self, showers: Showers) -> Bundle:
        """What a model is trained on: parts visible, counts, layers and hits; showers without hits are left out.

        Args:
            showers: of this calorimeter.

        Raises:
            InputError: if they are of another calorimeter, or have hits below the threshold.
        """
        showers = self.own(showers)
        given = given_of(showers)
        return Bundle({
            **self.encode_totals(given),
            "layers": self.encode_layers(given),
            "hits": self.encode_hits(showers, given),
        })  # fmt: skip

    @abstractmethod
    def encode_layers(self, given: Given) -> Batch:
        """The part layers.

        Args:
            given: of showers with hits.
        """

    @abstractmethod
    def encode_hits(self, showers: Showers, given: Given) -> Batch:
        """The part hits.

        Args:
            showers: with at least one hit each.
            given: of the same.
        """

    def own(self, showers: Showers) -> Showers:
        """The showers with hits.

        Args:
            showers: of this calorimeter.

        Raises:
            InputError: if they are of another calorimeter, or have hits below the threshold.
        """
        if showers.geometry != self.geometry:
            raise InputError("the showers are of another calorimeter than the model; give those of the model's cells.")
        return _with_hits(showers)

    def encode_totals(self, given: Given) -> dict[str, Batch]:
        """The parts visible and counts.

        Args:
            given: of showers with hits.
        """
        weight = torch.ones(len(given.incident))
        visible = self._map("visible", self.scales.residual(given), torch.zeros(len(weight), dtype=torch.long))
        counts = given.counts.clamp(max=self.most)
        return {
            "visible": Batch(visible[:, None].float(), weight, self.scales.incident(given.incident)),
            "counts": Batch(counts.float(), weight, self.counts_context(given.incident, given.visible)),
        }

    def counts_context(self, incident: Tensor, visible: Tensor) -> Tensor:
        """Context of the counts, shape (B, 2), float32.

        Args:
            incident: MeV, shape (B,).
            visible: MeV, shape (B,).
        """
        residual = self.scales.residual_of(incident, visible)[:, None].clamp(-6, 6)
        return torch.cat([self.scales.incident(incident), residual.float()], dim=1)

    def visible(self, z: Tensor, incident: Tensor) -> Tensor:
        """Visible energies, MeV, shape (B,), float64.

        Args:
            z: drawn scores, shape (B, 1).
            incident: MeV, shape (B,).
        """
        rows = torch.zeros(len(z), dtype=torch.long)
        return self.scales.visible(self._maps["visible"].inverse(z[:, 0], rows), incident)

    def fits(self, visible: Tensor, counts: Tensor) -> Tensor:
        """Whether numbers of hits are possible with a visible energy, shape (B,).

        Args:
            visible: MeV, shape (B,).
            counts: hits of each layer, shape (B, L).
        """
        total = counts.sum(1)
        room = torch.from_numpy(self.geometry.shapes.prod(1))
        return (total > 0) & (visible > total * (self.geometry.threshold + TINY)) & (counts <= room).all(1)

    def _map(self, name: str, values: Tensor, row: Tensor) -> Tensor:
        return self._maps[name].forward(values, row).clamp(-8, 8)


def geometry_of(state: Mapping[str, Tensor]) -> Geometry:
    """The geometry of a state.

    Args:
        state: see `Totals.totals_state`.
    """
    return Geometry.model_validate_json(state["geometry"].numpy().tobytes())


def maps_of(state: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, TabulatedMap]:
    """The maps of a state.

    Args:
        state: see `Totals.totals_state`.
        names: of the maps.
    """
    keys = ("knots", "low", "high")
    return {name: TabulatedMap.from_state({key: state[f"{name}.{key}"] for key in keys}) for name in names}


def enough(showers: Showers) -> Showers:
    """The showers with hits, to fit a coding to.

    Args:
        showers: of one calorimeter.

    Raises:
        InputError: if there are too few, or hits below the threshold.
    """
    showers = _with_hits(showers)
    if len(showers) < _LEAST_SHOWERS:
        raise InputError(
            f"{len(showers)} showers with hits are too few to fit a model to; give at least {_LEAST_SHOWERS}."
        )
    return showers


def by_layer(values: Array, layer: NDArray[np.int64], layers: int) -> list[Array]:
    """Values of each layer; all values where there are few.

    Args:
        values: shape (n,).
        layer: of each, shape (n,).
        layers: how many.
    """
    order = np.argsort(layer, kind="stable")
    parts = np.split(values[order], np.cumsum(np.bincount(layer, minlength=layers))[:-1])
    return [part if len(part) >= _FEWEST else values for part in parts]


def first_columns(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Columns that are chosen in each row, in their order, padded: mask and index, shape (B, most) each.

    Args:
        chosen: shape (B, L).
    """
    index = torch.argsort((~chosen).to(torch.uint8), dim=1, stable=True)
    number = chosen.sum(1)
    most = max(int(number.max()), 1)
    return torch.arange(most) < number[:, None], index[:, :most]


def _with_hits(showers: Showers) -> Showers:
    """The showers that have hits, none of them below the threshold."""
    require_threshold(showers)
    kept = showers.counts > 0
    return replace(showers, incident_energy=showers.incident_energy[kept], counts=showers.counts[kept])
