"""Figures and diagnostics of a small run."""

import json
from pathlib import Path

import arviz as az
import numpy as np
import pytest

from cloudchamber.mcmc import figures
from cloudchamber.mcmc.posterior import diagnostics
from cloudchamber.recipes.assisted import AssistedSampler
from cloudchamber.recipes.targets import find_target, truth_of


@pytest.fixture(scope="module")
def data() -> az.InferenceData:
    target = find_target("himmelblau")
    sampler = AssistedSampler(target.log_prob, 2, bounds=target.bounds, vectorize=True, names=("x", "y"),
                              proposal="mixture", walkers=16, warmup=40, rounds=1, round_steps=10, seed=1)  # fmt: skip
    return sampler.run(20)


def test_numbers_are_arvizs(data: az.InferenceData) -> None:
    found, summary = diagnostics(data), az.summary(data, round_to="none")
    for name in ("x", "y"):
        row = found["parameters"][name]
        assert row["mean"] == pytest.approx(summary.loc[name, "mean"])
        assert row["ess_bulk"] == pytest.approx(summary.loc[name, "ess_bulk"])
        assert row["ess_tail"] == pytest.approx(summary.loc[name, "ess_tail"])
        assert row["r_hat"] == pytest.approx(summary.loc[name, "r_hat"])
    assert found["evaluations"] == sum(found["evaluations_by_stage"].values())


def test_the_chain_survives_a_file(data: az.InferenceData, tmp_path: Path) -> None:
    data.to_netcdf(str(tmp_path / "chain.nc"), engine="h5netcdf")
    again = az.from_netcdf(str(tmp_path / "chain.nc"), engine="h5netcdf")
    assert again.posterior.equals(data.posterior)
    assert json.loads(again.posterior.attrs["acceptance"]).keys() == {"warm-up", "round 1", "settle", "draws"}


def test_contours_enclose_their_probability() -> None:
    """The outer contour of a unit normal density has the radius at which chi-squared leaves 5 %."""
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.set(xlim=(-4, 4), ylim=(-4, 4))
    x = np.random.default_rng(1).standard_normal((400_000, 2))
    figures._contours(axes, x, None, "k")
    outer = axes.collections[0].get_paths()[0].vertices
    assert np.hypot(*outer.T).mean() == pytest.approx(np.sqrt(5.99), abs=0.08)


def test_figures_show_stages_modes_and_truth(data: az.InferenceData) -> None:
    target = find_target("himmelblau")
    truth, palette = truth_of(target.posterior), ("#000", "#111", "#222", "#333")
    traces = figures.traces(data, truth, palette)
    shares = [line.get_ydata() for line in traces.axes[2].lines[:8:2]]
    assert np.sum(shares, axis=0) == pytest.approx(1)
    bars = figures.rounds(data, palette).axes[1].patches
    assert len(bars) == 4
    assert len(figures.corner(data, truth, palette).axes) == 4
