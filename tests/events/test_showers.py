"""Showers: sums, slices, voxels, and what is refused."""

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Cells, Geometry, Showers

GEOMETRY = Geometry.pads(3, 4, 5.0)


def three() -> Showers:
    """Showers of 3, 0 and 2 hits."""
    cells = Cells(*np.array([[0, 0, 2, 1, 2], [0, 1, 3, 2, 2], [0, 0, 3, 1, 1]]))
    return Showers.of([10.0, 20.0, 30.0], [3, 0, 2], cells, [1.0, 2.0, 4.0, 8.0, 16.0], geometry=GEOMETRY)


def test_sums_over_layers_are_those_of_the_hits() -> None:
    showers = three()
    assert showers.layer_energy.tolist() == [[3, 0, 4], [0, 0, 0], [0, 8, 16]]
    assert showers.layer_counts.tolist() == [[2, 0, 1], [0, 0, 0], [0, 1, 1]]
    assert showers.visible_energy.tolist() == [7, 0, 24]


def test_voxels_and_hits_are_the_same_showers() -> None:
    showers = three()
    voxels = showers.voxels()
    assert voxels[2, GEOMETRY.number(1, 2, 1)] == 8
    again = Showers.from_voxels(showers.incident_energy, voxels, GEOMETRY)
    assert np.array_equal(again.voxels(), voxels)
    assert again.counts.tolist() == [3, 0, 2]


def test_slices_join_to_the_whole() -> None:
    showers = three()
    again = Showers.concatenate([showers[:1], showers[1:2], showers[2:]])
    assert np.array_equal(again.voxels(), showers.voxels())
    assert showers[1:].incident_energy.tolist() == [20, 30]
    assert len(showers[3:]) == 0


def test_awkward_has_the_columns_of_the_files() -> None:
    array = three().to_awkward()
    assert array.fields == ["incident_energy", "layer", "ix", "iy", "energy"]
    assert array.energy.tolist() == [[1, 2, 4], [], [8, 16]]


@pytest.mark.parametrize(
    ("incident", "counts", "places", "energy", "says"),
    [
        (-1.0, 1, [[0], [0], [0]], [1.0], "incident energy of shower 0"),
        (1.0, 2, [[0], [0], [0]], [1.0], "differ in length"),
        (1.0, 1, [[3], [0], [0]], [1.0], "outside of the calorimeter"),
        (1.0, 1, [[0], [4], [0]], [1.0], "outside of the calorimeter"),
        (1.0, 1, [[0], [0], [0]], [-1.0], "not a positive number"),
        (1.0, 1, [[0], [0], [0]], [float("nan")], "not a positive number"),
        (1.0, 2, [[0, 0], [1, 1], [2, 2]], [1.0, 1.0], "two hits in one cell"),
    ],
)
def test_impossible_showers_are_refused(
    incident: float, counts: int, places: list[list[int]], energy: list[float], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        Showers.of([incident], [counts], Cells(*np.array(places)), energy, geometry=GEOMETRY)
