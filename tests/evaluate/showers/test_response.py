"""Linearity and resolution of showers whose response is known."""

import numpy as np
import pytest

from cloudchamber.evaluate.showers.response import responses
from cloudchamber.events import Geometry, Showers
from cloudchamber.events.geometry import Cells


def showers(n: int, seed: int, mean: float, spread: float) -> Showers:
    """Showers of one hit with a Gaussian response."""
    rng = np.random.default_rng(seed)
    energy = np.exp(rng.uniform(np.log(1e3), np.log(1e4), n))
    cells = Cells(*(np.zeros(n, dtype=np.int64) for _ in range(3)))
    visible = energy * rng.normal(mean, spread, n)
    return Showers.of(energy, np.ones(n), cells, visible, geometry=Geometry.pads(1, 2, 5.0))


def test_response_and_resolution_are_those_put_in() -> None:
    found = responses(showers(20_000, 1, 0.02, 0.002), showers(40_000, 2, 0.021, 0.0021), bins=5)
    for sample, mean, relative in ((found.candidate, 0.02, 0.1), (found.reference, 0.021, 0.1)):
        assert (np.abs(sample.mean - mean) / sample.mean_error).max() < 4
        assert (np.abs(sample.resolution - relative) / sample.resolution_error).max() < 4
    np.testing.assert_allclose(found.mean_difference, -1 / 21, atol=4 * found.mean_difference_error.max())
    assert np.abs(found.resolution_difference / found.resolution_difference_error).max() < 4


def test_error_of_the_resolution_is_the_spread_of_repetitions() -> None:
    repeated = [responses(showers(400, k, 0.02, 0.002), showers(400, k, 0.02, 0.002), bins=1) for k in range(200)]
    found = np.array([(r.candidate.resolution[0], r.candidate.resolution_error[0]) for r in repeated])
    assert found[:, 0].std() == pytest.approx(found[:, 1].mean(), rel=0.15)


def test_one_energy_is_one_bin() -> None:
    one = showers(100, 1, 0.02, 0.002)
    fixed = Showers.of(np.full(100, 500.0), one.counts, one.cells, one.energy, geometry=one.geometry)
    assert len(responses(fixed, fixed).mean_difference) == 1
