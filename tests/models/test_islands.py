"""Islands of points whose number is known, whatever their sizes."""

import numpy as np
import pytest

from cloudchamber.models.islands import islands

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("ndim", [1, 2, 6])
def test_modes_of_very_different_width_are_islands(ndim: int) -> None:
    sizes, counts = (1.0, 0.01, 1e-4), (400, 60, 100)
    x = np.concatenate([5.0 * k + s * RNG.standard_normal((n, ndim))
                        for k, (s, n) in enumerate(zip(sizes, counts, strict=True))])  # fmt: skip
    truth = np.repeat(np.arange(3), counts)
    found = islands(x, least=5 * (ndim + 1))
    assert all(len(set(truth[found == label])) == 1 for label in np.unique(found))
    assert len(np.unique(found)) == 3 if ndim > 1 else len(np.unique(found)) >= 3


def test_few_points_belong_to_the_nearest_island() -> None:
    walker = np.array([[30.0, 0.0], [29.0, 0.1], [28.0, 0.0]])
    x = np.concatenate([RNG.standard_normal((200, 2)), np.array([50.0, 0.0]) + RNG.standard_normal((200, 2)), walker])
    found = islands(x, least=15)
    assert len(np.unique(found)) == 2
    assert (found[-3:] == found[300]).all()


def test_points_that_stay_count_once() -> None:
    held = np.repeat([[9.0, 9.0]], 500, axis=0)
    found = islands(np.concatenate([RNG.standard_normal((300, 2)), held]), least=15)
    assert (found == 0).all()


def test_too_few_points_are_one_island() -> None:
    assert (islands(RNG.standard_normal((5, 2)), least=3) == 0).all()
