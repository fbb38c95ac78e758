"""Cells of a calorimeter: their numbers, places and centres."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from cloudchamber.events import Cells, Geometry
from cloudchamber.events.geometry import Layer


def polar() -> Geometry:
    """Layers like those of the CaloChallenge: different bins, and one without any."""
    angles = {n: tuple(np.linspace(-math.pi, math.pi, n + 1).tolist()) for n in (1, 4)}
    return Geometry(
        kind="polar",
        layers=(
            Layer(id=0, first=(0.0, 5.0, 10.0), second=angles[4]),
            Layer(id=1, first=(0.0,), second=angles[1]),
            Layer(id=12, first=(0.0, 2.0, 4.0, 8.0), second=angles[1]),
        ),
    )


def test_cells_are_counted_with_the_first_axis_running_fastest() -> None:
    geometry = polar()
    assert geometry.cells == 2 * 4 + 3
    assert geometry.offsets.tolist() == [0, 8, 8, 11]
    assert geometry.number([0, 0, 0, 2], [1, 0, 1, 2], [0, 1, 3, 0]).tolist() == [1, 2, 7, 10]


@pytest.mark.parametrize("geometry", [polar(), Geometry.pads(3, 6, 5.0)])
def test_place_is_the_inverse_of_number(geometry: Geometry) -> None:
    numbers = np.arange(geometry.cells)
    cells = geometry.place(numbers)
    assert geometry.holds(*cells)
    assert np.array_equal(geometry.number(*cells), numbers)


def test_centres_are_where_the_bins_are() -> None:
    pads = Geometry.tungsten_silicon()
    first, middle = pads.centres(Cells(*np.array([[0, 29], [0, 16], [31, 15]])))
    assert first.tolist() == [-77.5, 77.5]
    assert middle.tolist() == [2.5, -2.5]
    x, y = polar().centres(Cells(*np.array([[0], [1], [2]])))[0]  # r = 7.5 mm, alpha = pi / 4
    assert (x, y) == pytest.approx((7.5 / math.sqrt(2), 7.5 / math.sqrt(2)))


def test_only_square_layers_have_the_symmetries_of_a_square() -> None:
    assert Geometry.pads(2, 5, 1.0).is_square
    assert not polar().is_square
    shifted = Layer(id=0, first=(0.0, 1.0, 2.0), second=(0.0, 1.0, 2.0))
    assert not Geometry(layers=(shifted,)).is_square


def test_places_outside_are_noticed() -> None:
    geometry = Geometry.pads(2, 4, 1.0)
    for place in ((2, 0, 0), (-1, 0, 0), (0, 4, 0), (0, 0, 4), (1, -1, 0)):
        assert not geometry.holds(*(np.array([index]) for index in place))


def test_edges_must_rise() -> None:
    with pytest.raises(ValidationError, match="must rise"):
        Layer(id=0, first=(0.0, 2.0, 1.0), second=(0.0, 1.0))


def test_json_keeps_everything() -> None:
    geometry = polar()
    assert Geometry.model_validate_json(geometry.model_dump_json()) == geometry
