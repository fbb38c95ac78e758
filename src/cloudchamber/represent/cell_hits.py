r"""Showers as hits in cells, with what is drawn before them: visible energy, hits and energies of the layers.

    visible   V = sum of all hits, as in `represent.hits`
    counts    n_l, the hits of each layer
    layers    the layers' shares of the energy above the threshold theta,
              s_l = X_l / X,   X_l = V_l - n_l theta,   X = sum_l X_l
    hits      of each layer, from the largest energy down: both bins of the cell, and its share (e - theta) / X_l

Shares are told by their scores (see `tensors.sticks`) through quantile maps, so that bins of equal probability resolve
them. In a layer whose energy per hit has a line, as that of a lone particle in the first one, the score of the layer's
share is this energy itself: relative to the rest of the shower the line would be washed out. Everything is exact when
it is inverted: V, the energies of the layers, the number of hits, and their cells.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cloudchamber.events import Cells, Geometry, Showers
from cloudchamber.represent.shower_scales import TINY, Given, Scales, given_of
from cloudchamber.represent.totals import Totals, by_layer, enough, first_columns, geometry_of, maps_of
from cloudchamber.tensors import sticks
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.bijections import TabulatedMap
from cloudchamber.tensors.rng import Rng

__all__ = ["CellsRepresentation"]

_LINE, _SHARPER = 0.02, 4.0
"""Part of the values of a layer that makes a line, and how much narrower it is as an energy than as a share."""
_FEWEST = 5
"""Values of a line."""
_SMOOTHING = 0.02
"""Hits that are added to every cell when it is counted how often it has one."""


class CellsRepresentation(Totals):
    """Showers <-> tensors.

    Args:
        geometry: the cells.
        scales: see `Scales`.
        visible: map of the visible energy, one row.
        layers: maps of the scores of the layers' shares, one row each.
        shares: maps of the scores of the hits' shares, see `sticks.share_row`.
        unit: energy in MeV in which layers are told.
        prior: logarithm of how often each cell has a hit, shape (L, X, Y).
        lines: in which layers the energy per hit has a line, shape (L,).
        most: most hits of a layer.
    """

    CONTEXT, PROFILE = 3, 2

    def __init__(
        self, geometry: Geometry, scales: Scales, *, visible: TabulatedMap, layers: TabulatedMap,
        shares: TabulatedMap, unit: float, prior: Tensor, lines: Tensor, most: int,
    ) -> None:  # fmt: skip
        super().__init__(geometry, scales, {"visible": visible, "layers": layers, "shares": shares}, most)
        self.unit, self.prior, self.lines = unit, prior, lines
        self._images = _images(geometry)

    @classmethod
    def fit(cls, showers: Showers) -> "CellsRepresentation":
        """The maps that fit a sample.

        Args:
            showers: of one calorimeter; showers without hits are left out.

        Raises:
            InputError: if there are too few showers, or hits below the threshold.
        """
        showers = enough(showers)
        geometry, given = showers.geometry, given_of(showers)
        scales, count = Scales.fit(given), len(showers.geometry.layers)
        mask, layer = _fullest_last(given.counts)
        scores = [_layer_scores(given, mask, layer, torch.full((count,), fill)) for fill in (False, True)]
        free = mask & functional.pad(mask[:, 1:], (0, 1))
        relative, own = ([s[free & (layer == k)].numpy() for k in range(count)] for s in scores)
        lines = torch.tensor([_narrowest(a) * _SHARPER < _narrowest(b) for a, b in zip(own, relative, strict=True)])
        score = torch.where(lines[layer], scores[1], scores[0])
        hits = _Sorted(showers, given)
        kind, hit_score = hits.kind[hits.free].numpy(), hits.score[hits.free].numpy()
        return cls(
            geometry,
            scales,
            visible=TabulatedMap.fit([scales.residual(given).numpy()]),
            layers=TabulatedMap.fit(by_layer(score[free].numpy(), layer[free].numpy(), count)),
            shares=TabulatedMap.fit(by_layer(hit_score, kind, sticks.ROWS)),
            unit=geometry.threshold or float(np.quantile(showers.energy, 0.05)),
            prior=_prior(showers),
            lines=lines,
            most=int(given.counts.max()),
        )

    def state(self) -> dict[str, Tensor]:
        """All fitted tensors, by name."""
        unit = torch.tensor(self.unit, dtype=torch.float64)
        return {**self.totals_state(), "unit": unit, "prior": self.prior, "lines": self.lines}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "CellsRepresentation":
        """The representation that `state` came from.

        Args:
            state: tensors by name.
        """
        maps, scales = maps_of(state, ("visible", "layers", "shares")), Scales.from_state(state)
        unit, most = float(state["unit"]), int(state["most"])
        return cls(geometry_of(state), scales, **maps, unit=unit, prior=state["prior"], lines=state["lines"], most=most)

    @property
    def layers_map(self) -> TabulatedMap:
        """Of the scores of the layers' shares."""
        return self._maps["layers"]

    @property
    def shares_map(self) -> TabulatedMap:
        """Of the scores of the hits' shares."""
        return self._maps["shares"]

    def layers_given(self, incident: Tensor, visible: Tensor, counts: Tensor) -> Batch:
        """Conditions of the layers' energies, for the layers with hits; the one with most hits has what is left.

        Args:
            incident: MeV, shape (B,).
            visible: MeV, shape (B,).
            counts: hits of each layer, shape (B, L).
        """
        mask, layer = _fullest_last(counts)
        profile = self._log_counts(counts)
        context = torch.cat([self.counts_context(incident, visible), self.scales.total(counts), profile], dim=1)
        told = torch.stack([counts.gather(1, layer), _amounts(self._above(visible, counts), self.lines, layer)], dim=-1)
        told = told.masked_fill(~mask[..., None], 0).float()
        return Batch(torch.zeros_like(told), torch.ones(len(told)), context, mask, layer.masked_fill(~mask, 0), told)

    def excess(self, x: Tensor, given: Batch, visible: Tensor, counts: Tensor) -> Tensor:
        """Energies of the layers above the threshold of their hits, MeV, shape (B, L), float64.

        Args:
            x: drawn shares, shape (B, M, 2).
            given: conditions they were drawn for, see `layers_given`.
            visible: MeV, shape (B,).
            counts: hits of each layer, shape (B, L).
        """
        assert given.mask is not None
        assert given.tokens is not None
        n = counts.gather(1, given.tokens).double()
        total = self._above(visible, counts)
        shares = (x[..., 0].double() * total[:, None]).clamp(min=0).maximum(n * TINY).masked_fill(~given.mask, 0.0)
        excess = shares * (total / shares.sum(1))[:, None]
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
        profile = [self._log_counts(given.counts), self.scales.mean_hit(given)]
        context = [self.counts_context(given.incident, given.visible), self.scales.total(given.counts), *profile]
        amount = (given.excess / self.unit).float().gather(1, layer).masked_fill(~mask, 0.0)
        x, weight = torch.zeros(*mask.shape, 4), torch.ones(len(mask))
        return Batch(x, weight, torch.cat(context, dim=1), mask, layer, amount[..., None])

    def decode(self, x: Tensor, given: Given) -> Showers:
        """Showers from their hits.

        Args:
            x: drawn hits, shape (B, N, 4), in the order of `hits_given`.
            given: what they were drawn for.
        """
        conditions = self.hits_given(given)
        assert conditions.mask is not None
        assert conditions.tokens is not None
        mask, layer = conditions.mask, conditions.tokens[conditions.mask]
        first, second = (x[mask][:, axis].long().numpy() for axis in (0, 1))
        group = torch.nonzero(mask)[:, 0] * given.counts.shape[1] + layer
        share = x[mask][:, 2].double().clamp(min=1e-12)
        sums = torch.zeros(given.counts.numel(), dtype=torch.float64).index_add(0, group, share)
        energy = self.geometry.threshold + share * (given.excess.flatten() / sums.clamp(min=1e-300))[group]
        cells = Cells(layer.numpy(), first, second)
        return Showers(given.incident.numpy(), given.counts.sum(1).numpy(), cells, energy.numpy(), self.geometry)

    def vary(self, rows: Batch, rng: Rng) -> Batch:
        """Hits of mirrored showers, where the calorimeter has the symmetries of a square.

        Args:
            rows: the part hits of encoded showers.
            rng: random stream.
        """
        if len(self._images) == 1:
            return rows
        images = self._images.to(rows.x.device)
        image = (rng.uniform() * len(images)).long().clamp(max=len(images) - 1)
        side = self.prior.shape[2]
        assert rows.mask is not None
        assert rows.tokens is not None
        cell = images[image[:, None], rows.tokens, (rows.x[..., 0] * side + rows.x[..., 1]).long()]
        place = torch.stack([cell // side, cell % side], dim=-1).masked_fill(~rows.mask[..., None], 0)
        x = torch.cat([place.to(rows.x), rows.x[..., 2:]], dim=-1)
        return Batch(x, rows.weight, rows.context, rows.mask, rows.tokens, rows.token_context)

    def _above(self, visible: Tensor, counts: Tensor) -> Tensor:
        """Energy above the threshold of the hits, MeV, shape (B,), float64."""
        return visible - counts.sum(1).double() * self.geometry.threshold

    def _log_counts(self, counts: Tensor) -> Tensor:
        """Hits of layers on their scale, -3 where there are none, shape (B, L)."""
        return torch.where(counts > 0, self.scales.log_count(counts), -3.0)

    def encode_layers(self, given: Given) -> Batch:
        """The part layers.

        Args:
            given: of showers with hits.
        """
        rows = self.layers_given(given.incident, given.visible, given.counts)
        assert rows.mask is not None
        assert rows.tokens is not None
        share = _layer_shares(given).gather(1, rows.tokens).masked_fill(~rows.mask, 0.0)
        score = _layer_scores(given, rows.mask, rows.tokens, self.lines)
        cumulative = torch.special.ndtr(self._map("layers", score, rows.tokens))
        x = torch.stack([share, cumulative], dim=-1).masked_fill(~rows.mask[..., None], 0.0).float()
        return Batch(x, rows.weight, rows.context, rows.mask, rows.tokens, rows.token_context)

    def encode_hits(self, showers: Showers, given: Given) -> Batch:
        """The part hits.

        Args:
            showers: with at least one hit each.
            given: of the same.
        """
        rows, hits = self.hits_given(given), _Sorted(showers, given)
        assert rows.mask is not None
        cumulative = torch.special.ndtr(self._map("shares", hits.score, hits.kind))
        first, second = (torch.from_numpy(index[hits.order]).double() for index in showers.cells[1:])
        rows.x[rows.mask] = torch.stack([first, second, hits.share, cumulative], dim=-1).float()
        return rows


class _Sorted:
    """Hits layer after layer, from the largest energy down; flat, shape (H,).

    Args:
        showers: with at least one hit each.
        given: of the same.

    Attributes:
        order: places of the hits in the showers.
        share: of the excess of their layer.
        score: of the share.
        kind: of the score.
        free: whether the share is not simply all that is left.
    """

    def __init__(self, showers: Showers, given: Given) -> None:
        self.order = np.lexsort((-showers.energy, showers.layer, showers.row))
        row, layer = torch.from_numpy(showers.row[self.order]), torch.from_numpy(showers.layer[self.order])
        own = np.maximum(showers.energy[self.order] - showers.geometry.threshold, TINY)
        group = row * given.counts.shape[1] + layer
        sums = torch.zeros(given.counts.numel(), dtype=torch.float64)
        self.share = torch.from_numpy(own) / sums.index_add(0, group, torch.from_numpy(own))[group]
        total = given.counts.sum(1)
        mask = torch.arange(int(total.max())) < total[:, None]
        padded, layers = torch.zeros(mask.shape, dtype=torch.float64), torch.zeros(mask.shape, dtype=torch.long)
        padded[mask], layers[mask] = self.share, layer
        grouped = sticks.groups(layers, mask, given.counts.shape[1])
        known = sticks.falling_known(padded, grouped)
        self.score = sticks.score(padded, known)[mask]
        self.kind = sticks.share_row(grouped.rank, grouped.size)[mask]
        self.free = (grouped.size - grouped.rank > 1)[mask]


def _layer_shares(given: Given) -> Tensor:
    """Shares of the layers in the excess of their shower, shape (B, L)."""
    return given.excess / given.excess.sum(1, keepdim=True)


def _fullest_last(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Layers with hits in rising order, but the first one with the most hits last: mask and layers, (B, M) each.

    What is left is then not small, so that the errors of all other layers do not matter to it.
    """
    place = torch.arange(counts.shape[1]).expand_as(counts).clone()
    place.scatter_(1, counts.argmax(1, keepdim=True), counts.shape[1])
    order = place.masked_fill(counts == 0, counts.shape[1] + 1).argsort(dim=1)
    mask, column = first_columns(counts.gather(1, order) > 0)
    return mask, order.gather(1, column)


def _layer_scores(given: Given, mask: Tensor, layer: Tensor, lines: Tensor) -> Tensor:
    """Scores of the layers' shares, shape (B, M).

    Args:
        given: of showers.
        mask: real layers, shape (B, M).
        layer: numbers of the layers, shape (B, M).
        lines: in which layers the score is the energy of a hit, shape (L,).
    """
    shares, weights = (
        values.gather(1, layer).masked_fill(~mask, 0.0) for values in (_layer_shares(given), given.counts.double())
    )
    amounts = _amounts(given.excess.sum(1), lines, layer)
    return sticks.weighted_score(shares, sticks.weighted(shares, weights, amounts))


def _amounts(above: Tensor, lines: Tensor, layer: Tensor) -> Tensor:
    """Energy above the threshold of hits where a layer is told as an energy, else zero, shape (B, M)."""
    return above[:, None] * lines[layer]


def _narrowest(values: NDArray[np.float64]) -> float:
    """Width of the narrowest interval that holds a certain part of the values; infinite where there are few."""
    ordered, number = np.sort(values), int(_LINE * len(values))
    return float((ordered[number:] - ordered[: len(ordered) - number]).min()) if number >= _FEWEST else np.inf


def _prior(showers: Showers) -> Tensor:
    """Logarithm of the mean number of hits of each cell, shape (L, X, Y); minus infinity where there is no cell."""
    geometry = showers.geometry
    shape = geometry.shapes.max(0)
    number = np.full((len(geometry.layers), *shape), -np.inf)
    for layer, (first, second) in enumerate(geometry.shapes):
        number[layer, :first, :second] = _SMOOTHING
    np.add.at(number, tuple(showers.cells), 1.0)
    flat = torch.from_numpy(np.maximum(number, 0)).flatten(1)
    mean = torch.stack([flat.gather(1, image) for image in _images(geometry)]).mean(0).reshape(number.shape)
    return (mean / len(showers)).log().float()


def _images(geometry: Geometry) -> Tensor:
    """Where each cell is in the mirror images of a shower, by i Y + j, shape (images, L, X Y)."""
    size = geometry.shapes.max(0).tolist()
    layers = [_images_of_layer(size, int(side), geometry.is_square) for side in geometry.shapes[:, 0]]
    return torch.stack(layers, dim=1)


def _images_of_layer(size: list[int], side: int, is_square: bool) -> Tensor:
    """The same for one layer, of side x side cells where it is a square; places without a cell stay, (images, X Y)."""
    i, j = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    if not is_square:
        return (i * size[1] + j).reshape(1, -1)
    inside = (i < side) & (j < side)
    images = []
    for a, b in ((i, j), (j, i)):
        for one in (a, side - 1 - a):
            images += [torch.where(inside, one * size[1] + two, i * size[1] + j) for two in (b, side - 1 - b)]
    return torch.stack(images).flatten(1)
