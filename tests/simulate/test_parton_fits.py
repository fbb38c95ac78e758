"""Parton fits: pulls, sum rules, and the shipped data against the distributions that made them."""

import numpy as np
import pytest
from scipy import stats

from cloudchamber.simulate.parton_fits import Measurement, ReducedCrossSection, ToyPartons


def test_pseudo_data_scatter_about_the_truth_with_their_errors() -> None:
    toy = ToyPartons()
    chi2 = [-2 * ToyPartons(toy.pseudo_data(toy.truth, np.random.default_rng(k))).log_density(toy.truth[None])[0]
            for k in range(300)]  # fmt: skip
    assert stats.kstest(chi2, stats.chi2(len(toy.points)).cdf).pvalue > 1e-3


def test_the_truth_fits_better_than_what_is_bent() -> None:
    toy = ToyPartons()
    bent = toy.truth * np.array([1.2, 1.0, 1.0, 1.0])
    assert toy.log_density(toy.truth[None])[0] > toy.log_density(bent[None])[0] + 10


def test_the_shipped_data_agree_with_what_made_them() -> None:
    data = Measurement.shipped()
    chi2 = float((((data.value - data.reference) / data.error) ** 2).sum())
    assert 1e-3 < stats.chi2(len(data.value)).sf(chi2) < 1
    assert data.command.startswith("cloudchamber simulate dis --beams 10x275")
    assert len(data.x) == len(data.value) + 1 == len(data.error) + 1


def test_bins_are_averages_of_the_curve() -> None:
    fit = ReducedCrossSection()
    theta = np.array([[0.75, 4.5, 0.3, 0.1, 18.0]])
    x = np.linspace(*fit.measurement.x[3:5], 2001)
    x = (x[1:] + x[:-1]) / 2
    assert fit.predict(theta)[0, 3] == pytest.approx(fit.curve(theta, x).mean(), rel=1e-5)


def test_some_shape_describes_the_data() -> None:
    from scipy.optimize import minimize

    fit = ReducedCrossSection()
    best = minimize(lambda theta: -fit.log_density(theta[None])[0], [0.75, 4.5, 0.35, 0.1, 18.0], method="Nelder-Mead")
    assert 2 * best.fun < stats.chi2(len(fit.measurement.value) - 5).isf(1e-2)
