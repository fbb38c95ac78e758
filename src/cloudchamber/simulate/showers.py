r"""Parametrised electron showers in a sampling calorimeter, after Grindhammer and Peters, hep-ex/0001020.

With the energy E, y = E / E_c and depths t in radiation lengths, a shower develops along its axis as

    1/E dE/dt = b^a t^(a - 1) exp(-b t) / Gamma(a),    T = (a - 1) / b                       (Eqs. 2, 3)
    <ln T> = ln(t_1 + t_2 ln y),    <ln a> = ln(a_1 + a_2 ln y)                              (as Eqs. 4, 5)
    sigma(ln T), sigma(ln a) = 1 / (s_1 + s_2 ln y),    rho = r_1 + r_2 ln y                 (as Eqs. 6 to 8)

with ln T and ln a Gaussian and correlated, and across it, at tau = t / T, as

    f(r) = p 2 r R_C^2 / (r^2 + R_C^2)^2 + (1 - p) 2 r R_T^2 / (r^2 + R_T^2)^2               (Eq. 23)
    R_C = z_1 + z_2 tau,    R_T = k_1 (exp(k_3 (tau - k_2)) + exp(k_4 (tau - k_2)))          (Eqs. 24, 25)
    p = p_1 exp((p_2 - tau) / p_3 - exp((p_2 - tau) / p_3))                                  (Eq. 26)

The visible energy of a layer at the depth t_l of thickness dt is carried by spots, which are the passages of charged
particles through its silicon: their number is Poisson distributed with the mean F E f(t_l) dt / <e>, their energies e
are those of isolated hits, and their places follow f(r) about the point of impact, which is uniform in a square. So
sampling fluctuations, hits and their energies come from one law. Hits below the threshold are not read out.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloudchamber.errors import InputError
from cloudchamber.events import Cells, Geometry, Showers

__all__ = [
    "SHARD",
    "Constants",
    "Lateral",
    "Line",
    "Profile",
    "Stream",
    "load_constants",
    "profiles",
    "simulate_showers",
    "spot_energies",
]

Array = NDArray[np.float64]

SHARD = 1_000
"""Showers of a shard, which has random streams of its own."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Line(_Frozen):
    """A straight line in ln y."""

    at_zero: float
    slope: float

    def __call__(self, ln_y: Array) -> Array:
        """Its value.

        Args:
            ln_y: logarithm of the energy over the critical energy.
        """
        return self.at_zero + self.slope * ln_y


class Lateral(_Frozen):
    """The constants of the radial profile; lengths in mm."""

    z: tuple[float, float]
    k: tuple[float, float, float, float]
    p: tuple[float, float, float]

    def core(self, tau: Array) -> Array:
        """R_C, mm.

        Args:
            tau: depth in units of that of the maximum.
        """
        radius: Array = np.maximum(self.z[0] + self.z[1] * tau, 0.05)
        return radius

    def tail(self, tau: Array) -> Array:
        """R_T, mm; constant beyond tau = 4, where no shower was fitted.

        Args:
            tau: depth in units of that of the maximum.
        """
        k1, k2, k3, k4 = self.k
        beyond = np.minimum(tau, 4.0) - k2
        radius: Array = k1 * (np.exp(k3 * beyond) + np.exp(k4 * beyond))
        return radius

    def share(self, tau: Array) -> Array:
        """p, the share of the core.

        Args:
            tau: depth in units of that of the maximum.
        """
        p1, p2, p3 = self.p
        u = (p2 - tau) / p3
        share: Array = np.clip(p1 * np.exp(u - np.exp(u)), 0.0, 1.0)
        return share


class Constants(_Frozen):
    """All constants of a calorimeter, as fitted by `cloudchamber.simulate.shower_fit`.

    Attributes:
        geometry: the cells.
        depth: of the sensitive layers, radiation lengths, and of one layer.
        critical_energy: MeV.
        energies: lowest and highest that were fitted, MeV.
        maximum: exp <ln T>.
        shape: exp <ln a>.
        maximum_spread: 1 / sigma(ln T).
        shape_spread: 1 / sigma(ln a).
        correlation: of ln T and ln a.
        response: visible over incident energy, before leakage.
        lateral: the radial profile.
        spots: energies of spots at evenly spaced probabilities from 0 to 1, MeV.
        impact: side of the square that is hit, mm.
        fitted_to: the data set, in words.
    """

    geometry: Geometry
    depth: tuple[float, ...]
    step: float
    critical_energy: float = Field(gt=0)
    energies: tuple[float, float]
    maximum: Line
    shape: Line
    maximum_spread: Line
    shape_spread: Line
    correlation: Line
    response: Line
    lateral: Lateral
    spots: tuple[float, ...]
    impact: float
    fitted_to: str

    @property
    def spot_energy(self) -> float:
        """Mean energy of a spot, MeV."""
        table = np.array(self.spots)
        return float((table[1:] + table[:-1]).mean() / 2)


@cache
def load_constants(name: str = "calo-wsi") -> Constants:
    """Constants that are shipped.

    Args:
        name: of the calorimeter.

    Raises:
        InputError: if there are none of this name.
    """
    try:
        text = files("cloudchamber.simulate").joinpath("constants", f"{name}.json").read_text(encoding="utf-8")
        return Constants.model_validate_json(text)
    except (FileNotFoundError, ValidationError):
        raise InputError(f"there are no constants of a calorimeter '{name}'; use calo-wsi.") from None


