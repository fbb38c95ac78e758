"""Sum rules of the proton's shape."""

import numpy as np
import pytest
from scipy.integrate import quad

from cloudchamber.physics.parton_shape import ProtonShape, valence

SHAPE = ProtonShape(*(np.array([v]) for v in (0.6, 2.7, 0.15, 0.2, 9.0)))


def of(quark: int, x: float) -> float:
    return float(SHAPE.density(np.array([x]))[quark][0])


@pytest.mark.parametrize(("quark", "number"), [(1, 1.0), (2, 2.0), (3, 0.0)])
def test_a_proton_has_two_up_and_one_down(quark: int, number: float) -> None:
    assert quad(lambda x: (of(quark, x) - of(-quark, x)) / x, 0, 1, limit=200)[0] == pytest.approx(number, abs=1e-6)


def test_many_shapes_at_once() -> None:
    x = np.array([0.1, 0.5])
    a, b, c = (np.array([[u], [v]]) for u, v in ((0.5, 0.7), (3.0, 2.0), (0.0, 1.0)))
    both = valence(x, 2.0, a, b, c)
    for k in range(2):
        assert both[k] == pytest.approx(valence(x, 2.0, a[k], b[k], c[k]))
