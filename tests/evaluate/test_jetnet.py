"""The same numbers as the `jetnet` package where it is installed: W1, FPD, KPD and coverage."""

import warnings
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from cloudchamber.evaluate.energy_mover import Cloud, match
from cloudchamber.evaluate.frechet import frechet_physics_distance
from cloudchamber.evaluate.jetnet_w1 import jetnet_w1
from cloudchamber.evaluate.kernel import kernel_physics_distance
from cloudchamber.evaluate.sample import Column
from cloudchamber.evaluate.tables import Measured, Table

N, PARTICLES = 50_000, 6


@pytest.fixture(scope="module")
def jetnet() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluation: ModuleType = pytest.importorskip("jetnet.evaluation", exc_type=ImportError)
    return evaluation


@pytest.fixture(scope="module")
def transport() -> ModuleType:
    """The compiled transport that `jetnet` needs for coverage; its wheels want numpy 1."""
    module: ModuleType = pytest.importorskip("wasserstein.wasserstein", exc_type=ImportError)
    return module


def jets(seed: int, shift: float = 0.0) -> np.ndarray:
    """Eta, phi and pT of six particles in each event, shape (N, 6, 3)."""
    rng = np.random.default_rng(seed)
    shape = N, PARTICLES
    eta, phi, pt = rng.normal(shift, 1.0, shape), rng.uniform(-np.pi, np.pi, shape), rng.exponential(1 + shift, shape)
    return np.stack([eta, phi, pt], axis=-1)


def features(seed: int, shift: float = 0.0) -> Table:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(8, 8))
    return Table.of(rng.normal(shift, 1.0, (N, 8)) @ mixing)


@pytest.fixture
def close(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Agreement within four standard errors; `--junitxml` keeps the numbers."""

    def check(name: str, one: Measured, value: float, error: float) -> None:
        record_property(name, f"{one.value:.6f} ± {one.error:.6f}; jetnet {value:.6f} ± {error:.6f}")
        assert one.value == pytest.approx(value, abs=4 * float(np.hypot(one.error, error)))

    return check


@pytest.mark.filterwarnings("ignore")
def test_w1p(jetnet: ModuleType, close: Callable[..., None]) -> None:
    one, two = jets(1), jets(2, 0.1)
    means, spreads = jetnet.w1p(one, two)
    for k in range(3):
        columns = (Column(x[..., k].ravel(), PARTICLES * np.arange(N + 1), np.ones(N)) for x in (one, two))
        found = jetnet_w1(*columns, np.random.default_rng(3))
        close(f"w1p of {('eta', 'phi', 'pT')[k]}", found, means[k], spreads[k])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_fpd_and_kpd(shift: float, jetnet: ModuleType, close: Callable[..., None]) -> None:
    real, generated = features(4), features(5, shift)
    for name, function, theirs in (
        ("FPD", frechet_physics_distance, jetnet.fpd), ("KPD", kernel_physics_distance, jetnet.kpd),
    ):  # fmt: skip
        value, error = theirs(real.x, generated.x)
        found = function(real, generated, np.random.default_rng(6))[0]
        close(name, found, value, error)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("transport")
def test_coverage_and_mmd(jetnet: ModuleType, close: Callable[..., None]) -> None:
    real, generated = jets(7)[:400], jets(8, 0.2)[:400]
    batches = [jetnet.cov_mmd(real, generated, num_eval_samples=60, num_batches=1, use_tqdm=False) for _ in range(8)]
    (coverage, distance), spread = np.mean(batches, axis=0), np.std(batches, axis=0) / np.sqrt(8)
    rng, ours = np.random.default_rng(9), []
    for _ in range(8):
        clouds = [[Cloud(e[:, 2], e[:, 0], e[:, 1]) for e in x[rng.choice(400, 60)]] for x in (real, generated)]
        found = match(*clouds, periodic=False)
        ours.append((found.coverage, found.nearest.mean()))
    means, errors = np.mean(ours, axis=0), np.std(ours, axis=0) / np.sqrt(8)
    close("COV", Measured(means[0], errors[0]), coverage, spread[0])
    close("MMD", Measured(means[1], errors[1]), distance, spread[1])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("transport")
def test_the_energy_movers_distance_itself() -> None:
    from energyflow.emd import emd

    from cloudchamber.evaluate.energy_mover import energy_movers_distance

    for one, two in zip(jets(10)[:30], jets(11)[:30], strict=True):
        clouds = (Cloud(e[:, 2], e[:, 0], e[:, 1]) for e in (one, two))
        theirs = emd(one[:, [2, 0, 1]], two[:, [2, 0, 1]])
        assert energy_movers_distance(*clouds, periodic=False) == pytest.approx(theirs)
