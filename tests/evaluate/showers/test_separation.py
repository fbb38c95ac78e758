"""Separation powers: closed forms, and the expectation for samples of one distribution."""

import numpy as np
import pytest

from cloudchamber.evaluate.showers.observables import quantities
from cloudchamber.evaluate.showers.separation import (
    Binned,
    Binning,
    separation_power,
    separation_powers,
    statistics,
)
from cloudchamber.events import Geometry, Showers

RNG = np.random.default_rng(1)


def random_showers(n: int, seed: int, scale: float = 1.0) -> Showers:
    """Showers whose cells are independent exponentials, half of them empty."""
    rng, geometry = np.random.default_rng(seed), Geometry.pads(2, 4, 5.0)
    voxels = rng.exponential(scale, (n, geometry.cells)) * (rng.random((n, geometry.cells)) < 0.5)
    return Showers.from_voxels(np.full(n, 1000.0), voxels, geometry)


def test_equal_histograms_are_not_separated() -> None:
    found = separation_power(np.array([1, 2, 3]), np.array([2, 4, 6]))
    assert found.value == 0
    assert found.error == pytest.approx(0, abs=1e-9)


def test_separation_of_two_bins_is_the_closed_form() -> None:
    p, q = 0.3, 0.5
    expected = ((p - q) ** 2 / (p + q) + (p - q) ** 2 / (2 - p - q)) / 2
    assert separation_power(np.array([30, 70]), np.array([50, 50])).value == pytest.approx(expected)


def test_error_is_the_spread_of_repetitions() -> None:
    p, q, n = np.array([0.2, 0.5, 0.3]), np.array([0.4, 0.2, 0.4]), 2_000
    draws = [separation_power(RNG.multinomial(n, p), RNG.multinomial(n, q)) for _ in range(400)]
    assert np.std([d.value for d in draws]) == pytest.approx(np.mean([d.error for d in draws]), rel=0.12)


def test_samples_of_one_distribution_are_separated_as_their_number_says() -> None:
    n, bins = 500, 20
    flat = np.full(bins, 1 / bins)
    draws = [separation_power(RNG.multinomial(n, flat), RNG.multinomial(n, flat)).value for _ in range(200)]
    assert np.mean(draws) == pytest.approx((bins - 1) / (2 * n), rel=0.1)


def test_only_what_was_changed_is_separated() -> None:
    reference, same, other = random_showers(3_000, 1), random_showers(3_000, 2), random_showers(3_000, 3, scale=1.3)
    binning = Binning.of(reference)
    truth = Binned.of(reference, binning)
    for candidate, separated in ((same, False), (other, True)):
        found = separation_powers(truth, Binned.of(candidate, binning), RNG)
        by_name = dict(zip([s.key for s in statistics(2)], found, strict=True))
        assert len(found) == len(quantities(2)) + 1
        assert (by_name["E_0"].value > 0.05) is separated
        assert (by_name["cell_E"].value > 0.005) is separated
        assert by_name["x_0"].value < 0.02


def test_every_shower_is_counted_once() -> None:
    showers = random_showers(100, 4)
    binned = Binned.of(showers, Binning.of(showers))
    assert binned.cells.sum() == len(showers.energy)
    assert len(binned[10:30]) == 20
