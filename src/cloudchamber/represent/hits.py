r"""Showers as a cloud of hits, with what is drawn before them: visible energy, hits and energies of the layers.

A shower of incident energy E is made in four steps, each given those before it:

    visible   V = sum of all hits:     ln(V / E) = mu(E) + sigma(E) R(z)
    counts    n_l, the hits of each layer
    layers    energies V_l of the layers with hits, through their excess over the threshold theta,
              X_l = V_l - n_l theta:   ln(X_l N / (n_l X)) = L_l(z),   X = sum_l X_l
    hits      place and energy e of each hit:
              (x, y) = r (cos phi, sin phi) with r = P_l(|z|) and the angle phi of z,
              ln((e - theta) n_l / X_l) = Q_l(z)

N is the number of all hits. R, L_l, P_l and Q_l are quantile maps that make unit normals z of what the data have; mu
and ln sigma are parabolas in ln E. Hits are smeared over their cells, so that z has a density, and put back with at
most one in each (`places`). When a shower is made, the energies of the layers are scaled to the visible energy, and
those of the hits to the energies of their layers, so energy is conserved exactly, and no hit is below the threshold.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import Cells, Geometry, Showers
from cloudchamber.represent.places import Bins, Places, separate
from cloudchamber.represent.shower_scales import (
    Given,
    Scales,
    given_of,
    hit_share,
    layer_share,
)
from cloudchamber.represent.totals import Totals, by_layer, enough, first_columns, geometry_of, maps_of
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.bijections import TabulatedMap
from cloudchamber.tensors.rng import Rng

__all__ = ["HitsRepresentation"]

_SEED = 20231
"""Of the smearing in `encode`, which must give the same rows whenever it is called."""
Array = NDArray[np.float64]


class HitsRepresentation(Totals):
    """Showers <-> tensors.

    Args:
        geometry: the cells.
        scales: see `Scales`.
        visible: the map R, one row.
        layers: the maps L_l.
        radius: the maps P_l.
        energy: the maps Q_l.
        most: most hits of a layer.
    """

    CONTEXT, LAYER_CONTEXT, HIT_CONTEXT = 3, 1, 2

    def __init__(
        self, geometry: Geometry, scales: Scales, *, visible: TabulatedMap, layers: TabulatedMap,
        radius: TabulatedMap, energy: TabulatedMap, most: int,
    ) -> None:  # fmt: skip
        maps = {"visible": visible, "layers": layers, "radius": radius, "energy": energy}
        super().__init__(geometry, scales, maps, most)
        self.places = Places(geometry)

    @classmethod
    def fit(cls, showers: Showers) -> "HitsRepresentation":
        """The maps that fit a sample.

        Args:
            showers: of one calorimeter; showers without hits are left out.

        Raises:
            InputError: if there are too few showers, or hits below the threshold.
        """
        showers = enough(showers)
        geometry, given = showers.geometry, given_of(showers)
        scales = Scales.fit(given)
        residual = scales.residual(given).numpy()
        n, layers = given.counts, len(geometry.layers)
        row, layer = (index.numpy() for index in torch.nonzero(n, as_tuple=True))
        share = layer_share(given)[row, layer].numpy()
        hit_layer = torch.from_numpy(showers.layer)
        point = Places(geometry).smear(
            hit_layer, Bins(*map(torch.from_numpy, showers.cells[1:])), _draws(len(hit_layer), 2)
        )
        own, lone = hit_share(showers, given)
        return cls(
            geometry,
            scales,
            visible=TabulatedMap.fit([residual]),
            layers=TabulatedMap.fit(by_layer(share, layer, layers)),
            radius=TabulatedMap.fit(_radii(geometry, point.norm(dim=-1).numpy(), showers.layer), "rayleigh"),
            energy=TabulatedMap.fit(by_layer(own[~lone], showers.layer[~lone], layers)),
            most=int(n.max()),
        )

    def state(self) -> dict[str, Tensor]:
        """All fitted tensors, by name."""
        return self.totals_state()

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "HitsRepresentation":
        """The representation that `state` came from.

        Args:
            state: tensors by name.
        """
        maps = maps_of(state, ("visible", "layers", "radius", "energy"))
        return cls(geometry_of(state), Scales.from_state(state), most=int(state["most"]), **maps)

    def layers_given(self, incident: Tensor, visible: Tensor, counts: Tensor) -> Batch:
        """Conditions of the layers' energies, for the layers with hits.

        Args:
            incident: MeV, shape (B,).
            visible: MeV, shape (B,).
            counts: hits of each layer, shape (B, L).
        """
        mask, layer = first_columns(counts > 0)
        context = torch.cat([self.counts_context(incident, visible), self.scales.total(counts)], dim=1)
        log_n = self.scales.log_count(counts.gather(1, layer)).masked_fill(~mask, 0.0)
        x = torch.zeros(*mask.shape, 1)
        return Batch(x, torch.ones(len(x)), context, mask, layer.masked_fill(~mask, 0), log_n[..., None])

    def excess(self, z: Tensor, given: Batch, visible: Tensor, counts: Tensor) -> Tensor:
        """Energies of the layers above the threshold of their hits, MeV, shape (B, L), float64.

        Args:
            z: drawn scores, shape (B, M, 1).
            given: conditions they were drawn for, see `layers_given`.
            visible: MeV, shape (B,).
            counts: hits of each layer, shape (B, L).
        """
        assert given.mask is not None
        assert given.tokens is not None
        share = self._maps["layers"].inverse(z[..., 0], given.tokens, bounded=True)
        n = counts.gather(1, given.tokens).double().masked_fill(~given.mask, 0.0)
        weight = n * share.exp()
        total = visible - counts.sum(1).double() * self.geometry.threshold
        excess = weight * (total / weight.sum(1))[:, None]
        return torch.zeros(counts.shape, dtype=torch.float64).scatter_add(1, given.tokens, excess)

    def hits_given(self, given: Given) -> Batch:
        """Conditions of the hits; the x is zero.

        Args:
            given: what is known before.
        """
        total = given.counts.sum(1)
        mask = torch.arange(int(total.max())) < total[:, None]
        layer = torch.zeros(mask.shape, dtype=torch.long)
        layers = torch.arange(given.counts.shape[1]).expand_as(given.counts)
        layer[mask] = layers.flatten().repeat_interleave(given.counts.flatten())
        context = torch.cat(
            [self.counts_context(given.incident, given.visible), self.scales.total(given.counts)], dim=1
        )
        about = torch.stack([self.scales.log_count(given.counts), self.scales.mean_hit(given)], dim=-1)
        each = about.gather(1, layer[..., None].expand(-1, -1, 2)).masked_fill(~mask[..., None], 0.0)
        return Batch(torch.zeros(*mask.shape, 3), torch.ones(len(mask)), context, mask, layer, each)

    def decode(self, z: Tensor, given: Given) -> Showers:
        """Showers from the scores of their hits.

        Args:
            z: drawn scores, shape (B, N, 3), hits in the order of `hits_given`.
            given: what they were drawn for.
        """
        conditions = self.hits_given(given)
        assert conditions.mask is not None
        assert conditions.tokens is not None
        mask, layer = conditions.mask, conditions.tokens[conditions.mask]
        row = torch.nonzero(mask)[:, 0]
        point = self._points(z[mask][:, :2].double(), layer)
        bins = self.places.find(layer, point)
        cells = Cells(layer.numpy(), *(index.numpy() for index in bins))
        cells = separate(self.geometry, row.numpy(), cells, point.numpy())
        weight = self._maps["energy"].inverse(z[mask][:, 2], layer, bounded=True).exp()
        group = row * given.counts.shape[1] + layer
        sums = torch.zeros(given.counts.numel(), dtype=torch.float64).index_add(0, group, weight)
        energy = self.geometry.threshold + weight * (given.excess.flatten() / sums.clamp(min=1e-300))[group]
        return Showers(given.incident.numpy(), given.counts.sum(1).numpy(), cells, energy.numpy(), self.geometry)

    def vary(self, rows: Batch, rng: Rng) -> Batch:
        """Hits smeared anew over their cells, and mirrored where the calorimeter has the symmetries of a square.

        Args:
            rows: the part hits of encoded showers.
            rng: random stream.
        """
        assert rows.mask is not None
        assert rows.tokens is not None
        draws, signs, device = rng.uniform(rows.x.shape[1], 3).cpu(), rng.uniform(3).cpu(), rows.x.device
        x, layer = rows.x.cpu(), rows.tokens.cpu()
        bins = self.places.find(layer, self._points(x[..., :2].double(), layer))
        point = self.places.smear(layer, bins, draws[..., :2])
        if self.geometry.is_square:
            flip = torch.where(signs[:, None, :2] < 0.5, -1.0, 1.0).double()
            point = torch.where(signs[:, 2, None, None] < 0.5, point.flip(-1), point) * flip
        moved = self._scores(point, layer).to(x)
        changed = torch.cat([moved, x[..., 2:]], dim=-1).masked_fill(~rows.mask.cpu()[..., None], 0.0)
        return Batch(changed.to(device), rows.weight, rows.context, rows.mask, rows.tokens, rows.token_context)

    def log_det(self, rows: Batch) -> Tensor:
        """Ln |det dz/d(x, y, ln((e - theta) n_l / X_l))| of each shower's hits, shape (B,), float64.

        Args:
            rows: the part hits of encoded showers.
        """
        assert rows.mask is not None
        assert rows.tokens is not None
        radius, energy = self._maps["radius"], self._maps["energy"]
        length = rows.x[..., :2].double().norm(dim=-1)
        r = radius.inverse(length, rows.tokens)
        angular = torch.where(r > 0, length / r, torch.ones_like(r)).log()  # dz = (|z| / r) r dphi
        place = radius.log_det(r, rows.tokens) + angular
        share = energy.log_det(energy.inverse(rows.x[..., 2], rows.tokens), rows.tokens)
        return (place + share).masked_fill(~rows.mask, 0.0).sum(1)

    def encode_layers(self, given: Given) -> Batch:
        """The part layers.

        Args:
            given: of showers with hits.
        """
        rows = self.layers_given(given.incident, given.visible, given.counts)
        assert rows.mask is not None
        assert rows.tokens is not None
        share = layer_share(given).gather(1, rows.tokens)
        z = self._map("layers", share, rows.tokens).masked_fill(~rows.mask, 0.0)
        return Batch(z[..., None].float(), rows.weight, rows.context, rows.mask, rows.tokens, rows.token_context)

    def encode_hits(self, showers: Showers, given: Given) -> Batch:
        """The part hits.

        Args:
            showers: with at least one hit each.
            given: of the same.
        """
        rows = self.hits_given(given)
        assert rows.mask is not None
        order = np.lexsort((showers.layer, showers.row))
        layer = torch.from_numpy(showers.layer[order])
        draws = _draws(len(layer), 2)
        bins = Bins(*(torch.from_numpy(index[order]) for index in showers.cells[1:]))
        share, lone = hit_share(showers, given)
        score = self._map("energy", torch.from_numpy(share[order]), layer)
        free = torch.randn(len(layer), generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64)
        score = torch.where(torch.from_numpy(lone[order]), free, score)
        place = self._scores(self.places.smear(layer, bins, draws), layer)
        rows.x[rows.mask] = torch.cat([place, score[:, None]], dim=1).float()
        return rows

    def _scores(self, point: Tensor, layer: Tensor) -> Tensor:
        """Unit normals in the plane, of points in mm."""
        radius = point.norm(dim=-1)
        length = self._maps["radius"].forward(radius, layer)
        scores: Tensor = point * (length / radius.clamp(min=1e-12))[..., None]
        return scores

    def _points(self, z: Tensor, layer: Tensor) -> Tensor:
        """Points in mm, of unit normals in the plane."""
        length = z.norm(dim=-1)
        radius = self._maps["radius"].inverse(length, layer, bounded=True)
        points: Tensor = z * (radius / length.clamp(min=1e-12))[..., None]
        return points


def _draws(hits: int, size: int) -> Tensor:
    """Uniform numbers, the same ones whenever it is called."""
    return torch.rand(hits, size, generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64)


def _radii(geometry: Geometry, radius: Array, layer: NDArray[np.int64]) -> list[Array]:
    """Radii of the hits of each layer, with that of its farthest corner, so that the map ends there."""
    corner = [
        np.hypot(*(np.abs(edges).max() for edges in (one.first, one.second)))
        if geometry.kind == "cartesian"
        else max(one.first)
        for one in geometry.layers
    ]
    parts = by_layer(radius, layer, len(geometry.layers))
    return [np.append(part, farthest) for part, farthest in zip(parts, corner, strict=True)]
