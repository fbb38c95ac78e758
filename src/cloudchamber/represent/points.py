r"""Showers as arXiv:2307.04780 has them: sum of the energies and number of hits first, then hits as points.

A shower of incident energy E is made in two steps,

    cluster   (sum of the energies, number N of hits), given log10 E
    hits      (log10 e, x, y, z) of each of N hits, given the scores of the cluster and log10 E

and each number v, between the ends a and b, is z = logit((v - a) / (b - a)), shifted and scaled. Places are smeared
uniformly over the cells, z over the layers, and put back by what cell they lie in; hits in one cell are added up, so a
shower may have fewer than N. Nothing makes the hits sum up to the energy of the cluster.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Cells, Geometry, Showers
from cloudchamber.represent.places import Bins, Places
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.logit import StandardLogit

__all__ = ["PointsRepresentation", "RangeMap"]

_SEED = 20233
"""Of the smearing in `encode`, which must give the same rows whenever it is called."""
_INSIDE = 1e-4
"""Points keep this distance from the borders of their layers, in layers."""


class RangeMap(NamedTuple):
    """Numbers between two ends <-> scores, coordinate by coordinate.

    Attributes:
        low: ends a, shape (F,), float64.
        high: ends b, shape (F,), float64.
        line: fractions <-> scores.
    """

    low: Tensor
    high: Tensor
    line: StandardLogit

    @classmethod
    def fit(cls, values: Tensor, low: Tensor, high: Tensor) -> "RangeMap":
        """The map that gives a sample zero mean and unit variance.

        Args:
            values: shape (n, F).
            low: ends a, shape (F,).
            high: ends b, shape (F,).
        """
        high = torch.maximum(high, low + 1e-6)
        return cls(low, high, StandardLogit.fit([(values - low) / (high - low)]))

    def forward(self, values: Tensor) -> Tensor:
        """Scores, float64.

        Args:
            values: shape (B, F).
        """
        return self.line.forward(((values - self.low) / (self.high - self.low)).clamp(0, 1))

    def inverse(self, z: Tensor) -> Tensor:
        """Values, float64.

        Args:
            z: shape (B, F).
        """
        return self.low + (self.high - self.low) * self.line.inverse(z)

    def log_det(self, values: Tensor) -> Tensor:
        """Ln |det dz/dv| at each vector of values, shape (B,), float64.

        Args:
            values: shape (B, F).
        """
        width = self.high - self.low
        return self.line.log_det((values - self.low) / width) - width.log().sum()

    def state(self) -> dict[str, Tensor]:
        """The tensors that define the map."""
        return {"low": self.low, "high": self.high, **self.line.state()}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "RangeMap":
        """The map that `state` came from.

        Args:
            state: tensors by name.
        """
        return cls(state["low"], state["high"], StandardLogit.from_state(state))


class PointsRepresentation:
    """Showers <-> tensors.

    Args:
        geometry: the cells.
        cluster: the map of (sum of the energies in MeV, number of hits).
        hits: the map of (log10 e, x, y, z), e in MeV, x and y in mm, z in layers.
    """

    CLUSTER, CLUSTER_CONTEXT, FEATURES, CONTEXT = 2, 1, 4, 3

    def __init__(self, geometry: Geometry, cluster: RangeMap, hits: RangeMap) -> None:
        self.geometry, self.cluster, self.hits = geometry, cluster, hits
        self.places = Places(geometry)

    @classmethod
    def fit(cls, showers: Showers) -> "PointsRepresentation":
        """The maps that fit a sample.

        Args:
            showers: of one calorimeter; showers without hits are left out.

        Raises:
            InputError: if there are too few showers.
        """
        showers = _filled(showers)
        if len(showers) < 20:
            raise InputError(f"{len(showers)} showers with hits are too few to fit a model to; give at least 20.")
        geometry, cluster = showers.geometry, _cluster(showers)
        points = _points(showers, Places(geometry))
        log_e, reach = points[:, 0], _reach(geometry)
        layers = float(len(geometry.layers))
        low = torch.tensor([float(log_e.min()), -reach, -reach, 0.0], dtype=torch.float64)
        high = torch.tensor([float(log_e.max()), reach, reach, layers], dtype=torch.float64)
        return cls(
            geometry,
            RangeMap.fit(cluster, cluster.amin(0), cluster.amax(0)),
            RangeMap.fit(points, low, high),
        )

    @property
    def most(self) -> int:
        """Most hits of a shower."""
        return round(float(self.cluster.high[1]))

    def state(self) -> dict[str, Tensor]:
        """All fitted tensors, by name."""
        text = torch.frombuffer(bytearray(self.geometry.model_dump_json().encode()), dtype=torch.uint8)
        maps = {"cluster": self.cluster, "hits": self.hits}
        return {"geometry": text} | {f"{n}.{key}": value for n, m in maps.items() for key, value in m.state().items()}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "PointsRepresentation":
        """The representation that `state` came from.

        Args:
            state: tensors by name.
        """
        names = ("low", "high", "mean", "deviation", "margin")
        cluster, hits = (
            RangeMap.from_state({name: state[f"{part}.{name}"] for name in names}) for part in ("cluster", "hits")
        )
        return cls(Geometry.model_validate_json(state["geometry"].numpy().tobytes()), cluster, hits)

    def encode(self, showers: Showers) -> Bundle:
        """What a model is trained on: parts cluster and hits; showers without hits are left out.

        Args:
            showers: of this calorimeter.

        Raises:
            InputError: if they are of another calorimeter.
        """
        if showers.geometry != self.geometry:
            raise InputError("the showers are of another calorimeter than the model; give those of the model's cells.")
        showers = _filled(showers)
        weight, context = torch.ones(len(showers)), self.incident_context(torch.tensor(showers.incident_energy))
        cluster = self.cluster.forward(_cluster(showers)).float()
        rows = self.hits_given(context, cluster, torch.tensor(showers.counts))
        assert rows.mask is not None
        rows.x[rows.mask] = self.hits.forward(_points(showers, self.places)).float()
        return Bundle({"cluster": Batch(cluster, weight, context), "hits": rows})

    def incident_context(self, incident: Tensor) -> Tensor:
        """Log10 of the incident energies in GeV, shape (B, 1), float32.

        Args:
            incident: MeV, shape (B,).
        """
        return (incident / 1e3).log10().float()[:, None]

    def counts(self, cluster: Tensor) -> Tensor:
        """Numbers of hits, shape (B,), int64.

        Args:
            cluster: drawn scores, shape (B, 2).
        """
        return self.cluster.inverse(cluster)[:, 1].round().long().clamp(1, self.most)

    def hits_given(self, incident: Tensor, cluster: Tensor, counts: Tensor) -> Batch:
        """Conditions of hits, shape (B, N, 4).

        Args:
            incident: see `incident_context`, shape (B, 1).
            cluster: scores, shape (B, 2).
            counts: numbers of hits, shape (B,).
        """
        mask = torch.arange(int(counts.max())) < counts[:, None]
        x = torch.zeros(*mask.shape, self.FEATURES)
        return Batch(x, torch.ones(len(x)), torch.cat([cluster, incident], dim=1), mask)

    def decode(self, z: Tensor, counts: Tensor, incident: Tensor) -> Showers:
        """Showers whose hits have drawn scores.

        Args:
            z: scores, shape (B, N, 4).
            counts: numbers of hits, shape (B,).
            incident: MeV, shape (B,).
        """
        mask = torch.arange(z.shape[1]) < counts[:, None]
        values = self.hits.inverse(z[mask])
        layer = values[:, 3].floor().long().clamp(0, len(self.geometry.layers) - 1)
        bins = self.places.find(layer, values[:, 1:3])
        row = torch.arange(len(z)).repeat_interleave(counts).numpy()
        cells = Cells(layer.numpy(), bins.first.numpy(), bins.second.numpy())
        key = row * self.geometry.cells + self.geometry.number(*cells)
        filled, where = np.unique(key, return_inverse=True)
        energy = np.bincount(where, 10 ** values[:, 0].numpy(), len(filled))
        row, number = np.divmod(filled, self.geometry.cells)
        return Showers.of(
            incident.numpy(),
            np.bincount(row, minlength=len(z)),
            self.geometry.place(number),
            energy,
            geometry=self.geometry,
        )


def _cluster(showers: Showers) -> Tensor:
    return torch.tensor(np.stack([showers.visible_energy, showers.counts], axis=1), dtype=torch.float64)


def _points(showers: Showers, places: Places) -> Tensor:
    """(log10 e, x, y, z) of all hits, smeared, the same whenever it is called, shape (H, 4)."""
    layer = torch.tensor(showers.layer)
    draws = torch.rand(len(layer), 3, generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64)
    place = places.smear(layer, Bins(torch.tensor(showers.ix), torch.tensor(showers.iy)), draws[:, :2])
    depth = layer + _INSIDE + (1 - 2 * _INSIDE) * draws[:, 2]
    return torch.cat([torch.tensor(showers.energy).log10()[:, None], place, depth[:, None]], dim=1)


def _reach(geometry: Geometry) -> float:
    """Largest |x| or |y| of a cell, mm."""
    edges = [layer.first + (layer.second if geometry.kind == "cartesian" else ()) for layer in geometry.layers]
    return max(math.fabs(edge) for layer in edges for edge in layer)


def _filled(showers: Showers) -> Showers:
    """The showers that have hits."""
    kept = showers.counts > 0
    return replace(showers, incident_energy=showers.incident_energy[kept], counts=showers.counts[kept])
