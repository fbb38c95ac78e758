"""Sliced tests: one dimension against scipy, the size of a shift, and the null distribution."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, wasserstein_distance

from cloudchamber.evaluate.sliced import sliced_scores
from cloudchamber.evaluate.tables import Table


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(8)


def test_one_dimension_agrees_with_scipy(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=300), rng.normal(0.2, 1.3, 400)
    found = sliced_scores(Table.of(a[:, None]), Table.of(b[:, None]), rng, slices=3, permutations=5)
    assert found.wasserstein.value == pytest.approx(wasserstein_distance(a, b), rel=1e-5)
    assert found.kolmogorov.value == pytest.approx(ks_2samp(a, b).statistic, rel=1e-5)
    assert (found.wasserstein.n, found.wasserstein.n_pairs) == (400, 5)


def test_ties_agree_with_scipy(rng: np.random.Generator) -> None:
    a, b = rng.poisson(2.0, 300).astype(float), rng.poisson(2.4, 200).astype(float)
    found = sliced_scores(Table.of(a[:, None]), Table.of(b[:, None]), rng, slices=2, permutations=5)
    assert found.kolmogorov.value == pytest.approx(ks_2samp(a, b).statistic, rel=1e-5)


def test_a_shift_is_seen_by_its_mean_projection(rng: np.random.Generator) -> None:
    """In three dimensions the mean size of a component of a unit vector is 1/2."""
    a = rng.normal(size=(3000, 3))
    found = sliced_scores(Table.of(a), Table.of(a + np.array([2.0, 0.0, 0.0])), rng, slices=400, permutations=10)
    assert found.wasserstein.value == pytest.approx(1.0, rel=0.08)
    assert (found.wasserstein.p_value or 1.0) < 1e-6
    assert (found.kolmogorov.p_value or 1.0) < 1e-6


def test_p_values_are_uniform_where_nothing_differs(rng: np.random.Generator) -> None:
    found = [
        sliced_scores(Table.of(rng.normal(size=(60, 4))), Table.of(rng.normal(size=(60, 4))), rng, slices=6,
                      permutations=60)
        for _ in range(200)
    ]  # fmt: skip
    for p_values in zip(*((f.wasserstein.p_value, f.kolmogorov.p_value) for f in found), strict=True):
        np.testing.assert_allclose(np.sort(p_values), np.linspace(0, 1, 200), atol=0.12)
        assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.04)


def test_weights_are_repetitions(rng: np.random.Generator) -> None:
    a, b, times = rng.normal(size=(80, 2)), rng.normal(size=(90, 2)), rng.integers(1, 4, 80)
    one, two = (
        sliced_scores(table, Table.of(b), np.random.default_rng(1), slices=5, permutations=4)
        for table in (Table(a, times.astype(float)), Table.of(np.repeat(a, times, axis=0)))
    )
    assert one.wasserstein.value == pytest.approx(two.wasserstein.value, rel=1e-5)
    assert one.kolmogorov.value == pytest.approx(two.kolmogorov.value, rel=1e-5)
