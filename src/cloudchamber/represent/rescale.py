r"""The momentum fraction z as the number that an image holds (arXiv:2310.16308, Eqs. 13-17).

    f(z) = S(z) E(z) + (1 - S(z)) L(z)
    E(z) = a1 exp(c1 z) + b1,      L(z) = a2 ln(z + c2) + b2,      S(z) = 1 / (1 + exp(-alpha (z - beta)))

stretches both ends: the logarithm the soft hadrons, the exponential the scattered electron near z = 1. E touches the
straight line f = z at z2 and L touches it at z1 (Eq. 17 and its like), which leaves c1 and c2 free:

    a1 = exp(-c1 z2) / c1,   b1 = z2 - 1 / c1,          a2 = z1 + c2,   b2 = z1 - a2 ln a2.

With c1, c2, alpha > 0 every choice is a bijection: E is convex and L concave, so E >= z >= L, and

    f' = S' (E - L) + S E' + (1 - S) L'  >  0.

A second, linear map sends f(0) and f(1) to the ends of a window, -0.76 and 0.86 in the paper. Both together are one
`Rescaling`; `Straight` is the linear map alone. The paper does not give its constants. Here they are those that make
the rescaled values of all species together as evenly spread as they can: since the entropy of v = f(z) is that of z
plus E[ln f'(z)], they maximise E[ln f'(z)] of the map into the window.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

__all__ = ["RESCALINGS", "WINDOW", "Constants", "Rescaling", "Straight", "Stretched"]

Array = NDArray[np.float64]
WINDOW = (-0.76, 0.86)
"""Where arXiv:2310.16308 sends the smallest and the largest z."""
_FIT_VALUES = 20_000
_BISECTIONS = 60
_LARGEST = 4.0
"""Beyond the window the map goes on, as networks do; up to this z it has an inverse."""


@dataclass(frozen=True)
class Constants:
    """What is free in the map.

    Attributes:
        z1: where the logarithm touches the straight line, from 0 to 1.
        z2: where the exponential touches it, from 0 to 1.
        c1: steepness of the exponential, positive.
        c2: where the logarithm bends over at small z, positive.
        alpha: steepness of the switch between them, positive.
        beta: where it switches.
    """

    z1: float
    z2: float
    c1: float
    c2: float
    alpha: float
    beta: float


class Rescaling(Protocol):
    """A monotone map of z >= 0 into a window."""

    @property
    def window(self) -> tuple[float, float]:
        """Images of z = 0 and z = 1."""
        ...

    def forward(self, z: Tensor) -> Tensor:
        """Values of momentum fractions, any shape, float64."""
        ...

    def inverse(self, value: Tensor) -> Tensor:
        """Momentum fractions of values, not below 0, any shape, float64."""
        ...

    def log_det(self, z: Tensor) -> Tensor:
        """Ln of the derivative, any shape, float64."""
        ...

    def state(self) -> Tensor:
        """The constants, float64."""
        ...


class Straight:
    """The linear map of [0, 1] to the window.

    Args:
        window: images of 0 and 1.

    >>> Straight((-0.5, 0.5)).forward(torch.tensor([0.0, 0.75])).tolist()
    [-0.5, 0.25]
    """

    def __init__(self, window: tuple[float, float] = WINDOW) -> None:
        self.window = window

    @classmethod
    def fit(cls, samples: Sequence[Array], window: tuple[float, float] = WINDOW) -> "Straight":
        """Nothing to fit.

        Args:
            samples: not used.
            window: images of 0 and 1.
        """
        return cls(window)

    def forward(self, z: Tensor) -> Tensor:
        """Values of momentum fractions.

        Args:
            z: any shape.
        """
        low, high = self.window
        return low + (high - low) * z.double()

    def inverse(self, value: Tensor) -> Tensor:
        """Momentum fractions of values, not below 0.

        Args:
            value: any shape.
        """
        low, high = self.window
        return ((value.double() - low) / (high - low)).clamp(min=0.0)

    def log_det(self, z: Tensor) -> Tensor:
        """Ln of the derivative.

        Args:
            z: any shape.
        """
        low, high = self.window
        return torch.full_like(z, high - low, dtype=torch.float64).log()

    def state(self) -> Tensor:
        """The window."""
        return torch.tensor(self.window, dtype=torch.float64)

    @classmethod
    def from_state(cls, state: Tensor) -> "Straight":
        """The map that `state` came from.

        Args:
            state: its constants.
        """
        low, high = state.tolist()
        return cls((low, high))


class Stretched:
    """The map of equations 13 to 17, followed by the linear map to the window.

    Args:
        constants: of the map.
        window: images of z = 0 and z = 1.

    Raises:
        ValueError: if the constants do not make a bijection.
    """

    def __init__(self, constants: Constants, window: tuple[float, float] = WINDOW) -> None:
        c = constants
        if not (0 < c.z1 < c.z2 < 1 and min(c.c1, c.c2, c.alpha) > 0 and window[0] < window[1]):
            raise ValueError(f"{c} in the window {window} is no bijection")
        self.constants, self.window = constants, window
        self._a1, self._b1 = np.exp(-c.c1 * c.z2) / c.c1, c.z2 - 1 / c.c1
        self._a2 = c.z1 + c.c2
        self._b2 = c.z1 - self._a2 * np.log(self._a2)
        ends = self.unscaled(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
        self._slope = (window[1] - window[0]) / (ends[1] - ends[0])
        self._shift = window[0] - self._slope * ends[0]

    @classmethod
    def fit(cls, samples: Sequence[Array], window: tuple[float, float] = WINDOW) -> "Stretched":
        """The most even map of several samples of momentum fractions, each of which counts alike.

        Args:
            samples: momentum fractions between 0 and 1 of each species, each of shape (n,).
            window: images of z = 0 and z = 1.
        """
        thinned = [torch.from_numpy(s[:: max(1, len(s) // _FIT_VALUES)]).double() for s in samples if len(s)]

        def unevenness(numbers: Array) -> float:
            mapped = cls(_constants(numbers), window)
            return -float(np.mean([float(mapped.log_det(z).mean()) for z in thinned]))

        start = np.array([-1.0, 1.0, np.log(3.0), np.log(1e-3), np.log(10.0), 0.5])
        bounds = [(-6, 3), (-3, 6), (np.log(0.1), np.log(40.0)), (np.log(1e-5), 0.0), (0.0, np.log(100.0)), (0.0, 1.0)]
        found = optimize.minimize(unevenness, start, method="Nelder-Mead", bounds=bounds,
                                  options={"maxfev": 600, "xatol": 1e-3, "fatol": 1e-5})  # fmt: skip
        return cls(_constants(found.x), window)

    def unscaled(self, z: Tensor) -> Tensor:
        """F(z) of equation 13, before the linear map.

        Args:
            z: any shape, not negative.
        """
        c, z = self.constants, z.double()
        switch = torch.sigmoid(c.alpha * (z - c.beta))
        mixed: Tensor = switch * self._exponential(z) + (1 - switch) * self._logarithm(z)
        return mixed

    def forward(self, z: Tensor) -> Tensor:
        """Values of momentum fractions.

        Args:
            z: any shape, not negative.
        """
        value: Tensor = self._shift + self._slope * self.unscaled(z)
        return value

    def inverse(self, value: Tensor) -> Tensor:
        """Momentum fractions of values, between 0 and 4, by bisection.

        Args:
            value: any shape.
        """
        value = value.double()
        low, high = torch.zeros_like(value), torch.full_like(value, _LARGEST)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            below = self.forward(middle) < value
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return torch.where(value <= self.window[0], 0.0, high)

    def log_det(self, z: Tensor) -> Tensor:
        """Ln of the derivative.

        Args:
            z: any shape, not negative.
        """
        c, z = self.constants, z.double()
        switch = torch.sigmoid(c.alpha * (z - c.beta))
        bending = c.alpha * switch * (1 - switch) * (self._exponential(z) - self._logarithm(z))
        sides = switch * torch.exp(c.c1 * (z - c.z2)) + (1 - switch) * self._a2 / (z + c.c2)
        log_slope: Tensor = (self._slope * (bending + sides)).log()
        return log_slope

    def state(self) -> Tensor:
        """The constants and the window."""
        return torch.tensor([*astuple(self.constants), *self.window], dtype=torch.float64)

    @classmethod
    def from_state(cls, state: Tensor) -> "Stretched":
        """The map that `state` came from.

        Args:
            state: its constants.
        """
        *constants, low, high = state.tolist()
        return cls(Constants(*constants), (low, high))

    def _exponential(self, z: Tensor) -> Tensor:
        value: Tensor = self._a1 * torch.exp(self.constants.c1 * z) + self._b1
        return value

    def _logarithm(self, z: Tensor) -> Tensor:
        value: Tensor = self._a2 * torch.log(z + self.constants.c2) + self._b2
        return value


RESCALINGS: dict[str, type[Straight] | type[Stretched]] = {"stretched": Stretched, "straight": Straight}


def _constants(numbers: Array) -> Constants:
    """Constants from unbounded numbers: z2 / 1 and z1 / z2 by their logits, positive ones by their logarithms."""
    first, second, c1, c2, alpha, beta = numbers.tolist()
    z2 = 1 / (1 + np.exp(-second))
    return Constants(z2 / (1 + np.exp(-first)), z2, np.exp(c1), np.exp(c2), np.exp(alpha), beta)
