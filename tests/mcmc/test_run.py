"""Runs: the draws are those of the target, and a run that was stopped anywhere is the run that was not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.mcmc.plan import Plan
from cloudchamber.mcmc.posterior import diagnostics
from cloudchamber.recipes.assisted import AssistedSampler
from cloudchamber.simulate.posteriors import Himmelblau

Array = NDArray[np.float64]
SMALL = {"walkers": 8, "warmup": 6, "rounds": 1, "round_steps": 4, "settle": 2, "training_steps": 4}


class PowerCutError(Exception):
    """What stands for a power cut."""


class Normal:
    """A correlated normal density that stops the run after some evaluations."""

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.left = stop_at

    def __call__(self, x: Array) -> Array:
        self.left -= len(x)
        if self.left < 0:
            raise PowerCutError
        found: Array = -(x[:, 0] ** 2 + (x[:, 1] - x[:, 0]) ** 2) / 2
        return found


def sampler(target: Any, **changes: Any) -> AssistedSampler:  # noqa: ANN401
    return AssistedSampler(target, 2, vectorize=True, seed=3, **{**SMALL, **changes})


STARTS = np.random.default_rng(2).normal(size=(8, 2))


@pytest.mark.parametrize("proposal", ["diffusion", "flow", "mixture"])
def test_a_run_that_was_stopped_is_the_run_that_was_not(proposal: str, tmp_path: Path) -> None:
    whole = sampler(Normal(), proposal=proposal).run(6, STARTS)
    in_all = int(whole.posterior.attrs["evaluations"])
    for stop_at in (9, 57, 105, in_all - 1):
        file = tmp_path / f"{stop_at}.pt"
        with pytest.raises(InputError, match="PowerCutError"):
            sampler(Normal(stop_at), proposal=proposal).run(6, STARTS, checkpoint=file, every=0)
        resumed = sampler(Normal(), proposal=proposal).run(6, checkpoint=file, resume=True)
        for group in ("posterior", "warmup_posterior", "sample_stats"):
            assert resumed[group].equals(whole[group])
        assert {**resumed.posterior.attrs, "created_at": 0} == {**whole.posterior.attrs, "created_at": 0}


def test_a_longer_run_begins_with_the_shorter(tmp_path: Path) -> None:
    short = sampler(Normal(), proposal="mixture").run(3, STARTS, checkpoint=tmp_path / "c.pt")
    extended = sampler(Normal(), proposal="mixture").run(6, checkpoint=tmp_path / "c.pt", resume=True)
    at_once = sampler(Normal(), proposal="mixture").run(6, STARTS)
    assert extended.posterior.equals(at_once.posterior)
    assert extended.posterior.isel(draw=slice(3)).equals(short.posterior)


def test_resuming_needs_the_same_settings(tmp_path: Path) -> None:
    sampler(Normal(), proposal="mixture").run(2, STARTS, checkpoint=tmp_path / "c.pt")
    with pytest.raises(InputError, match="other settings"):
        sampler(Normal(), proposal="mixture", rounds=2).run(2, checkpoint=tmp_path / "c.pt", resume=True)
    (tmp_path / "c.pt").write_bytes((tmp_path / "c.pt").read_bytes()[:100])
    with pytest.raises(InputError, match="damaged"):
        sampler(Normal()).run(2, checkpoint=tmp_path / "c.pt", resume=True)
    with pytest.raises(InputError, match=r"no '.*none\.pt' to resume"):
        sampler(Normal()).run(2, checkpoint=tmp_path / "none.pt", resume=True)


def test_every_evaluation_is_counted_and_every_proposal() -> None:
    calls = []

    def target(x: Array) -> Array:
        calls.append(len(x))
        return Normal()(x)

    data = sampler(target, proposal="mixture").run(5, STARTS)
    found = diagnostics(data)
    assert found["evaluations"] == sum(calls) == 8 * (1 + 6 + 4 + 2 + 5)
    accepted = data.sample_stats.accepted.values
    share = found["acceptance"]["draws"]
    by_hand = {"global": accepted[data.sample_stats.global_step.values]}
    assert share["global"] == pytest.approx(by_hand["global"].mean())


def test_training_while_drawing_is_another_chain() -> None:
    frozen = sampler(Normal(), proposal="mixture").run(9, STARTS)
    adapting = sampler(Normal(), proposal="mixture", adapt_forever=True).run(9, STARTS)
    assert frozen.posterior.isel(draw=slice(4)).equals(adapting.posterior.isel(draw=slice(4)))
    assert not frozen.posterior.equals(adapting.posterior)


def test_hot_walkers_draw_from_a_flatter_density_in_the_rounds_only() -> None:
    plan = {"walkers": 300, "warmup": 40, "rounds": 1, "round_steps": 60, "settle": 20, "hot_share": 0.5}
    starts = np.random.default_rng(4).normal(size=(300, 2))
    data = sampler(Normal(), proposal="mixture", **plan).run(40, starts)
    assert Plan(walkers=300, hot_share=0.5).round_betas(2).tolist() == [1.0, 0.5] * 150
    in_round, drawn = data.warmup_posterior["x0"].values[:, 60:100], data.posterior["x0"].values
    for values, variances in ((in_round, (1, 2)), (drawn, (1, 1))):
        found = [float(values[first::2].var()) for first in (0, 1)]
        assert found == pytest.approx(variances, rel=0.15)
    x = np.stack([data.warmup_posterior[name].values[:, 60:100].ravel() for name in ("x0", "x1")], axis=1)
    assert data.warmup_sample_stats["lp"].values[:, 60:100].ravel() == pytest.approx(Normal()(x))


def test_himmelblau_in_twenty_thousand_evaluations() -> None:
    """All four modes with their weights, and all moments within their errors."""
    target = Himmelblau()
    bounds = [tuple(pair) for pair in target.box]
    run = AssistedSampler(target.log_density, 2, bounds=bounds, vectorize=True, seed=5, walkers=64, warmup=100,
                          rounds=1, round_steps=40, settle=10, training_steps=100)  # fmt: skip
    data = run.run(160)
    assert run.evaluations < 20_000
    x = np.stack([data.posterior[name].values for name in ("x0", "x1")], axis=-1)
    by_walker = target.statistics(x.reshape(-1, 2)).reshape(64, 160, -1).mean(1)
    z = (by_walker.mean(0) - target.expected) / (by_walker.std(0, ddof=1) / 8)
    assert np.abs(z).max() < 4
    occupancy = np.bincount(target.mode_of(x.reshape(-1, 2)), minlength=4) / x[..., 0].size
    assert np.abs(occupancy - target.mode_weights).max() < 0.04
    assert diagnostics(data)["acceptance"]["draws"]["global"] > 0.6


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"walkers": 3}, "walkers 3 is impossible"), ({"global_share": 0.0}, "global_share 0"),
     ({"start_beta": 2.0}, "start_beta 2"),
     ({"hot_share": 1.0}, "hot_share 1"), ({"wlkers": 9}, "'wlkers' is unknown"), ({"proposal": "gan"}, "'gan'")],
)  # fmt: skip
def test_impossible_settings_are_refused(settings: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(InputError, match=words):
        AssistedSampler(Normal(), 2, **settings)


def test_starts_must_fit() -> None:
    with pytest.raises(InputError, match="'initial' must say"):
        sampler(Normal()).run(2)
    with pytest.raises(InputError, match=r"give \(8, 2\)"):
        sampler(Normal()).run(2, STARTS[:4])
    with pytest.raises(InputError, match="the density vanishes at the start"):
        sampler(lambda x: np.full(len(x), -np.inf)).run(2, STARTS)
    with pytest.raises(InputError, match="steps are impossible"):
        sampler(Normal()).run(0, STARTS)
