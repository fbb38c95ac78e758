r"""Constants of the parametrised simulation of showers, fitted to a sample.

**Spots** are isolated hits: those far from the axis, where two rarely share a cell.

**Across the axis.** The density of one component in the plane, R^2 / (pi (r^2 + R^2)^2), is Student's distribution with
two degrees of freedom, so that its content of the quadrant below (x, y) has a closed form,

    Q(x, y) = 1/4 + (S(x) + S(y)) / 4 + (S(x) A(y / sqrt(x^2 + R^2)) + S(y) A(x / sqrt(y^2 + R^2))) / 2 pi,
    S(x) = x / sqrt(x^2 + R^2),    A = arctan,

and a square ring of cells about the axis holds differences of Q, averaged over the points of impact. The mean shares of
energy in the rings, in bins of tau = t / T with T by moments, fix the radial constants by least squares.

**Along the axis.** With the mean and the variance of the depth of a shower's visible energy, a = mean^2 / variance and
T = mean - variance / mean estimate its shape. Mean, spread and correlation of ln T and ln a, and the mean response, are
known in bins of the energy in the sample; the lines in ln y that describe the simulation are moved by the differences
between sample and simulation until these agree. This undoes what sampling fluctuations and leakage do to the estimates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Showers
from cloudchamber.simulate.showers import Constants, Lateral, Line, Stream, simulate_showers

__all__ = ["Calorimeter", "fit", "quadrant", "ring_shares", "shower_shapes"]

Array = NDArray[np.float64]

_BINS = 10
_ROUNDS = 6
_SPOTS = 101
_ISOLATED = 6
"""Rings from the axis beyond which hits are isolated."""
_TAUS = np.array([0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4, 2.8, 3.4, 4.0])
_START = (0.5, 2.0, 4.0, 0.35, -1.0, 0.5, 2.0, 0.5, 2.0)
"""Of z (mm), k (mm for the first) and p, where the fit begins."""
_LEAST_SPREAD = 0.02


@dataclass(frozen=True)
class Calorimeter:
    """What is known of a calorimeter before the fit.

    Attributes:
        depth: of its sensitive layers, radiation lengths, shape (L,).
        step: thickness of one layer, radiation lengths.
        critical_energy: MeV.
        impact: side of the square that is hit, mm.
        name: of the data set.
    """

    depth: Array
    step: float
    critical_energy: float
    impact: float
    name: str


def fit(showers: Showers, calorimeter: Calorimeter, seed: int = 1) -> Constants:
    """All constants.

    Args:
        showers: a sample with a wide range of energies.
        calorimeter: what is known of it.
        seed: of the simulations that are compared with the sample.
    """
    table = spot_table(showers)
    target = statistics(showers, calorimeter)
    constants = Constants(
        geometry=showers.geometry, depth=tuple(calorimeter.depth.tolist()), step=calorimeter.step,
        critical_energy=calorimeter.critical_energy, impact=calorimeter.impact, spots=tuple(table.tolist()),
        energies=(float(showers.incident_energy.min()), float(showers.incident_energy.max())),
        lateral=fit_lateral(showers, calorimeter), fitted_to=f"{len(showers):,} showers of {calorimeter.name}",
        **_lines(target, target),
    )  # fmt: skip
    latent = target
    for number in range(_ROUNDS):
        made = simulate_showers(showers.incident_energy, Stream.of(seed, number), constants)
        latent = latent.moved(target, statistics(made, calorimeter))
        constants = constants.model_copy(update=_lines(latent, target))
    return constants


def spot_table(showers: Showers) -> Array:
    """Energies of isolated hits at evenly spaced probabilities, MeV, shape (101,).

    Args:
        showers: the sample.
    """
    isolated = showers.energy[_ring(showers) > _ISOLATED]
    table = np.quantile(isolated, np.linspace(0, 1, _SPOTS))
    rounded: Array = np.append(table[:-1], np.quantile(isolated, 1 - 1e-3)).astype(np.float64).round(5)
    return rounded


def _ring(showers: Showers) -> NDArray[np.int64]:
    """Number of the square ring of cells about the axis that each hit is in; 0 for the four in the middle."""
    half = showers.geometry.shapes[0] // 2
    x, y = showers.ix - half[0], showers.iy - half[1]
    ring: NDArray[np.int64] = np.maximum(np.where(x < 0, -x - 1, x), np.where(y < 0, -y - 1, y))
    return ring


@dataclass(frozen=True)
class Shapes:
    """Estimates of T (radiation lengths) and a of each shower by moments, shape (n,); NaN where there are none."""

    maximum: Array
    shape: Array


def shower_shapes(showers: Showers, calorimeter: Calorimeter) -> Shapes:
    """Shapes by moments of the depth.

    Args:
        showers: the sample.
        calorimeter: where its layers are.
    """
    energy = showers.layer_energy
    total = np.maximum(energy.sum(1), np.finfo(float).tiny)
    mean = energy @ calorimeter.depth / total
    variance = energy @ calorimeter.depth**2 / total - mean**2
    good = (variance > 0) & (mean**2 > 1.02 * variance)
    safe = np.where(good, variance, 1.0)
    shape = np.where(good, mean**2 / safe, np.nan)
    return Shapes(np.where(good, mean - safe / np.where(good, mean, 1.0), np.nan), shape)


@dataclass(frozen=True)
class Statistics:
    """Of a sample in bins of the energy, shape (b,) each.

    Attributes:
        ln_y: middle of the bin.
        means: of ln T and ln a, shape (b, 2).
        covariance: of both, shape (b, 2, 2).
        response: mean visible over incident energy.
    """

    ln_y: Array
    means: Array
    covariance: Array
    response: Array

    def moved(self, target: "Statistics", found: "Statistics") -> "Statistics":
        """These by the differences between what is wanted and what they gave.

        Args:
            target: of the sample.
            found: of a simulation that was made with these.
        """
        covariance = self.covariance + target.covariance - found.covariance
        least = np.maximum(np.einsum("bii->bi", covariance), _LEAST_SPREAD**2)
        for k in range(2):
            covariance[:, k, k] = least[:, k]
        response = self.response * target.response / found.response
        return Statistics(self.ln_y, self.means + target.means - found.means, covariance, response)


def statistics(showers: Showers, calorimeter: Calorimeter) -> Statistics:
    """What the simulation must agree with.

    Args:
        showers: the sample.
        calorimeter: where its layers are.
    """
    shapes = shower_shapes(showers, calorimeter)
    logs = np.log(np.stack([shapes.maximum, shapes.shape], axis=1))
    ln_y = np.log(showers.incident_energy / calorimeter.critical_energy)
    edges = np.linspace(ln_y.min(), ln_y.max(), _BINS + 1)
    place = np.clip(np.searchsorted(edges, ln_y, "right") - 1, 0, _BINS - 1)
    ratio, good = showers.visible_energy / showers.incident_energy, np.isfinite(logs).all(1)
    rows = [place == k for k in range(_BINS)]
    return Statistics(
        np.array([ln_y[keep].mean() for keep in rows]),
        np.array([logs[keep & good].mean(0) for keep in rows]),
        np.array([np.cov(logs[keep & good].T) for keep in rows]),
        np.array([ratio[keep].mean() for keep in rows]),
    )


def _lines(latent: Statistics, target: Statistics) -> dict[str, Line]:
    """Lines in ln y through the bins."""
    spread = np.sqrt(np.einsum("bii->bi", latent.covariance))
    rho = np.clip(latent.covariance[:, 0, 1] / spread.prod(1), -0.95, 0.95)
    values = {
        "maximum": np.exp(latent.means[:, 0]), "shape": np.exp(latent.means[:, 1]), "maximum_spread": 1 / spread[:, 0],
        "shape_spread": 1 / spread[:, 1], "correlation": rho, "response": latent.response,
    }  # fmt: skip
    # an error of sigma is one of 1 / sigma times sigma^2
    weights = {"maximum_spread": spread[:, 0] ** 2, "shape_spread": spread[:, 1] ** 2}
    return {name: _line(target.ln_y, value, weights.get(name)) for name, value in values.items()}


def _line(x: Array, y: Array, weight: Array | None) -> Line:
    slope, at_zero = np.polyfit(x, y, 1, w=weight)
    return Line(at_zero=float(f"{at_zero:.6g}"), slope=float(f"{slope:.6g}"))


def fit_lateral(showers: Showers, calorimeter: Calorimeter) -> Lateral:
    """The radial constants.

    Args:
        showers: the sample.
        calorimeter: where its layers are.
    """
    from scipy.optimize import least_squares

    seen, tau = _observed_rings(showers, calorimeter)
    pitch = float(np.diff(showers.geometry.layers[0].first)[0])
    edges = pitch * np.arange(seen.shape[1] + 1)
    error = 0.02 * seen + 1e-5

    def residuals(logs: Array) -> Array:
        lateral = _lateral(logs)
        share = lateral.share(tau)[:, None]
        core, tail = (
            ring_shares(radius, edges, calorimeter.impact) for radius in (lateral.core(tau), lateral.tail(tau))
        )
        model = share * core + (1 - share) * tail
        difference: Array = (model / model.sum(1, keepdims=True) - seen) / error
        return difference.ravel()

    found = least_squares(residuals, np.array(_START), loss="soft_l1", x_scale=np.abs(_START), max_nfev=200)
    return _lateral(np.array([float(f"{value:.6g}") for value in found.x]))


def _lateral(values: Array) -> Lateral:
    z, k, p = values[:2].tolist(), values[2:6].tolist(), values[6:].tolist()
    return Lateral(z=(z[0], z[1]), k=(k[0], k[1], k[2], k[3]), p=(p[0], p[1], p[2]))


def _observed_rings(showers: Showers, calorimeter: Calorimeter) -> tuple[Array, Array]:
    """Mean shares of energy in rings for each bin of tau, shape (b, rings), and the mean tau of the bins."""
    maximum = shower_shapes(showers, calorimeter).maximum[showers.row]
    tau = calorimeter.depth[showers.layer] / maximum
    ring, rings = _ring(showers), int(showers.geometry.shapes[0].min() // 2)
    place = np.searchsorted(_TAUS, tau, "right") - 1
    keep = np.isfinite(tau) & (place >= 0) & (place < len(_TAUS) - 1) & (ring < rings)
    size = (len(_TAUS) - 1) * rings
    energy = showers.energy[keep]
    sums = np.bincount(place[keep] * rings + ring[keep], energy, size).reshape(-1, rings)
    middle = np.bincount(place[keep], energy * tau[keep], len(_TAUS) - 1) / sums.sum(1)
    return sums / sums.sum(1, keepdims=True), middle


def ring_shares(radius: Array, edges: Array, impact: float) -> Array:
    """Shares of one component in square rings about the axis, shape (b, rings).

    Args:
        radius: R of the component, mm, shape (b,).
        edges: half sides of the rings, mm, from 0, shape (rings + 1,).
        impact: side of the square of points of impact, mm.
    """
    nodes, weights = np.polynomial.legendre.leggauss(6)
    offsets = impact / 2 * nodes
    inside = np.zeros((len(radius), len(edges)))
    for u, wu in zip(offsets, weights, strict=True):
        for v, wv in zip(offsets, weights, strict=True):
            inside += wu * wv / 4 * _square(edges, u, v, radius[:, None])
    return np.diff(inside, axis=1)


def _square(half: Array, u: float, v: float, radius: Array) -> Array:
    """Content of a square of half side `half` about the axis for a shower at (u, v)."""
    x, y = (-half - u, half - u), (-half - v, half - v)
    content: Array = sum(  # type: ignore[assignment]
        sign * quadrant(a, b, radius)
        for a, b, sign in ((x[1], y[1], 1), (x[0], y[1], -1), (x[1], y[0], -1), (x[0], y[0], 1))
    )
    return content


def quadrant(x: Array, y: Array, radius: Array) -> Array:
    """Content of one component below x and below y.

    Args:
        x: mm.
        y: mm.
        radius: R, mm.
    """
    root_x, root_y = np.sqrt(x**2 + radius**2), np.sqrt(y**2 + radius**2)
    s, t = x / root_x, y / root_y
    both = s * np.arctan(y / root_x) + t * np.arctan(x / root_y)
    content: Array = 0.25 + (s + t) / 4 + both / (2 * np.pi)
    return content
