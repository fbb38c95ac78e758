import numpy as np
import pytest

from cloudchamber.events import Beams, Events
from cloudchamber.physics import dis
from cloudchamber.physics.conservation import energies

BEAMS = Beams(electron=10, hadron=275)


def electrons(n: int = 500) -> np.ndarray:
    rng = np.random.default_rng(3)
    Q2, y, phi = rng.uniform(5, 500, n), rng.uniform(0.06, 0.9, n), rng.uniform(-np.pi, np.pi, n)
    return dis.electron_momentum(Q2, y, phi, BEAMS)


def test_massless_formulas() -> None:
    scattered = electrons()
    found = dis.dis_variables(scattered, BEAMS)
    s = 4 * 10 * 275
    assert pytest.approx(2 * 10 * (scattered[:, 0] + scattered[:, 3]), rel=1e-5) == found.Q2
    assert found.y == pytest.approx(1 - (scattered[:, 0] - scattered[:, 3]) / 20, rel=1e-4)
    assert found.x == pytest.approx(found.Q2 / (s * found.y), rel=1e-4)
    assert pytest.approx(dis.PROTON_MASS**2 + found.Q2 * (1 / found.x - 1), rel=1e-9) == found.W2


def test_electron_momentum_is_the_inverse() -> None:
    scattered = electrons()
    found = dis.dis_variables(scattered, BEAMS)
    again = dis.electron_momentum(found.Q2, found.y, np.arctan2(scattered[:, 2], scattered[:, 1]), BEAMS)
    assert np.abs(again - scattered).max() < 1e-8
    assert np.abs(dis.minkowski(again, again) - dis.ELECTRON_MASS**2).max() < 1e-9 * again[:, 0].max() ** 2


def test_outside_the_physical_region_is_nan() -> None:
    assert np.isnan(dis.electron_momentum(np.array([50.0]), np.array([1.5]), np.zeros(1), BEAMS)).any()


def test_tetrad_is_orthonormal_and_right_handed() -> None:
    axes = dis.hadronic_tetrad(electrons(), BEAMS)
    products = dis.minkowski(axes[:, :, None], axes[:, None, :])
    assert products == pytest.approx(np.broadcast_to(np.diag([1.0, -1, -1, -1]), products.shape), abs=1e-9)
    assert np.abs(np.linalg.det(axes)) == pytest.approx(np.ones(len(axes)), rel=1e-9)


def test_frame_and_back() -> None:
    scattered = electrons()
    axes = dis.hadronic_tetrad(scattered, BEAMS)
    momenta = np.random.default_rng(4).normal(size=(len(axes), 4)) * 30
    assert np.abs(dis.from_frame(dis.to_frame(momenta, axes), axes) - momenta).max() < 1e-9
    total = sum(dis.beam_momenta(BEAMS)) - scattered
    W = np.sqrt(dis.dis_variables(scattered, BEAMS).W2)
    assert dis.to_frame(total, axes) == pytest.approx(np.stack([W, 0 * W, 0 * W, 0 * W], -1), abs=1e-8)
    assert np.abs(dis.to_frame(scattered, axes)[:, 2]).max() < 1e-9


def test_pythia_respects_its_cut(stable_events: Events) -> None:
    first = stable_events.offsets[:-1]
    momentum = np.stack([energies(stable_events), *(stable_events.flat(n) for n in ("px", "py", "pz"))], -1)[first]
    found = dis.dis_variables(momentum.astype(np.float64), BEAMS)
    assert np.mean(found.Q2 > 25) > 0.98
    assert ((found.y > 0) & (found.y < 1) & (found.x < 1)).all()
