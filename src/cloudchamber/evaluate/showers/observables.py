r"""Observables of showers: the high-level features of arXiv:2410.21611, and a few of the whole shower.

With energies e_i of the hits of a layer and their places x_i, y_i,

    E = sum e_i,    <x> = sum e_i x_i / E,    width_x^2 = sum e_i x_i^2 / E - <x>^2

and the same in y. The centre and the width of a layer without hits are zero. The whole shower has the same four, the
mean and the spread of its depth in layers, its number of hits, and the ratio of its visible to its incident energy.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.tables import Table
from cloudchamber.events import Showers

__all__ = ["Quantity", "quantities", "shower_table"]

Array = NDArray[np.float64]


class Quantity(NamedTuple):
    """One observable of a shower.

    Attributes:
        key: short name.
        group: the kind of observable.
        unit: empty for a pure number.
        description: one phrase.
        whole: whether it is an integer.
    """

    key: str
    group: str
    unit: str
    description: str
    whole: bool = False


_WHOLE_SHOWER = (
    Quantity("log10_E_inc", "whole shower", "", "log10 of the incident energy in MeV"),
    Quantity("response", "whole shower", "", "visible over incident energy"),
    Quantity("hits", "whole shower", "", "number of hits", whole=True),
    Quantity("depth", "whole shower", "layers", "mean depth, weighted with energy"),
    Quantity("length", "whole shower", "layers", "spread of the depth"),
    Quantity("x", "whole shower", "mm", "centre in x"),
    Quantity("y", "whole shower", "mm", "centre in y"),
    Quantity("width_x", "whole shower", "mm", "width in x"),
    Quantity("width_y", "whole shower", "mm", "width in y"),
)
_EACH_LAYER = (
    Quantity("E", "layer energies", "MeV", "energy"),
    Quantity("hits", "layer hits", "", "number of hits", whole=True),
    Quantity("x", "layer centres", "mm", "centre in x"),
    Quantity("y", "layer centres", "mm", "centre in y"),
    Quantity("width_x", "layer widths", "mm", "width in x"),
    Quantity("width_y", "layer widths", "mm", "width in y"),
)


def quantities(layers: int) -> tuple[Quantity, ...]:
    """The observables of showers with this many layers: those of the whole shower, then layer by layer of each kind.

    Args:
        layers: how many.

    >>> [q.key for q in quantities(2)][-4:]
    ['width_x_0', 'width_x_1', 'width_y_0', 'width_y_1']
    """
    each = [
        q._replace(key=f"{q.key}_{layer}", description=f"{q.description} of layer {layer}")
        for q in _EACH_LAYER
        for layer in range(layers)
    ]
    return (*_WHOLE_SHOWER, *each)


def shower_table(showers: Showers) -> Table:
    """All observables, one row for each shower, in the order of `quantities`.

    Args:
        showers: n of them.
    """
    n, layers = len(showers), len(showers.geometry.layers)
    x, y = showers.geometry.centres(showers.cells).T
    place, energy = showers.row * layers + showers.layer, showers.energy
    moments = {
        name: np.bincount(place, weight, n * layers).astype(np.float64).reshape(n, layers)
        for name, weight in (("E", energy), ("x", energy * x), ("xx", energy * x**2), ("y", energy * y),
                             ("yy", energy * y**2))
    }  # fmt: skip
    hits = showers.layer_counts.astype(np.float64)
    by_layer = [moments["E"], hits, *_centres(moments["E"], moments)]
    whole = {name: values.sum(1) for name, values in moments.items()}
    depth, length = _centre_and_width(
        whole["E"], moments["E"] @ np.arange(layers), moments["E"] @ np.arange(layers) ** 2
    )
    columns = [
        np.log10(showers.incident_energy), whole["E"] / showers.incident_energy, hits.sum(1), depth, length,
        *_centres(whole["E"], whole),
    ]  # fmt: skip
    return Table.of(np.concatenate([np.stack(columns, axis=1), *by_layer], axis=1))


def _centres(energy: Array, moments: dict[str, Array]) -> tuple[Array, Array, Array, Array]:
    """Centres in x and y, then widths."""
    x, width_x = _centre_and_width(energy, moments["x"], moments["xx"])
    y, width_y = _centre_and_width(energy, moments["y"], moments["yy"])
    return x, y, width_x, width_y


def _centre_and_width(energy: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """Mean and standard deviation from moments; zero where there is no energy."""
    safe = np.where(energy > 0, energy, 1.0)
    centre = first / safe
    return centre, np.sqrt(np.maximum(second / safe - centre**2, 0.0))
