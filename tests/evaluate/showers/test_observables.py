"""Observables of showers: moments that can be done by hand, and symmetries."""

from dataclasses import replace

import numpy as np
import pytest

from cloudchamber.evaluate.showers.observables import quantities, shower_table
from cloudchamber.events import Geometry, Showers
from cloudchamber.events.geometry import Cells

PADS = Geometry.pads(3, 8, 5.0)
NAMES = [q.key for q in quantities(3)]


def showers() -> Showers:
    """One shower of three hits in two layers, and one without any hit."""
    cells = Cells(*(np.array(column) for column in ([0, 0, 2], [3, 4, 5], [4, 4, 0])))
    return Showers.of([1000.0, 500.0], [3, 0], cells, [1.0, 3.0, 4.0], geometry=PADS)


def value(key: str, row: int = 0) -> float:
    return float(shower_table(showers()).x[row, NAMES.index(key)])


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("log10_E_inc", 3.0),
        ("response", 0.008),
        ("hits", 3),
        ("depth", 1.0),
        ("length", 1.0),
        ("E_0", 4.0),
        ("E_1", 0.0),
        ("hits_2", 1),
        ("x_0", (-2.5 + 3 * 2.5) / 4),
        ("y_0", 2.5),
        ("width_x_0", np.sqrt(2.5**2 - 1.25**2)),
        ("width_y_0", 0.0),
        ("x_1", 0.0),
        ("x", (-2.5 + 3 * 2.5 + 4 * 7.5) / 8),
    ],
)
def test_moments_are_those_done_by_hand(key: str, expected: float) -> None:
    assert value(key) == pytest.approx(expected, abs=1e-12)


def test_a_shower_without_hits_has_only_its_incident_energy() -> None:
    row = shower_table(showers()).x[1]
    assert row[0] == pytest.approx(np.log10(500))
    assert not row[1:].any()


def test_there_is_one_column_for_each_quantity() -> None:
    assert shower_table(showers()).x.shape == (2, len(quantities(3)))
    assert len(set(NAMES)) == len(NAMES)


def test_reflection_turns_centres_around_and_leaves_all_else() -> None:
    one = showers()
    other = replace(one, cells=one.cells._replace(first=7 - one.ix))
    before, after = shower_table(one).x, shower_table(other).x
    turned = np.array([name == "x" or name.startswith("x_") for name in NAMES])
    np.testing.assert_allclose(after[:, turned], -before[:, turned], atol=1e-12)
    np.testing.assert_allclose(after[:, ~turned], before[:, ~turned], atol=1e-12)
