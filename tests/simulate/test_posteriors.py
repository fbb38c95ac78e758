"""The truth about the targets, against draws and against known properties."""

import numpy as np
import pytest

from cloudchamber.simulate.posteriors import EggBox, Funnel, Himmelblau, NormalModes, known_posteriors

KNOWN = known_posteriors()


@pytest.mark.parametrize("name", ["rosenbrock", "mixture-2d", "mixture-10d", "gaussian-10d", "funnel"])
def test_expectations_are_those_of_draws(name: str) -> None:
    target = KNOWN[name]
    values = target.statistics(target.sample(200_000, np.random.default_rng(1)))  # type: ignore[attr-defined]
    pulls = (values.mean(0) - target.expected) / (values.std(0) / len(values) ** 0.5)
    assert np.abs(pulls).max() < 4.5


@pytest.mark.parametrize("name", ["rosenbrock", "mixture-2d", "funnel", "gaussian-10d"])
def test_draws_are_of_the_density(name: str) -> None:
    """E over draws of g(x) / p(x) is the integral of g, a normal density here."""
    target = KNOWN[name]
    x = target.sample(100_000, np.random.default_rng(2))  # type: ignore[attr-defined]
    size = x.shape[1]
    zero = {"rosenbrock": np.log(2 * np.pi * np.sqrt(10) * np.sqrt(0.1)), "funnel": np.log(2 * np.pi * 3),
            "mixture-2d": np.log(2 * np.pi), "gaussian-10d": 5 * np.log(2 * np.pi)}[name]  # fmt: skip
    centre, width = target.sample(1, np.random.default_rng(3))[0], 0.2  # type: ignore[attr-defined]
    centre = {"funnel": np.zeros(2), "gaussian-10d": np.zeros(10)}.get(name, centre)
    width = {"gaussian-10d": 0.45, "rosenbrock": 0.15}.get(name, width)
    log_g = -(((x - centre) / width) ** 2).sum(1) / 2 - size * np.log(width * np.sqrt(2 * np.pi))
    ratio = np.exp(log_g - (target.log_density(x) - zero))
    assert ratio.mean() == pytest.approx(1, abs=5 * ratio.std() / len(x) ** 0.5)


def test_the_four_minima() -> None:
    target = Himmelblau()
    assert np.abs(target.log_density(target.centres)).max() < 1e-8
    assert target.mode_weights.sum() == pytest.approx(1)
    assert target.mode_of(target.centres).tolist() == [0, 1, 2, 3]


def test_the_egg_box_holds_full_half_and_quarter_peaks() -> None:
    target = EggBox()
    assert len(target.centres) == 18
    assert np.abs(target.log_density(target.centres)).max() < 1e-8
    full = target.mode_weights.max()
    on_edge = ((target.centres < 0.1) | (target.centres > 31.3)).sum(1)
    assert target.mode_weights == pytest.approx(full / 2.0**on_edge, rel=2e-3)


def test_modes_that_a_local_chain_never_leaves() -> None:
    target = KNOWN["mixture-10d"]
    assert isinstance(target, NormalModes)
    gap = np.linalg.norm(target.means[:, None] - target.means, axis=-1)[np.triu_indices(4, 1)]
    middle = (target.means[0] + target.means[2])[None] / 2
    assert gap.min() > 10
    assert target.log_density(middle)[0] < target.log_density(target.means).min() - 8


def test_the_funnel_is_normal_in_its_own_coordinates() -> None:
    target = Funnel(4)
    x = target.sample(3, np.random.default_rng(1))
    t = x[:, 1:] * np.exp(-x[:, :1] / 2)
    expected = -(x[:, 0] ** 2) / 18 - (t**2).sum(1) / 2 - 3 * x[:, 0] / 2
    assert target.log_density(x) == pytest.approx(expected)