class Stream(NamedTuple):
    """Random numbers of one shard, a generator for each quantity.

    Each is used once and in the order of the showers, so what is drawn for a shower does not depend on those after it.
    """

    energy: np.random.Generator
    shape: np.random.Generator
    impact: np.random.Generator
    number: np.random.Generator
    spot: np.random.Generator
    component: np.random.Generator
    radius: np.random.Generator
    angle: np.random.Generator

    @classmethod
    def of(cls, seed: int, shard: int) -> "Stream":
        """The streams of a shard.

        Args:
            seed: the user's.
            shard: number of the shard.
        """
        keys = (np.random.SeedSequence(seed, spawn_key=(shard, k)) for k in range(len(cls._fields)))
        return cls(*map(np.random.default_rng, keys))


@dataclass(frozen=True)
class Profile:
    """Longitudinal profiles.

    Attributes:
        maximum: depths T of the maxima, radiation lengths, shape (n,).
        visible: expected visible energy of each layer, MeV, shape (n, L).
    """

    maximum: Array
    visible: Array


def simulate_showers(incident: Array, stream: Stream, constants: Constants) -> Showers:
    """Showers of given energies.

    Args:
        incident: energies, MeV, shape (n,).
        stream: source of random numbers.
        constants: of the calorimeter.
    """
    profile = profiles(incident, stream, constants)
    numbers = stream.number.poisson(profile.visible / constants.spot_energy)
    n, layers = numbers.shape
    row = np.repeat(np.arange(n), numbers.sum(1))
    layer = np.repeat(np.tile(np.arange(layers), n), numbers.ravel())
    tau = np.array(constants.depth)[layer] / profile.maximum[row]
    energy = spot_energies(len(row), stream, constants)
    x, y = _places(row, n, tau, stream, constants)
    return _read_out(incident, _Spots(row, layer, x, y, energy), constants)


def profiles(incident: Array, stream: Stream, constants: Constants) -> Profile:
    """Draw how showers develop along their axis.

    Args:
        incident: energies, MeV, shape (n,).
        stream: source of random numbers.
        constants: of the calorimeter.
    """
    from scipy.stats import gamma

    ln_y = np.log(incident / constants.critical_energy)
    normal = stream.shape.normal(size=(len(incident), 2))
    rho = np.clip(constants.correlation(ln_y), -0.99, 0.99)
    other = rho * normal[:, 0] + np.sqrt(1 - rho**2) * normal[:, 1]
    maximum = constants.maximum(ln_y) * np.exp(normal[:, 0] / constants.maximum_spread(ln_y))
    shape = np.maximum(constants.shape(ln_y) * np.exp(other / constants.shape_spread(ln_y)), 1.02)
    density = gamma.pdf(np.array(constants.depth), shape[:, None], scale=(maximum / (shape - 1))[:, None])
    return Profile(maximum, (constants.response(ln_y) * incident)[:, None] * density * constants.step)


def spot_energies(n: int, stream: Stream, constants: Constants) -> Array:
    """Energies of n spots, MeV.

    Args:
        n: how many.
        stream: source of random numbers.
        constants: of the calorimeter.
    """
    table = np.array(constants.spots)
    drawn: Array = np.interp(stream.spot.random(n), np.linspace(0, 1, len(table)), table)
    return drawn


def _places(row: NDArray[np.int64], n: int, tau: Array, stream: Stream, constants: Constants) -> tuple[Array, Array]:
    """Places of spots, mm."""
    lateral, u = constants.lateral, stream.radius.random(len(row))
    core = stream.component.random(len(row)) < lateral.share(tau)
    radius = np.where(core, lateral.core(tau), lateral.tail(tau)) * np.sqrt(u / (1 - u))
    angle = 2 * np.pi * stream.angle.random(len(row))
    impact = constants.impact * (stream.impact.random((n, 2)) - 0.5)
    return impact[row, 0] + radius * np.cos(angle), impact[row, 1] + radius * np.sin(angle)


class _Spots(NamedTuple):
    """Shower, layer, place (mm) and energy (MeV) of spots, shape (k,) each."""

    row: NDArray[np.int64]
    layer: NDArray[np.int64]
    x: Array
    y: Array
    energy: Array


def _read_out(incident: Array, spots: _Spots, constants: Constants) -> Showers:
    """Sum spots in cells, and drop what is below the threshold."""
    geometry = constants.geometry
    first, second = (np.array(edges) for edges in (geometry.layers[0].first, geometry.layers[0].second))
    ix, iy = np.searchsorted(first, spots.x, "right") - 1, np.searchsorted(second, spots.y, "right") - 1
    inside = (ix >= 0) & (ix < len(first) - 1) & (iy >= 0) & (iy < len(second) - 1)
    number = geometry.number(spots.layer[inside], ix[inside], iy[inside])
    keys, place = np.unique(spots.row[inside] * geometry.cells + number, return_inverse=True)
    energy = np.bincount(place, spots.energy[inside], len(keys)).astype(np.float64)
    keys, energy = keys[energy >= geometry.threshold], energy[energy >= geometry.threshold]
    row, cell = np.divmod(keys, geometry.cells)
    counts = np.bincount(row, minlength=len(incident))
    return Showers(incident, counts, Cells(*geometry.place(cell)), energy, geometry)
