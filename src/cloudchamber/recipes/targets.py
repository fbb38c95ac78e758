"""Densities by name: those that come with the package, and a user's own as `module:function`."""

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.mcmc.figures import Truth
from cloudchamber.mcmc.target import Bounds, LogProb
from cloudchamber.simulate.parton_fits import ReducedCrossSection, ToyPartons
from cloudchamber.simulate.posteriors import Known, Posterior, known_posteriors

__all__ = ["TARGETS", "Named", "find_target", "truth_of"]

Array = NDArray[np.float64]
_TRUTH_POINTS = 200_000


def _known(name: str) -> Posterior:
    return known_posteriors()[name]


TARGETS: Mapping[str, Callable[[], Posterior]] = {
    **{name: partial(_known, name) for name in known_posteriors()},
    "toy-partons": ToyPartons,
    "reduced-cross-section": ReducedCrossSection,
}


@dataclass(frozen=True)
class Named:
    """A density and what its sampler needs to know.

    Attributes:
        log_prob: its logarithm.
        vectorize: whether that takes many points.
        names: of the parameters.
        bounds: of the parameters, or None.
        box: where walkers start, shape (D, 2).
        posterior: the one that comes with the package, or None.
    """

    log_prob: LogProb
    vectorize: bool
    names: tuple[str, ...]
    bounds: Bounds | None
    box: Array
    posterior: Posterior | None = None

    def starts(self, walkers: int, seed: int) -> Array:
        """Starts that are uniform in the box, shape (walkers, D).

        Args:
            walkers: how many.
            seed: names the random stream.
        """
        low, high = self.box.T
        unit = np.random.default_rng([seed, 1]).uniform(size=(walkers, len(low)))
        found: Array = low + (high - low) * np.clip(unit, 1e-9, 1 - 1e-9)
        return found


def find_target(name: str, box: str | None = None) -> Named:
    """A density by its name.

    Args:
        name: in `TARGETS`, or `module:function` of a function of one point, found from the working directory.
        box: lower and upper bound of each parameter, such as `-5:5,0:1`; for functions only, and needed there.

    Raises:
        InputError: if there is none of this name, or the box does not fit.
    """
    if ":" in name:
        return _function(name, box)
    if name not in TARGETS:
        raise InputError(f"the target '{name}' is unknown; choose one of {', '.join(TARGETS)}, or give your own as "
                         "module:function.")  # fmt: skip
    if box is not None:
        raise InputError(f"the target '{name}' has a box of its own; leave --box out.")
    found = TARGETS[name]()
    bounds = [(float(a), float(b)) for a, b in found.box] if found.bounded else None
    return Named(found.log_density, True, tuple(found.names), bounds, found.box, found)


def truth_of(posterior: Posterior | None) -> Truth:
    """What is known of a density.

    Args:
        posterior: one that comes with the package, or None.
    """
    values = getattr(posterior, "truth", None)
    if not hasattr(posterior, "expected"):
        return Truth(values=values)
    known: Known = posterior  # type: ignore[assignment]
    points, weights = _points(known)
    many = len(known.mode_weights) > 1
    return Truth(points, weights, values, known.mode_of if many else None, known.mode_weights if many else None)


def _points(known: Any) -> tuple[Array, Array | None]:  # noqa: ANN401
    if hasattr(known, "grid"):
        points, probability = known.grid
        kept = probability > 1e-6 * probability.max()
        return points[kept], probability[kept]
    return known.sample(_TRUTH_POINTS, np.random.default_rng(0)), None


def _function(name: str, box: str | None) -> Named:
    module_name, _, function_name = name.partition(":")
    if not all(word.isidentifier() for word in module_name.split(".")):
        raise InputError(f"'{module_name}' is not the name of a module; give module:function, such as my:f for the "
                         "function f of my.py in the working directory.")  # fmt: skip
    if box is None:
        raise InputError(f"'{name}' needs --box with the bounds of each parameter, such as --box=-5:5,0:1.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"the module '{module_name}' cannot be imported ({error}); give one that is installed, or in "
                         "the working directory.") from None  # fmt: skip
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(f"'{module_name}' has no function '{function_name}'; check its name.")
    pairs = _pairs(box)
    names = tuple(f"x{k}" for k in range(len(pairs)))
    return Named(function, False, names, [(float(a), float(b)) for a, b in pairs], pairs)


def _pairs(box: str) -> Array:
    try:
        pairs = np.array([[float(end) for end in pair.split(":")] for pair in box.split(",")])
        if pairs.shape[1] == 2 and np.isfinite(pairs).all() and (pairs[:, 0] < pairs[:, 1]).all():
            return pairs
    except (ValueError, IndexError):
        pass
    raise InputError(f"--box '{box}' is not understood; give lower:upper of each parameter, such as -5:5,0:1.")
