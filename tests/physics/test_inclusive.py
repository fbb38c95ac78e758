"""Cross-sections from a table against integrals in closed form.

The toy is d sigma / dlnQ2 dlogit(y) = c(s) / Q2, for which pT2 = Q2 (1 - y) gives Q2 d sigma = c da db times the
Jacobian ln(s / 4 pT_min^2) L(a).
"""

import numpy as np
import pytest
from scipy import integrate

from cloudchamber.events import Cuts
from cloudchamber.physics.inclusive import InclusiveTable
from cloudchamber.physics.phase_space import reach, span

LN_S = np.log(np.geomspace(500.0, 30_000.0, 13))


@pytest.fixture(scope="module")
def table() -> InclusiveTable:
    values = np.stack([cells(np.exp(ln_s)) for ln_s in LN_S])
    return InclusiveTable(LN_S, values, (0.01 * values) ** 2, 1.0)


def cells(s: float, n: int = 64) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Integrals of the toy's Q2 d sigma over the cells, with c(s) = s^0.3."""
    a = (np.arange(n) + 0.5) / n
    row = s**0.3 * span(s, 1.0) * reach(a, s, 1.0) / n * (2 / n)
    return np.repeat(row[:, None], n, axis=1)


def exact(s: float, cuts: Cuts) -> float:
    """By quadrature in ln y and ln Q2, with limits from the cuts."""

    def limits(ln_y: float) -> tuple[float, float]:
        y = np.exp(ln_y)
        low = max(cuts.q2_min or 0.0, 1 / (1 - y), s * y * (cuts.x_min or 0.0))
        return low, max(low, min(cuts.q2_max or np.inf, s * y * (cuts.x_max or 1.0)))

    def slope(ln_y: float) -> float:
        low, high = limits(ln_y)
        return (1 / low - 1 / high) / (1 - np.exp(ln_y))  # dlogit(y) = dln y / (1 - y)

    edges = np.log([cuts.y_min or 1 / s, min(cuts.y_max or 1.0, 1 - 1 / s)])
    value, _ = integrate.quad(slope, *edges, limit=500)
    return float(s**0.3 * value)


@pytest.mark.parametrize("s", [820.0, 5_200.0, 19_800.0])
@pytest.mark.parametrize(
    "cuts",
    [
        Cuts(),
        Cuts(q2_min=10.0, y_max=0.95),
        Cuts(q2_min=2.0, q2_max=20.0, y_min=0.05, y_max=0.9),
        Cuts(q2_min=100.0, x_min=0.1, x_max=0.6),
    ],
    ids=str,
)
def test_cuts_and_energies_agree_with_quadrature(table: InclusiveTable, s: float, cuts: Cuts) -> None:
    found = table.cross_section(s, cuts)
    assert found.value == pytest.approx(exact(s, cuts), rel=5e-3)
    assert 2e-3 * found.value < found.error < 1e-2 * found.value


def test_it_knows_which_energies_it_covers(table: InclusiveTable) -> None:
    assert table.covers(820.0)
    assert not table.covers(400.0)
    assert not table.covers(40_000.0)
