r"""Cross-sections of any beams and cuts, from a table of d sigma in the coordinates of `physics.phase_space`.

The table holds, for some squared energies s, the integral of Q2 d sigma over each cell of a grid in (a, b). Neither the
edges nor the steep fall with Q2 are left in it, so that between energies it is interpolated linearly in ln s, and

    sigma(cuts) = sum over cells of  table(cell) < theta_cuts(Q2, y) / Q2 >_cell

with the mean over points spread evenly in the cell. The error is that of the number of events that the table was made
of, and a part for interpolation.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Cuts
from cloudchamber.physics.dis import DISVariables, within
from cloudchamber.physics.phase_space import Square, from_square

__all__ = ["CrossSection", "InclusiveTable"]

Array = NDArray[np.float64]

_POINTS = 6
"""In a cell, along each coordinate."""
_INTERPOLATION = 2e-3
"""Relative error of the interpolation."""


class CrossSection(NamedTuple):
    """A cross-section and its error in pb."""

    value: float
    error: float


class InclusiveTable(NamedTuple):
    """Q2 d sigma in cells of (a, b).

    Attributes:
        ln_s: of each energy, increasing, shape (S,), s in GeV2.
        values: integrals over cells in pb GeV2, shape (S, A, B).
        variances: their variances, same shape.
        pt_min: cut on the electron's pT in GeV.
    """

    ln_s: Array
    values: Array
    variances: Array
    pt_min: float

    def covers(self, s: float) -> bool:
        """Whether the table holds lower and higher energies.

        Args:
            s: squared energy in GeV2.
        """
        return bool(self.ln_s[0] <= np.log(s) <= self.ln_s[-1])

    def cross_section(self, s: float, cuts: Cuts) -> CrossSection:
        """The cross-section inside of cuts.

        Args:
            s: squared energy in GeV2, among those that the table covers.
            cuts: on Q2, x and y; the one on pT is the table's.
        """
        upper = int(np.clip(np.searchsorted(self.ln_s, np.log(s)), 1, len(self.ln_s) - 1))
        share = float((np.log(s) - self.ln_s[upper - 1]) / (self.ln_s[upper] - self.ln_s[upper - 1]))
        mean = self._mean_inverse_q2(s, cuts)
        parts = [((1 - share), upper - 1), (share, upper)]
        value = sum(f * float((self.values[k] * mean).sum()) for f, k in parts)
        variance = sum(f**2 * float((self.variances[k] * mean**2).sum()) for f, k in parts)
        return CrossSection(value, float(np.hypot(np.sqrt(variance), _INTERPOLATION * value)))

    def _mean_inverse_q2(self, s: float, cuts: Cuts) -> Array:
        """Mean of theta(cuts) / Q2 in each cell, shape (A, B)."""
        rows, columns = self.values.shape[1:]
        a = (np.arange(rows * _POINTS) + 0.5) / (rows * _POINTS)
        b = (np.arange(columns * _POINTS) + 0.5) / (columns * _POINTS) * 2 - 1
        Q2, y = (v.ravel() for v in from_square(Square(*np.meshgrid(a, b, indexing="ij")), s, self.pt_min))
        inside = within(DISVariables(Q2, Q2 / (s * y), y, Q2), cuts)
        fine: Array = np.where(inside, 1 / Q2, 0.0).reshape(rows, _POINTS, columns, _POINTS)
        mean: Array = fine.mean(axis=(1, 3))
        return mean
