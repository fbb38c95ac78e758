"""Groups of points that lie apart, whatever their sizes and distances.

Two points are neighbours if each is among the k nearest of the other; islands are the connected parts of this graph. No
length enters, so a mode a hundred times narrower than the next is an island as well, as soon as it holds more than k
different points. Few points (a walker on its way) are no island: they belong to that of the nearest point of a larger
one. A long or thin density may fall into several islands, which does no harm to who joins them again.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

__all__ = ["islands"]

_NEIGHBOURS = 12


def islands(x: NDArray[np.float64], least: int) -> NDArray[np.int64]:
    """The island of each point, shape (n,), counted from zero.

    Args:
        x: points, shape (n, D); points that occur many times count once.
        least: different points that make an island.

    >>> islands(np.concatenate([np.arange(30), 100 + np.arange(30) / 1000])[:, None] ** 1.0, 15).reshape(2, -1).std(1)
    array([0., 0.])
    """
    points, index = np.unique(x, axis=0, return_inverse=True)
    if len(points) <= max(least, _NEIGHBOURS):
        return np.zeros(len(x), dtype=np.int64)
    parts = _parts(points)
    large = np.bincount(parts) >= least
    if not large.any():
        return np.zeros(len(x), dtype=np.int64)
    stray = ~large[parts]
    if stray.any():
        nearest = cKDTree(points[~stray]).query(points[stray])[1]
        parts[stray] = parts[~stray][nearest]
    labels: NDArray[np.int64] = np.unique(parts, return_inverse=True)[1].astype(np.int64)
    return labels[index.reshape(-1)]


def _parts(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Connected parts of the graph of mutual neighbours."""
    n = len(points)
    near = cKDTree(points).query(points, k=_NEIGHBOURS + 1)[1][:, 1:]
    rows = np.repeat(np.arange(n), _NEIGHBOURS)
    graph = csr_array((np.ones(len(rows)), (rows, near.ravel())), shape=(n, n))
    mutual = graph.multiply(graph.T)
    parts: NDArray[np.int64] = connected_components(mutual, directed=False)[1].astype(np.int64)
    return parts
