r"""Events as an image would hold them: arXiv:2310.16308, section III.

The plane |eta| < 10, -pi <= phi < pi is cut into n x n pixels. Particles of one species in a pixel become one, with

    z = sum_i z_i,     z_i = 2 |p_i| / sqrt(s)     (Eq. 12)

in the direction of the pixel's centre. Particles outside are dropped. What this does to a perfect generator is the
best that a generator of images can do.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Events
from cloudchamber.physics.kinematics import Momenta
from cloudchamber.physics.pixels import Pixels

__all__ = ["PIXELS", "pixelate"]

PIXELS = 64
"""Pixels in each direction of arXiv:2310.16308."""

Array = NDArray[np.float64]


def pixelate(events: Events, pixels: int = PIXELS, species: tuple[int, ...] | None = None) -> Events:
    """Events after a projection on pixels; the scattered electron stays first.

    Args:
        events: the scattered electron first in each, inside |eta| < 10.
        pixels: in each direction.
        species: PDG numbers of the images' channels; all others are dropped. By default every species has one.
    """
    p = Momenta(*(events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass")))
    event = np.repeat(np.arange(len(events)), events.counts)
    code = events.flat("pdg_id").astype(np.int64)
    scattered = np.zeros(len(code), dtype=bool)
    scattered[events.offsets[:-1]] = True
    grid = Pixels(pixels, pixels)
    pixel = grid.find(p.eta, p.phi)
    inside = pixel >= 0
    wanted = (inside if species is None else inside & np.isin(code, species)) | scattered
    found = _merge(event[wanted], code[wanted], pixel[wanted], scattered[wanted])
    size = np.bincount(found.cell, p.p[wanted])
    px, py, pz = (size * axis for axis in grid.directions(found.pixel).unit_vectors)
    columns: dict[str, NDArray[Any]] = {
        "pdg_id": found.code.astype(np.int32), "px": px, "py": py, "pz": pz, "mass": p.mass[wanted][found.first],
    }  # fmt: skip
    counts = np.bincount(found.event, minlength=len(events))
    return Events.from_flat(counts, columns, events.weight, events.run)


class _Cells(NamedTuple):
    """Filled pixels, event after event, the one with the scattered electron first."""

    event: NDArray[np.int64]
    code: NDArray[np.int64]
    pixel: NDArray[np.int64]
    first: NDArray[np.int64]
    """One particle of each, shape (number of cells,)."""
    cell: NDArray[np.int64]
    """The cell of each particle."""


def _merge(
    event: NDArray[np.int64], code: NDArray[np.int64], pixel: NDArray[np.int64], scattered: NDArray[np.bool_]
) -> _Cells:
    order = np.lexsort((~scattered, pixel, code, event))
    keys = np.stack([event, code, pixel])[:, order]
    new = np.append(True, (np.diff(keys) != 0).any(axis=0))
    first = order[new]
    rank = np.lexsort((~scattered[first], event[first]))
    place = np.empty(len(rank), dtype=np.int64)
    place[rank] = np.arange(len(rank))
    cell = np.empty(len(order), dtype=np.int64)
    cell[order] = place[np.cumsum(new) - 1]
    first = first[rank]
    return _Cells(event[first], code[first], pixel[first], first, cell)
