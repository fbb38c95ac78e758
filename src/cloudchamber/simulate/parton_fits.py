r"""Fits of parton distributions as densities of their parameters: ln p = -chi^2 / 2 inside a box.

`ToyPartons` is a fit in the manner of arXiv:2309.01454: pseudo-data of a valence-like distribution

    x q(x) = N x^a (1 - x)^b (1 + c x)

with four parameters and independent errors. `ReducedCrossSection` fits the five numbers of
`physics.parton_shape.ProtonShape` to reduced cross-sections in bins of x within one narrow range of Q2, where parton
distributions hardly depend on Q2; leading order is averaged over each bin.
"""

import json
from importlib.resources import files
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams
from cloudchamber.physics.cross_section import leading_order
from cloudchamber.physics.parton_shape import ProtonShape

__all__ = ["Measurement", "ReducedCrossSection", "ToyPartons"]

Array = NDArray[np.float64]


class ToyPartons:
    """The toy, with pseudo-data.

    Args:
        data: pseudo-data at `points`, shape (k,); those of seed 1 at `truth` by default.
    """

    names = ("N", "a", "b", "c")
    bounded = True
    box = np.array([[0.5, 8.0], [0.2, 1.5], [1.0, 6.0], [-0.9, 8.0]])
    truth = np.array([2.5, 0.6, 3.0, 1.5])
    points = np.linspace(0.02, 0.85, 24)
    error = 0.04
    """Of each point, relative to the truth there and 0.01 in quadrature."""

    def __init__(self, data: Array | None = None) -> None:
        expected = self.density(self.truth[None], self.points)[0]
        self.sigma = np.hypot(self.error * expected, 0.01)
        self.data = self.pseudo_data(self.truth, np.random.default_rng(1)) if data is None else data

    @staticmethod
    def density(theta: Array, x: Array) -> Array:
        """X q(x), shape (n, k).

        Args:
            theta: parameters, shape (n, 4).
            x: shape (k,).
        """
        N, a, b, c = theta.T[:, :, None]
        found: Array = N * x**a * (1 - x) ** b * (1 + c * x)
        return found

    def pseudo_data(self, theta: Array, rng: np.random.Generator) -> Array:
        """A measurement of one set of parameters, shape (k,).

        Args:
            theta: shape (4,).
            rng: random stream.
        """
        noise = self.sigma * rng.standard_normal(len(self.points))
        data: Array = self.density(theta[None], self.points)[0] + noise
        return data

    def log_density(self, theta: Array) -> Array:
        """Minus half of chi^2, shape (n,).

        Args:
            theta: shape (n, 4).
        """
        pulls = (self.density(theta, self.points) - self.data) / self.sigma
        chi2: Array = (pulls**2).sum(1)
        return -chi2 / 2


class Measurement(NamedTuple):
    """A reduced cross-section in bins of x; k bins."""

    x: Array
    """Edges, shape (k + 1,)."""
    Q2: tuple[float, float]
    """Edges in GeV^2."""
    value: Array
    error: Array
    running: float
    """alpha(Q2) / alpha at the mean Q2."""
    beams: Beams
    reference: Array
    """The prediction of leading order with Pythia8's own parton distributions in the same bins."""
    command: str
    """How it was made."""

    @classmethod
    def shipped(cls) -> Self:
        """That of 600,000 Pythia8 events at 10x275 GeV, which the package ships."""
        text = (files("cloudchamber.simulate") / "reduced-cross-section.json").read_text(encoding="utf-8")
        content = json.loads(text)
        arrays = {name: np.array(content[name]) for name in ("x", "value", "error", "reference")}
        return cls(**arrays, Q2=tuple(content["Q2"]), running=content["running"], beams=Beams.parse(content["beams"]),
                   command=content["command"])  # fmt: skip


class ReducedCrossSection:
    """The fit.

    Args:
        measurement: the data; what is shipped by default.
        points: of the quadrature in each bin.
    """

    names = ("a", "b", "S", "l", "p")
    bounded = True
    box = np.array([[0.2, 1.5], [1.0, 7.0], [0.01, 0.8], [-0.2, 0.6], [3.0, 40.0]])

    def __init__(self, measurement: Measurement | None = None, points: int = 5) -> None:
        self.measurement = measurement or Measurement.shipped()
        nodes, weights = np.polynomial.legendre.leggauss(points)
        low, high = np.log(self.measurement.x[:-1, None]), np.log(self.measurement.x[1:, None])
        x = np.exp((low + high) / 2 + (high - low) / 2 * nodes)
        measure = weights * x * (high - low) / 2
        self._x, self._weight = x.ravel(), measure / measure.sum(1, keepdims=True)
        self._q2 = float(np.sqrt(np.prod(self.measurement.Q2)))

    def predict(self, theta: Array) -> Array:
        """The reduced cross-section in each bin, shape (n, k).

        Args:
            theta: parameters, shape (n, 5).
        """
        at_points = self.curve(theta, self._x)
        bins: Array = (at_points.reshape(len(theta), *self._weight.shape) * self._weight).sum(-1)
        return bins

    def curve(self, theta: Array, x: Array) -> Array:
        """The reduced cross-section at points, shape (n, k).

        Args:
            theta: parameters, shape (n, 5).
            x: shape (k,).
        """
        shape = ProtonShape(*theta.T[:, :, None])
        data = self.measurement
        running = np.full_like(x, data.running)
        return leading_order(shape.density(x), x, np.full_like(x, self._q2), running=running, beams=data.beams)

    def log_density(self, theta: Array) -> Array:
        """Minus half of chi^2, shape (n,).

        Args:
            theta: shape (n, 5).
        """
        pulls = (self.predict(theta) - self.measurement.value) / self.measurement.error
        chi2: Array = (pulls**2).sum(1)
        return -chi2 / 2
