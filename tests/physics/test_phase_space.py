import numpy as np
import pytest

from cloudchamber.physics.phase_space import Plane, Square, from_square, to_square


@pytest.fixture(params=[820.0, 19_800.0], ids=lambda s: f"s={s:.0f}")
def s(request: pytest.FixtureRequest) -> float:
    return float(request.param)


def test_the_plane_undoes_the_square(s: float) -> None:
    rng = np.random.default_rng(1)
    square = Square(rng.uniform(0, 0.99, 1_000), rng.uniform(-1, 1, 1_000))
    back = to_square(from_square(square, s, 1.0), s, 1.0)
    np.testing.assert_allclose(back.a, square.a, atol=1e-9)
    np.testing.assert_allclose(back.b, square.b, atol=1e-7)


def test_the_edges_of_the_square_are_those_of_phase_space(s: float) -> None:
    line = np.linspace(0, 0.99, 50)
    for side in (-1.0, 1.0):
        plane = from_square(Square(line, np.full(50, side)), s, 1.0)
        np.testing.assert_allclose(plane.Q2 / (s * plane.y), 1.0, rtol=1e-9)  # x = 1
    plane = from_square(Square(np.zeros(50), 2 * line - 0.99), s, 1.5)
    np.testing.assert_allclose(plane.Q2 * (1 - plane.y), 1.5**2)  # pT = pT_min


def test_every_allowed_electron_is_in_the_square(s: float) -> None:
    rng = np.random.default_rng(2)
    Q2, y = np.exp(rng.uniform(0, np.log(s), 5_000)), rng.uniform(0, 1, 5_000)
    allowed = (Q2 * (1 - y) > 1) & (s * y > Q2)
    a, b = to_square(Plane(Q2[allowed], y[allowed]), s, 1.0)
    assert allowed.sum() > 100
    assert (a > 0).all()
    assert (a <= 1).all()
    assert (np.abs(b) <= 1 + 1e-9).all()
