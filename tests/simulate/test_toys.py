"""Draws follow the densities, which are normalised."""

import numpy as np
import pytest
from scipy import stats

from cloudchamber.simulate.toys import TOYS


@pytest.mark.parametrize("name", TOYS)
def test_densities_are_normalised(name: str) -> None:
    edges = np.linspace(-2.2, 2.2, 1101)
    centres = (edges[1:] + edges[:-1]) / 2
    x = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    area = (edges[1] - edges[0]) ** 2
    assert np.exp(TOYS[name].log_density(x)).sum() * area == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", TOYS)
def test_draws_follow_the_density(name: str) -> None:
    n, cells = 40_000, 44
    x = TOYS[name].sample(n, np.random.default_rng(1))
    assert np.isfinite(TOYS[name].log_density(x)).all()
    assert x.var(0) == pytest.approx([1, 1], abs=0.25)
    edges = np.linspace(-2.2, 2.2, cells + 1)
    counts, _, _ = np.histogram2d(*x.T, bins=(edges, edges))
    fine = np.linspace(-2.2, 2.2, 20 * cells + 1)
    middle = (fine[1:] + fine[:-1]) / 2
    grid = np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(TOYS[name].log_density(grid)).reshape(cells, 20, cells, 20).sum(axis=(1, 3))
    expected = n * density / density.sum()
    seen = expected > 10
    assert counts[~seen].sum() < 0.01 * n
    pulls = (counts - expected)[seen] / np.sqrt(expected[seen])
    assert stats.chi2.sf((pulls**2).sum(), seen.sum()) > 1e-3
