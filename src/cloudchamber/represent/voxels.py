r"""Showers as tensors of voxels, with or without the energies of the layers before them.

Cells are merged into voxels (`events.merging`), all layers of which have the same bins. With layers (arXiv:2308.03847)
the energies E_l of the layers come first, as fractions of what is left (`layer_fractions`), and a voxel of energy e is

    z = logit(e / E_l), shifted and scaled,

of which the sum over a layer is forgotten: when a shower is made, its voxels are scaled to the energies of the layers,
and these to the total, so energy is conserved exactly. Without layers (arXiv:2206.11898) a voxel is logit(e / (c E)) of
the incident energy E, and the sum is what it comes to.

Empty voxels, and the energies of empty layers, are zero or, with a noise floor f, uniform between 0 and f theta, anew
whenever a voxel is seen. theta is the threshold of the calorimeter, or the smallest energy of the sample if it has
none. Voxels below theta are empty again when a shower is made. So with f < 1 a shower comes back whole.

In memory showers are lists of their filled voxels; `dense` makes the tensors. A tensor is flat, layer after layer, the
bins along the first axis running fastest.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Geometry, Merging, Showers
from cloudchamber.represent.layer_fractions import LayerFractions, settled
from cloudchamber.represent.shower_scales import require_threshold
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.logit import StandardLogit
from cloudchamber.tensors.rng import Rng, RowRng

__all__ = ["LayerMap", "VoxelsRepresentation"]

_SEED = 20232
"""Of the noise in empty layers, which must be the same whenever rows are encoded, and of that of the fit."""
_ROOM = 1.02
"""How far c lies above the largest ratio of a voxel to the incident energy."""
_LEAST = 0.25
"""Smallest deviation of a voxel in units of that of all; most of the outer ones are empty in nearly all showers."""
_FITTED = 4_000
"""Showers that the scales of voxels are fitted to."""
_AT_ONCE = 128
"""Showers whose voxels are in memory at once when the scales are fitted."""


class LayerMap(NamedTuple):
    """Energies of layers <-> scores.

    Attributes:
        fractions: energies <-> fractions of what is left.
        line: fractions <-> scores.
    """

    fractions: LayerFractions
    line: StandardLogit

    @classmethod
    def fit(cls, energy: Tensor, incident: Tensor) -> "LayerMap":
        """The map that fits a sample.

        Args:
            energy: of the layers, MeV, shape (n, L).
            incident: MeV, shape (n,).
        """
        fractions = LayerFractions.fit(energy, incident)
        return cls(fractions, StandardLogit.fit([fractions.forward(energy, incident)]))

    def forward(self, energy: Tensor, incident: Tensor) -> Tensor:
        """Scores, shape (B, L), float64.

        Args:
            energy: of the layers, MeV, shape (B, L).
            incident: MeV, shape (B,).
        """
        return self.line.forward(self.fractions.forward(energy, incident))

    def inverse(self, z: Tensor, incident: Tensor) -> Tensor:
        """Energies of the layers, MeV, shape (B, L), float64.

        Args:
            z: scores, shape (B, L).
            incident: MeV, shape (B,).
        """
        return self.fractions.inverse(self.line.to(z.device).inverse(z), incident)

    def log_det(self, energy: Tensor, incident: Tensor) -> Tensor:
        """Ln |det dz/dE| at given incident energies, shape (B,), float64.

        Args:
            energy: of the layers, MeV, shape (B, L), all positive.
            incident: MeV, shape (B,).
        """
        u = self.fractions.forward(energy, incident)
        return self.line.log_det(u) + self.fractions.log_det(energy, incident)


class VoxelsRepresentation:
    """Showers <-> tensors of voxels.

    Args:
        fine: the cells of the calorimeter.
        merging: how many of them make a voxel.
        incident: middle and half range of ln E.
        line: fractions <-> scores of voxels.
        layers: energies of layers <-> scores; None for voxels alone.
        ceiling: c of voxels alone.
        noise: the floor f.
        threshold: theta, MeV.
    """

    def __init__(
        self, fine: Geometry, merging: Merging, *, incident: Tensor, line: StandardLogit, layers: LayerMap | None,
        ceiling: float, noise: float, threshold: float,
    ) -> None:  # fmt: skip
        self.fine, self.merging, self.geometry = fine, merging, merging.geometry(fine)
        self.incident, self.line, self.layers = incident.double(), line, layers
        self.ceiling, self.noise, self.threshold = ceiling, noise, threshold

    @classmethod
    def fit(
        cls, showers: Showers, merging: Merging, *, with_layers: bool, scaled: str = "voxel", noise: float = 0.0
    ) -> "VoxelsRepresentation":
        """The maps that fit a sample.

        Args:
            showers: of one calorimeter; showers without hits are left out.
            merging: how many cells make a voxel.
            with_layers: whether the energies of the layers come first.
            scaled: give every `voxel` zero mean and, where it is filled often enough, unit variance; or `all` together;
                or `none`.
            noise: the floor f.

        Raises:
            InputError: if there are too few showers, hits below the threshold, or the layers differ.
        """
        require_threshold(showers)
        merged = _filled(merging.showers(showers))
        _require_equal_layers(merged.geometry)
        if len(merged) < 20:
            raise InputError(f"{len(merged)} showers with hits are too few to fit a model to; give at least 20.")
        energy = torch.tensor(merged.incident_energy)
        low, high = float(energy.log().min()), float(energy.log().max())
        itself = cls(
            showers.geometry, merging,
            incident=torch.tensor([(low + high) / 2, max((high - low) / 2, 1e-3)]),
            line=StandardLogit(torch.zeros(1), torch.ones(1)),
            layers=None,
            ceiling=_ROOM * float((merged.energy / merged.incident_energy[merged.row]).max()),
            noise=noise,
            threshold=showers.geometry.threshold or float(showers.energy.min()),
        )  # fmt: skip
        if with_layers:
            itself.layers = LayerMap.fit(itself._raised(torch.tensor(merged.layer_energy)), energy)
        if scaled != "none":
            itself.line = itself._fitted_line(showers, scaled == "voxel")
        return itself

    @property
    def shape(self) -> tuple[int, int, int]:
        """Layers, bins along the second and along the first axis of the voxels."""
        first, second = self.geometry.shapes[0].tolist()
        return len(self.geometry.layers), second, first

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return self.geometry.cells

    @property
    def context(self) -> int:
        """Size of what a model of voxels is told: the incident energy and, if they come first, those of the layers."""
        return 1 + (0 if self.layers is None else len(self.geometry.layers))

    def state(self) -> dict[str, Tensor]:
        """All fitted tensors, by name."""
        text = torch.frombuffer(bytearray(self.fine.model_dump_json().encode()), dtype=torch.uint8)
        numbers = torch.tensor([self.ceiling, self.noise, self.threshold], dtype=torch.float64)
        state = {"geometry": text, "merging": torch.tensor(self.merging), "incident": self.incident, "numbers": numbers}
        state |= {f"line.{name}": value for name, value in self.line.state().items()}
        if self.layers is not None:
            state["layers.ceiling"] = torch.tensor(self.layers.fractions.ceiling, dtype=torch.float64)
            state |= {f"layers.{name}": value for name, value in self.layers.line.state().items()}
        return state

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "VoxelsRepresentation":
        """The representation that `state` came from.

        Args:
            state: tensors by name.
        """
        ceiling, noise, threshold = state["numbers"].tolist()
        layers = None
        if "layers.ceiling" in state:
            fractions = LayerFractions(float(state["layers.ceiling"]))
            layers = LayerMap(fractions, StandardLogit.from_state(_part(state, "layers.")))
        return cls(
            Geometry.model_validate_json(state["geometry"].numpy().tobytes()),
            Merging(*state["merging"].tolist()),
            incident=state["incident"],
            line=StandardLogit.from_state(_part(state, "line.")),
            layers=layers,
            ceiling=ceiling,
            noise=noise,
            threshold=threshold,
        )

    def encode(self, showers: Showers) -> Bundle:
        """What a model is trained on: parts layers (if they come first) and voxels; those without hits are left out.

        The part voxels lists the filled ones: fractions x (B, N, 1) and numbers `tokens` (B, N).

        Args:
            showers: of this calorimeter.

        Raises:
            InputError: if they are of another calorimeter, or have hits below the threshold.
        """
        if showers.geometry != self.fine:
            raise InputError("the showers are of another calorimeter than the model; give those of the model's cells.")
        require_threshold(showers)
        showers = _filled(self.merging.showers(showers))
        incident, weight = torch.tensor(showers.incident_energy), torch.ones(len(showers))
        context, parts = self.incident_context(incident), {}
        if self.layers is not None:
            scores = self.layers.forward(self._raised(torch.tensor(showers.layer_energy)), incident).float()
            parts["layers"] = Batch(scores, weight, context)
            context = torch.cat([context, scores], dim=1)
        units = self.units(incident, torch.tensor(showers.layer_energy)).numpy()[showers.row, showers.layer]
        counts = torch.tensor(showers.counts)
        mask = torch.arange(int(counts.max())) < counts[:, None]
        x, tokens = torch.zeros(mask.shape), torch.zeros(mask.shape, dtype=torch.long)
        x[mask] = torch.tensor(showers.energy / units).float()
        tokens[mask] = torch.tensor(self.geometry.number(*showers.cells))
        return Bundle({**parts, "voxels": Batch(x[..., None], weight, context, mask, tokens)})

    def incident_context(self, incident: Tensor) -> Tensor:
        """Incident energies as a model is told them, -1 to 1 in the sample, shape (B, 1), float32.

        Args:
            incident: MeV, shape (B,).
        """
        return ((incident.log() - self.incident[0]) / self.incident[1]).float()[:, None]

    def dense(self, rows: Batch, rng: Rng) -> Batch:
        """Scores of all voxels, x (B, V), with noise in the empty ones.

        Args:
            rows: the part voxels of encoded showers.
            rng: random stream.
        """
        assert rows.context is not None
        fractions = self._fractions(rows, rng)
        return Batch(self.line.to(fractions.device).forward(fractions).float(), rows.weight, rows.context)

    def mirrored(self, rows: Batch, rng: Rng) -> Batch:
        """As `dense`, mirrored at random in x, y and their diagonal where the voxels have the symmetries of a square.

        Args:
            rows: the part voxels of encoded showers.
            rng: random stream.
        """
        made = self.dense(rows, rng)
        if not self.geometry.is_square:
            return made
        x, signs = made.x.view(-1, *self.shape), rng.uniform(3).to(made.x)
        for number, change in enumerate((_flip_first, _flip_second, _swap)):
            x = torch.where(signs[:, number, None, None, None] < 0.5, change(x), x)
        return replace(made, x=x.reshape(len(made), -1))

    def layer_energies(self, z: Tensor, incident: Tensor) -> Tensor:
        """Energies of the layers, zero below the threshold, MeV, shape (B, L), float64; the first is not below it.

        Args:
            z: drawn scores, shape (B, L).
            incident: MeV, shape (B,).
        """
        assert self.layers is not None
        energy = self.layers.inverse(z, incident)
        return settled(energy, energy.sum(1).clamp(min=self.threshold), self.threshold)

    def decode(self, z: Tensor, incident: Tensor, layers: Tensor | None = None) -> Showers:
        """Showers whose voxels have drawn scores.

        Args:
            z: scores, shape (B, V).
            incident: MeV, shape (B,).
            layers: energies of the layers, MeV, shape (B, L), see `layer_energies`; None for voxels alone.
        """
        fractions = self.line.inverse(z).view(len(z), len(self.geometry.layers), -1)
        if layers is None:
            energy = fractions * self.ceiling * incident[:, None, None]
            energy = torch.where(energy < self.threshold, 0.0, energy)
        else:
            energy = settled(fractions * layers[..., None], layers, self.threshold)
        return Showers.from_voxels(incident.numpy(), energy.view(len(z), -1).numpy(), self.geometry)

    def units(self, incident: Tensor, layers: Tensor) -> Tensor:
        """Energies of which voxels are fractions, MeV, shape (B, L), float64; at least the threshold.

        Args:
            incident: MeV, shape (B,).
            layers: energies of the layers, MeV, shape (B, L); not used for voxels alone.
        """
        if self.layers is None:
            return (self.ceiling * incident)[:, None].expand(-1, len(self.geometry.layers))
        return layers.clamp(min=self.threshold)

    def voxels_log_det(self, fractions: Tensor, units: Tensor) -> Tensor:
        """Ln |det dz/de| of all voxels at given energies of the layers, shape (B,), float64.

        Args:
            fractions: of the voxels, shape (B, V).
            units: see `units`, shape (B, L).
        """
        return self.line.log_det(fractions) - self._pads * units.log().sum(1)

    @property
    def _pads(self) -> int:
        """Voxels of a layer."""
        return self.voxels // len(self.geometry.layers)

    def _fractions(self, rows: Batch, rng: Rng) -> Tensor:
        """Fractions of all voxels, with noise in the empty ones, shape (B, V), float32."""
        assert rows.context is not None
        assert rows.mask is not None
        assert rows.tokens is not None
        if self.noise:
            middle, half = self.incident.tolist()
            incident = (rows.context[:, 0].double() * half + middle).exp()
            layers = incident[:, None] if self.layers is None else self.layers.inverse(rows.context[:, 1:], incident)
            floor = (self.noise * self.threshold / self.units(incident, layers)).float()
            empty = rng.uniform(self.voxels) * floor.repeat_interleave(self._pads, dim=1)
        else:
            empty = rows.x.new_zeros(len(rows), self.voxels)
        padded = torch.cat([empty, empty[:, :1]], dim=1)
        return padded.scatter(1, rows.tokens.masked_fill(~rows.mask, self.voxels), rows.x[..., 0])[:, :-1]

    def _raised(self, energy: Tensor) -> Tensor:
        """Energies of layers with noise in the empty ones, and the same sums."""
        draws = torch.rand(energy.shape, generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64)
        raised = torch.where(energy > 0, energy, draws * self.noise * self.threshold)
        return raised * (energy.sum(1) / raised.sum(1))[:, None]

    def _fitted_line(self, showers: Showers, each: bool) -> StandardLogit:
        """Moments of the scores of voxels, of each or of all together."""
        rows = self.encode(showers[:_FITTED])["voxels"]
        parts = (rows.select(index) for index in torch.split(torch.arange(len(rows)), _AT_ONCE))
        fractions = (
            self._fractions(part, RowRng((_SEED, number), len(part))) for number, part in enumerate(parts)
        )  # fmt: skip
        return StandardLogit.fit(fractions if each else (part.reshape(-1, 1) for part in fractions), least=_LEAST)


def _flip_first(x: Tensor) -> Tensor:
    return x.flip(-1)


def _flip_second(x: Tensor) -> Tensor:
    return x.flip(-2)


def _swap(x: Tensor) -> Tensor:
    return x.transpose(-1, -2)


def _filled(showers: Showers) -> Showers:
    """The showers that have hits."""
    kept: NDArray[np.bool_] = showers.counts > 0
    return replace(showers, incident_energy=showers.incident_energy[kept], counts=showers.counts[kept])


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _require_equal_layers(geometry: Geometry) -> None:
    shapes = geometry.shapes
    if bool((shapes != shapes[0]).any()) or not shapes[0].all():
        raise InputError("voxels need layers with the same numbers of bins; choose a preset that learns hits.")
