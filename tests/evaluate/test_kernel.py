"""The kernel physics distance against closed forms and against the definition."""

import numpy as np
import pytest

from cloudchamber.evaluate.kernel import kernel_physics_distance, polynomial_mmd
from cloudchamber.evaluate.tables import Table


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    def off_diagonal(s: np.ndarray) -> float:
        matrix = (s @ s.T / s.shape[1] + 1) ** 4
        return (matrix.sum() - np.trace(matrix)) / (len(s) * (len(s) - 1))

    return off_diagonal(x) + off_diagonal(y) - 2 * ((x @ y.T / x.shape[1] + 1) ** 4).mean()


@pytest.mark.parametrize(("m", "n"), [(30, 30), (120, 77)])
def test_it_is_the_unbiased_statistic(m: int, n: int, rng: np.random.Generator) -> None:
    x, y = rng.uniform(-1, 1, (m, 6)), rng.uniform(-1, 1.2, (n, 6))
    assert polynomial_mmd(x, y) == pytest.approx(by_definition(x, y), rel=1e-4, abs=1e-6)


def test_gaussians_in_one_dimension_have_a_closed_form(rng: np.random.Generator) -> None:
    """MMD^2 = sum_k binom(4, k) (E[x^k] - E[y^k])^2 for k(x, y) = (x y + 1)^4."""
    shift = 0.5
    x, y = rng.normal(size=(4000, 1)), rng.normal(shift, 1.0, (4000, 1))
    moments = (0, 1, 0, 3), (shift, 1 + shift**2, 3 * shift + shift**3, 3 + 6 * shift**2 + shift**4)
    expected = sum(c * (a - b) ** 2 for c, a, b in zip((4, 6, 4, 1), *moments, strict=True))
    assert polynomial_mmd(x, y) == pytest.approx(expected, rel=0.25)


def test_equal_distributions_give_zero_on_average(rng: np.random.Generator) -> None:
    values = [polynomial_mmd(rng.normal(size=(100, 3)) / 3, rng.normal(size=(100, 3)) / 3) for _ in range(200)]
    assert np.mean(values) == pytest.approx(0.0, abs=4 * np.std(values) / np.sqrt(200))
    assert min(values) < 0


def test_weights_undo_a_selection(rng: np.random.Generator) -> None:
    x = rng.uniform(size=(40_000, 1))
    kept = x[rng.uniform(size=len(x)) < x[:, 0]]
    reference = Table.of(rng.uniform(size=(20_000, 1)))
    biased, weighted = (
        kernel_physics_distance(reference, Table(kept, weight), rng, batch=2000)[0]
        for weight in (np.ones(len(kept)), 1 / kept[:, 0])
    )
    assert biased.value > 0.3
    assert weighted.value == pytest.approx(0.0, abs=0.05)
    assert weighted.error < 0.05
