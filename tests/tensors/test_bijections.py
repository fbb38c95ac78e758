"""Invertible maps: inverse, Jacobian and the distribution that they promise."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from cloudchamber.tensors.bijections import Affine, Bounded, TabulatedMap

N = 20_000
SAMPLES = [stats.lognorm(0.8), stats.gamma(2.0), stats.norm(3.0, 0.1)]


def drawn(seed: int, n: int = N) -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return [distribution.rvs(n, random_state=rng) for distribution in SAMPLES]


@pytest.fixture(scope="module", params=["normal", "rayleigh"])
def fitted(request: pytest.FixtureRequest) -> TabulatedMap:
    return TabulatedMap.fit(drawn(1), request.param)


def values(seed: int = 2, n: int = 500) -> tuple[Tensor, Tensor]:
    """Fresh values of every row, some outside the fitted range, and their rows."""
    v = np.stack([np.concatenate([s, [1.5 * s.max(), 3 * s.max()]]) for s in drawn(seed, n)])
    return torch.from_numpy(v), torch.arange(len(v))[:, None].expand(v.shape)


def test_inverse_undoes_forward_also_beyond_the_fitted_range(fitted: TabulatedMap) -> None:
    v, row = values()
    torch.testing.assert_close(fitted.inverse(fitted.forward(v, row), row), v, rtol=1e-12, atol=1e-12)
    z = torch.linspace(-7, 7, 501).double().expand(3, -1)
    row = torch.arange(3)[:, None].expand(z.shape)
    torch.testing.assert_close(fitted.forward(fitted.inverse(z, row), row), z, rtol=1e-9, atol=1e-9)


def test_it_is_strictly_monotone(fitted: TabulatedMap) -> None:
    v = torch.linspace(-1, 20, 5_000).double().expand(3, -1)
    z = fitted.forward(v, torch.arange(3)[:, None].expand(v.shape))
    assert (z.diff(dim=1) > 0).all()


def test_log_det_is_the_derivative(fitted: TabulatedMap) -> None:
    rows, segments = fitted.knots.shape[0], fitted.knots.shape[1] - 1
    row = torch.arange(rows)[:, None].expand(rows, segments)
    middle = (fitted.knots[:, 1:] + fitted.knots[:, :-1]) / 2
    h = (fitted.knots[:, 1:] - fitted.knots[:, :-1]) / 8
    slope = (fitted.forward(middle + h, row) - fitted.forward(middle - h, row)) / (2 * h)
    torch.testing.assert_close(fitted.log_det(middle, row), slope.log(), rtol=0, atol=1e-6)


def test_it_agrees_with_an_independent_interpolation(fitted: TabulatedMap) -> None:
    v, row = values()
    for r in range(3):
        grid = np.linspace(float(fitted.low[r]), float(fitted.high[r]), fitted.knots.shape[1])
        inside = ((v[r] > fitted.knots[r, 0]) & (v[r] < fitted.knots[r, -1])).numpy()
        expected = np.interp(v[r].numpy()[inside], fitted.knots[r].numpy(), grid)
        np.testing.assert_allclose(fitted.forward(v, row)[r].numpy()[inside], expected, atol=1e-10)


def test_fresh_values_become_unit_normal() -> None:
    fitted, fresh = TabulatedMap.fit(drawn(1)), drawn(3, 3_000)
    for r, sample in enumerate(fresh):
        z = fitted.forward(torch.from_numpy(sample), torch.full((len(sample),), r))
        assert stats.kstest(z.numpy(), "norm").pvalue > 1e-3


def test_lengths_become_rayleigh_so_that_vectors_become_unit_normal() -> None:
    fitted, fresh = TabulatedMap.fit(drawn(1), "rayleigh"), drawn(3, 3_000)
    phi = np.random.default_rng(4).uniform(-np.pi, np.pi, 3_000)
    for r, sample in enumerate(fresh):
        length = fitted.forward(torch.from_numpy(sample), torch.full((len(sample),), r)).numpy()
        assert stats.kstest(length, "rayleigh").pvalue > 1e-3
        assert stats.kstest(length * np.cos(phi), "norm").pvalue > 1e-3
    assert fitted.forward(torch.zeros(3), torch.arange(3)).tolist() == [0.0, 0.0, 0.0]


def test_a_bounded_inverse_stays_in_the_range_of_the_sample(fitted: TabulatedMap) -> None:
    z = torch.tensor([-1e9, -9.0, 0.3, 9.0, 1e9]).double().expand(3, -1)
    row = torch.arange(3)[:, None].expand(z.shape)
    v = fitted.inverse(z, row, bounded=True)
    for r, sample in enumerate(drawn(1)):
        assert v[r].min() == fitted.knots[r, 0]
        assert v[r].max() == sample.max()
    inside = (z >= fitted.low[:, None]) & (z <= fitted.high[:, None])
    torch.testing.assert_close(v[inside], fitted.inverse(z, row)[inside])


def test_rows_are_independent_maps() -> None:
    v, row = values()
    together = TabulatedMap.fit(drawn(1)).forward(v, row)
    for r, sample in enumerate(drawn(1)):
        alone = TabulatedMap.fit([sample])
        torch.testing.assert_close(alone.forward(v[r], torch.zeros_like(row[r])), together[r], rtol=0, atol=0)


def test_values_that_repeat_keep_the_map_invertible() -> None:
    sample = np.repeat([0.0, 1.0, 1.0, 1.0, 2.0], 100)
    fitted = TabulatedMap.fit([sample])
    assert (fitted.knots.diff(dim=1) > 0).all()
    v, row = torch.tensor([0.0, 0.5, 1.0, 2.0]).double(), torch.zeros(4, dtype=torch.long)
    torch.testing.assert_close(fitted.inverse(fitted.forward(v, row), row), v, rtol=0, atol=1e-9)
    assert fitted.log_det(v, row).isfinite().all()


def test_state_holds_the_whole_map(fitted: TabulatedMap) -> None:
    again = TabulatedMap.from_state(fitted.state())
    v, row = values()
    assert torch.equal(again.forward(v, row), fitted.forward(v, row))


def test_affine_maps_invert_and_know_their_jacobian() -> None:
    v = torch.randn(40, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    affine = Affine(torch.tensor([1.0, -2.0, 0.5]).double(), torch.randn(3, 3, dtype=torch.float64) + 3 * torch.eye(3))
    torch.testing.assert_close(affine.inverse(affine.forward(v)), v)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda one: affine.forward(one[None])[0]))(v)
    torch.testing.assert_close(affine.log_det(v), torch.linalg.det(jacobian).abs().log())


def test_whitening_makes_unit_covariance() -> None:
    v = torch.randn(500, 3, dtype=torch.float64) @ torch.randn(3, 3, dtype=torch.float64) + 4
    z = Affine.whitening(v).forward(v)
    torch.testing.assert_close(z.mean(0), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(z.T.cov(), torch.eye(3, dtype=torch.float64))
    one = v[:, :1]
    assert float(Affine.whitening(one).forward(one).std()) == pytest.approx(1)


INFINITY = float("inf")


def test_bounds_have_their_inverse_and_jacobian() -> None:
    """An interval, two half-lines and a line."""
    bounds = torch.tensor([[-1.0, 2.0], [3.0, INFINITY], [-INFINITY, -4.0], [-INFINITY, INFINITY]]).double()
    bounded = Bounded(*bounds.T)
    z = 2 * torch.randn(50, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    v = bounded.inverse(z)
    assert ((v > bounds[:, 0]) & (v < bounds[:, 1])).all()
    torch.testing.assert_close(bounded.forward(v), z)
    jacobian = torch.autograd.functional.jacobian(lambda one: bounded.inverse(one[None])[0], z[0])
    torch.testing.assert_close(bounded.log_slope(z[:1])[0], torch.linalg.slogdet(jacobian).logabsdet)
    torch.testing.assert_close(bounded.log_det(v), -bounded.log_slope(z))


def test_the_slope_is_known_where_values_have_run_into_a_bound() -> None:
    unit = Bounded(torch.zeros(1), torch.ones(1))
    z = torch.tensor([[60.0]]).double()
    assert unit.inverse(z).item() == 1
    assert unit.log_slope(z).item() == pytest.approx(-60)


def test_densities_and_probabilities_of_ties_sum_to_one() -> None:
    """A third of the sample is one number: it has a probability, all else a density."""
    rng = np.random.default_rng(3)
    sample = np.concatenate([rng.normal(0, 1, 8_000), np.full(4_000, 0.25)])
    fitted = TabulatedMap.fit([sample])
    v = torch.linspace(-5, 5, 200_001, dtype=torch.float64)
    v = v[(v - 0.25).abs() > 1e-4]
    row = torch.zeros(len(v), dtype=torch.long)
    spread = float(fitted.normal_log_density(v, row).exp().sum() * 5e-5)
    at_tie = float(fitted.normal_log_density(torch.tensor([0.25]).double(), row[:1]).exp())
    assert at_tie == pytest.approx(1 / 3, abs=0.04)
    assert spread + at_tie == pytest.approx(1, abs=2e-3)
