"""Every direction is in the pixel whose centre is nearest, and pixels are equal."""

import numpy as np
import pytest

from cloudchamber.physics.kinematics import azimuth_difference
from cloudchamber.physics.pixels import Pixels

GRIDS = (Pixels(64, 64), Pixels.centred(32, 32), Pixels.centred(12, 20), Pixels(5, 7, start=0.3, eta_range=2.5))


@pytest.mark.parametrize("grid", GRIDS)
def test_centres_and_all_places_inside_are_found_again(grid: Pixels) -> None:
    pixel = np.arange(grid.number)
    for within in ((0.5, 0.5), (1e-6, 1 - 1e-6), tuple(np.random.default_rng(1).random((2, grid.number)))):
        where = grid.directions(pixel, within)
        assert np.array_equal(grid.find(where.eta, where.phi), pixel)
        assert np.abs(where.phi).max() <= np.pi


@pytest.mark.parametrize("grid", GRIDS)
def test_a_direction_lies_at_most_half_a_pixel_from_its_centre(grid: Pixels) -> None:
    rng = np.random.default_rng(2)
    eta, phi = rng.uniform(-grid.eta_range, grid.eta_range, 5_000), rng.uniform(-np.pi, np.pi, 5_000)
    pixel = grid.find(eta, phi)
    centre = grid.directions(pixel)
    assert np.abs(eta - centre.eta).max() <= grid.eta_range / grid.rows + 1e-9
    assert np.abs(azimuth_difference(phi, centre.phi)).max() <= np.pi / grid.columns + 1e-9
    counts = np.bincount(pixel, minlength=grid.number)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 1.4 * grid.number  # equal pixels fill alike


def test_outside_is_minus_one_and_the_azimuth_has_no_seam() -> None:
    grid = Pixels.centred(8, 8)
    assert grid.find(np.array([10.0, -10.1, 9.99]), np.zeros(3)).tolist() == [-1, -1, 60]
    assert grid.find(np.zeros(4), np.array([-np.pi, np.pi, np.pi - 0.1, 0.1 - np.pi])).tolist() == [32] * 4
    assert grid.find(np.zeros(2), np.array([-0.3, 0.3])).tolist() == [36, 36]


def test_unit_vectors_have_length_one_and_their_pseudorapidity() -> None:
    where = Pixels(16, 16).directions(np.arange(256))
    x, y, z = where.unit_vectors
    np.testing.assert_allclose(x**2 + y**2 + z**2, 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.arctan2(y, x), where.phi, atol=1e-12)
    np.testing.assert_allclose(np.arctanh(z[np.abs(where.eta) < 5]), where.eta[np.abs(where.eta) < 5], rtol=1e-9)
