r"""Events as images (arXiv:2310.16308, section III): pseudorapidity by azimuth by species, mostly empty.

Momenta are taken in the centre-of-mass frame of the beams, the hadron beam along +z: only there the momentum fractions

    z = 2 |p| / sqrt(s) = 2 pT cosh(eta) / sqrt(s)            (Eq. 12)

lie below 1, add up to less than 2 (Eq. 11), and are near 1 for the scattered electron. Every event is turned about the
beams until its scattered electron is at phi = -pi, in the middle of column 0; what recoils against it is then near
phi = 0. Particles of one species in a pixel become one, whose intensity (z, or pT in the same unit) is their sum; other
species and particles with |eta| >= 10 are dropped. An intensity is rescaled into the window (-0.76, 0.86)
(`represent.rescale`), and an empty pixel is -1.

Going back, a pixel counts as filled above a threshold, by default the lower end of the window as in the paper. Values
are limited to [-1, 1]. Each filled pixel is one particle on the mass shell of its species, in the middle of the pixel
or smeared over it. The scattered electron is the one of largest z in column 0, or in the whole image if that column has
none; its azimuth is always that of the middle, and the event is turned until it is the one that is asked for. An image
without any electron is not an event.

Of the thousands of pixels of an image a handful are filled, so `encode` gives lists: their numbers and their values.
A pixel of a channel has the number (row W + column) C + channel, as in memory of shape (H, W, C).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events
from cloudchamber.physics.kinematics import Momenta, center_of_mass_energy, center_of_mass_rapidity
from cloudchamber.physics.pdg import species
from cloudchamber.physics.pixels import Filled, Pixels
from cloudchamber.represent.decoded import Decoded
from cloudchamber.represent.rescale import RESCALINGS, Rescaling, Straight
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.rng import Rng

__all__ = ["EMPTY", "ImageRepresentation", "Intensity", "Place"]

Array = NDArray[np.float64]
Intensity = Literal["z", "pT"]
Place = Literal["centre", "smeared"]
EMPTY = -1.0
"""The value of an empty pixel."""
_ELECTRON = 11
_FIT_EVENTS = 300_000
_INTERVALS = 12
_PARTS = 16
"""Parts of an interval in `fine`."""
_PSEUDO_COUNTS = 20.0
_PSEUDO_COUNTS_OF_PARTS = 200.0
_LEAST_RATE = 1e-7
_INTENSITIES: tuple[Intensity, ...] = ("z", "pT")
_PLACES: tuple[Place, ...] = ("centre", "smeared")


@dataclass(frozen=True, eq=False)
class ImageRepresentation:
    """Events <-> images.

    Attributes:
        beams: energies in GeV.
        pixels: the grid.
        species: PDG numbers of the channels, the electron among them.
        intensity: what a pixel holds: `z` or `pT`.
        rescaling: from intensities to values.
        threshold: a pixel above it is filled.
        place: where in its pixel a particle is put.
        deviation: root mean square of value + 1 over all pixels.
        rates: probability that a pixel is filled, shape (H, W, C).
        slab: shares of equal intervals of the window among the values of filled pixels, by row and channel, shape
            (H, C, M).
        fine: the same of shorter intervals, shape (H, C, 16 M), from which values are drawn; what the network is shown
            needs fewer.
    """

    beams: Beams
    pixels: Pixels
    species: tuple[int, ...]
    intensity: Intensity
    rescaling: Rescaling
    threshold: float
    place: Place = "smeared"
    deviation: float = 1.0
    rates: Tensor = field(default_factory=lambda: torch.zeros(0))
    slab: Tensor = field(default_factory=lambda: torch.zeros(0))
    fine: Tensor = field(default_factory=lambda: torch.zeros(0))

    @classmethod
    def fit(
        cls,
        events: Events,
        *,
        rows: int = 64,
        columns: int = 64,
        channels: Sequence[int] = (211, 321, _ELECTRON),
        intensity: Intensity = "z",
        rescaling: str = "stretched",
        threshold: float | None = None,
        place: Place = "smeared",
    ) -> "ImageRepresentation":
        """Fit the rescaling, and how often what fills a pixel, on the first 300,000 events of a sample.

        Args:
            events: the scattered electron first in each.
            rows: pixels in pseudorapidity.
            columns: pixels in azimuth.
            channels: PDG numbers, the electron among them.
            intensity: what a pixel holds.
            rescaling: a name in `represent.rescale.RESCALINGS`.
            threshold: a pixel above it is filled; the lower end of the window by default.
            place: where in its pixel a particle is put.

        Raises:
            InputError: if the metadata lacks the beams, there is no channel for electrons, or no particle is inside.
        """
        if events.run.beams is None:
            raise InputError("the events do not say their beams; simulate them with 'cloudchamber simulate dis'.")
        if _ELECTRON not in channels:
            raise InputError(f"the image's species {tuple(channels)} must include the electron, 11.")
        grid = Pixels.centred(rows, columns)
        plain = cls(events.run.beams, grid, tuple(channels), intensity, Straight(), 0.0)
        filled = plain.pixelate(events[:_FIT_EVENTS])
        if not len(filled.pixel):
            raise InputError("the events hold no particle of the image's species inside |eta| < 10.")
        channel = filled.pixel % len(channels)
        fitted = RESCALINGS[rescaling].fit([filled.intensity[channel == c] for c in range(len(channels))])
        values = fitted.forward(torch.from_numpy(filled.intensity))
        images = min(len(events), _FIT_EVENTS)
        low = fitted.window[0] if threshold is None else threshold
        deviation = float(((values - EMPTY).square().sum() / (images * grid.number * len(channels))).sqrt())
        alone = _alone(filled.pixel, values, fitted.window, (rows, columns, len(channels)), images)
        return cls(events.run.beams, grid, tuple(channels), intensity, fitted, low, place, deviation, *alone)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an image."""
        return self.pixels.rows, self.pixels.columns, len(self.species)

    def centres(self, shares: Tensor) -> Tensor:
        """Middles of the M intervals of the window, shape (M,).

        Args:
            shares: `slab` or `fine`, shape (H, C, M).
        """
        low, high = self.rescaling.window
        number = shares.shape[-1]
        return low + (high - low) * (torch.arange(number, dtype=torch.float64) + 0.5) / number

    def pixelate(self, events: Events) -> Filled:
        """The pixels that particles fill, and their intensities.

        Args:
            events: the scattered electron first in each.

        Raises:
            InputError: if an event holds no particles.
        """
        events.require_particles()
        p = Momenta(*(events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass")))
        p, event = p.boosted(center_of_mass_rapidity(self.beams)), np.repeat(np.arange(len(events)), events.counts)
        turn = p.phi[events.offsets[:-1]] + np.pi
        pixel = self.pixels.find(p.eta, p.phi - turn[event])
        codes = events.flat("pdg_id")
        order = np.argsort(self.species)
        place = np.searchsorted(np.asarray(self.species)[order], codes).clip(max=len(order) - 1)
        channel = order[place]
        kept = (np.asarray(self.species)[channel] == codes) & (pixel >= 0)
        number = (event[kept] * self.pixels.number + pixel[kept]) * len(self.species) + channel[kept]
        intensity = 2 * (p.p if self.intensity == "z" else p.pt)[kept] / center_of_mass_energy(self.beams)
        cells, cell = np.unique(number, return_inverse=True)
        image, within = np.divmod(cells, self.pixels.number * len(self.species))
        summed = np.bincount(cell, intensity, minlength=len(cells)).astype(np.float64)
        return Filled(image, within, summed)

    def encode(self, events: Events) -> Bundle:
        """Images as lists of their filled pixels.

        Args:
            events: the scattered electron first in each, any particles.

        Returns:
            One part `image`: values x (B, N, 1), pixel numbers `tokens` (B, N), mask (B, N).

        Raises:
            InputError: if the beams differ.
        """
        if events.run.beams != self.beams:
            raise InputError(
                f"the events have beams {events.run.beams.name if events.run.beams else 'unknown'}, but this model was "
                f"fitted at {self.beams.name}."
            )
        weight = torch.from_numpy(events.weight.astype(np.float32))
        return Bundle({"image": self.listed(self.pixelate(events), weight)})

    def listed(self, filled: Filled, weight: Tensor) -> Batch:
        """Filled pixels as padded lists.

        Args:
            filled: of B images.
            weight: of the images, shape (B,).
        """
        counts = torch.from_numpy(np.bincount(filled.image, minlength=len(weight)))
        image, mask = torch.from_numpy(filled.image), torch.arange(max(int(counts.max()), 1)) < counts[:, None]
        place = torch.arange(len(image)) - (counts.cumsum(0) - counts)[image]
        x, tokens = torch.zeros(*mask.shape, 1), torch.zeros(mask.shape, dtype=torch.long)
        x[image, place, 0] = self.rescaling.forward(torch.from_numpy(filled.intensity)).float()
        tokens[image, place] = torch.from_numpy(filled.pixel)
        return Batch(x, weight, mask=mask, tokens=tokens)

    def filled(self, images: Tensor) -> Filled:
        """The filled pixels of images: the inverse of `pixelate`.

        Args:
            images: values, shape (B, H, W, C).
        """
        flat = images.flatten(1).double().clamp(EMPTY, -EMPTY)
        image, pixel = (flat > self.threshold).nonzero().T
        intensity = self.rescaling.inverse(flat[image, pixel])
        return Filled(image.numpy(), pixel.numpy(), intensity.numpy())

    def has_electron(self, images: Tensor) -> NDArray[np.bool_]:
        """Which images have an electron, shape (B,).

        Args:
            images: values, shape (B, H, W, C).
        """
        channel = images[..., self.species.index(_ELECTRON)].flatten(1)
        found: NDArray[np.bool_] = (channel > self.threshold).any(1).numpy()
        return found

    def decode(self, filled: Filled, phi: Array, rng: Rng) -> Decoded:
        """Particles from filled pixels.

        Args:
            filled: of B images with an electron in each.
            phi: lab azimuth of the scattered electrons in radians, shape (B,).
            rng: random stream of the images, for places in pixels.
        """
        pixel, channel = np.divmod(filled.pixel, len(self.species))
        scattered = self._scattered(filled, len(phi))
        within = self._within(filled.image, rng)
        within[scattered, 1] = 0.5
        directions = self.pixels.directions(pixel, (within[:, 0], within[:, 1]))
        turn = phi - directions.phi[scattered]
        x, y, z = directions._replace(phi=directions.phi + turn[filled.image]).unit_vectors
        size = filled.intensity * center_of_mass_energy(self.beams) / 2
        if self.intensity == "pT":
            size = size * np.cosh(directions.eta)
        masses = np.array([species(code).mass for code in self.species])[channel]
        lab = Momenta(size * x, size * y, size * z, masses).boosted(-center_of_mass_rapidity(self.beams))
        others = np.ones(len(pixel), dtype=bool)
        others[scattered] = False
        codes = np.asarray(self.species, dtype=np.int32)[channel]
        columns: dict[str, NDArray[Any]] = {
            "pdg_id": codes, "px": lab.px, "py": lab.py, "pz": lab.pz, "mass": lab.mass,
        }  # fmt: skip
        return Decoded(
            lab.take(scattered).four_vectors(),
            {name: column[others] for name, column in columns.items()},
            filled.image[others],
        )

    def _within(self, image: NDArray[np.int64], rng: Rng) -> Array:
        """Places in pixels, from 0 to 1, shape (n, 2)."""
        if self.place == "centre":
            return np.full((len(image), 2), 0.5)
        rank = np.arange(len(image)) - np.searchsorted(image, image)
        drawn: Array = rng.uniform(int(rank.max()) + 1, 2).cpu().double().numpy()[image, rank]
        return drawn

    def _scattered(self, filled: Filled, images: int) -> NDArray[np.int64]:
        """Row of the scattered electron of each image, shape (B,)."""
        pixel, channel = np.divmod(filled.pixel, len(self.species))
        electron = channel == self.species.index(_ELECTRON)
        in_column = electron & (pixel % self.pixels.columns == 0)
        eta = self.pixels.directions(pixel).eta
        z = filled.intensity if self.intensity == "z" else filled.intensity * np.cosh(eta)
        order = np.lexsort((-z, ~in_column, ~electron, filled.image))
        first = order[np.searchsorted(filled.image[order], np.arange(images))]
        if not electron[first].all():
            raise ValueError("an image without an electron is not an event")
        return first

    def state(self) -> dict[str, Tensor]:
        """All fitted tensors, by name."""
        double = torch.float64
        return {
            "beams": torch.tensor([self.beams.electron, self.beams.hadron], dtype=double),
            "grid": torch.tensor([self.pixels.rows, self.pixels.columns]),
            "species": torch.tensor(self.species),
            "intensity": torch.tensor(_INTENSITIES.index(self.intensity)),
            f"rescaling.{_name(self.rescaling)}": self.rescaling.state(),
            "threshold": torch.tensor(self.threshold, dtype=double),
            "place": torch.tensor(_PLACES.index(self.place)),
            "deviation": torch.tensor(self.deviation, dtype=double),
            "rates": self.rates,
            "slab": self.slab,
            "fine": self.fine,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "ImageRepresentation":
        """The representation that `state` came from.

        Args:
            state: tensors by name.
        """
        electron, hadron = state["beams"].tolist()
        rows, columns = state["grid"].tolist()
        rescaling = next(
            kind.from_state(state[f"rescaling.{name}"])
            for name, kind in RESCALINGS.items()
            if f"rescaling.{name}" in state
        )
        return cls(
            Beams(electron=electron, hadron=hadron),
            Pixels.centred(rows, columns),
            tuple(state["species"].tolist()),
            _INTENSITIES[int(state["intensity"])],
            rescaling,
            float(state["threshold"]),
            _PLACES[int(state["place"])],
            float(state["deviation"]),
            state["rates"],
            state["slab"],
            state.get("fine", state["slab"]),
        )


class _Alone(NamedTuple):
    """The end of the fields of `ImageRepresentation`: what single pixels hold."""

    rates: Tensor
    slab: Tensor
    fine: Tensor


def _alone(
    pixel: NDArray[np.int64], values: Tensor, window: tuple[float, float], shape: tuple[int, int, int], images: int
) -> _Alone:
    """How often a pixel is filled, and with what; where counts are small, as often as its row and as its channel."""
    height, width, channels = shape
    counts = np.bincount(pixel, minlength=height * width * channels).reshape(shape)
    of_row = counts.mean(axis=1, keepdims=True)
    rates = np.maximum((counts + of_row / (of_row + 1)) / (images + 1), _LEAST_RATE)
    number = _INTERVALS * _PARTS
    place = ((values.numpy() - window[0]) / (window[1] - window[0]) * number).astype(np.int64).clip(0, number - 1)
    row, channel = pixel // (width * channels), pixel % channels
    fine = np.zeros((height, channels, number))
    np.add.at(fine, (row, channel, place), 1.0)
    slab = fine.reshape(height, channels, _INTERVALS, _PARTS).sum(axis=3)
    of_channel = slab.sum(axis=0) + 1e-3
    slab += _PSEUDO_COUNTS * of_channel / of_channel.sum(axis=1, keepdims=True)
    slab /= slab.sum(axis=2, keepdims=True)
    fine += _PSEUDO_COUNTS_OF_PARTS * np.repeat(slab, _PARTS, axis=2) / _PARTS
    fine /= fine.sum(axis=2, keepdims=True)
    return _Alone(*map(torch.from_numpy, (rates, slab, fine)))


def _name(rescaling: Rescaling) -> str:
    return next(name for name, kind in RESCALINGS.items() if isinstance(rescaling, kind))
