"""The electron's scores: invertible, unit normal, with the Jacobian they claim."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from cloudchamber.events import Beams, Events
from cloudchamber.physics.dis import dis_variables, electron_momentum
from cloudchamber.represent.cloud import CloudRepresentation, four_momenta
from cloudchamber.represent.electron import ElectronCoordinates

BEAMS = Beams(electron=10, hadron=275)
S = 4 * 10 * 275
Array = NDArray[np.float64]


@pytest.fixture
def electron(representation: CloudRepresentation) -> ElectronCoordinates:
    return representation.electron


def test_decoding_undoes_encoding(electron: ElectronCoordinates, sample: Events) -> None:
    scattered = four_momenta(sample.electron)
    phi = np.arctan2(scattered[:, 2], scattered[:, 1])
    again = electron.decode(electron.encode(scattered), phi)
    before, after = dis_variables(scattered, BEAMS), dis_variables(again, BEAMS)
    np.testing.assert_allclose(after.Q2, before.Q2, rtol=1e-5)
    np.testing.assert_allclose(after.y, before.y, rtol=1e-5)
    np.testing.assert_allclose(again, scattered, atol=2e-4)


def test_scores_of_fresh_electrons_are_unit_normal(electron: ElectronCoordinates, primary_events: Events) -> None:
    scores = electron.encode(four_momenta(primary_events.electron))
    assert scores.dtype == torch.float32
    for column in scores.T:
        assert stats.kstest(column.numpy(), "norm").pvalue > 1e-3


def test_every_score_is_inside_the_edges(electron: ElectronCoordinates) -> None:
    """Whatever is drawn: Q2 above its cut, x at most 1, and pT above the generator's cut."""
    scores = torch.tensor(np.random.default_rng(1).normal(0, 3, (4_000, 2)))
    scattered = electron.decode(scores, np.zeros(4_000))
    found = scattered[np.isfinite(scattered).all(1)]
    assert len(found) > 0.95 * len(scattered)
    Q2, x, y, _ = dis_variables(found, BEAMS)
    assert Q2.min() > 25 * (1 - 1e-3)
    assert x.max() < 1 + 1e-3
    assert y.max() < 1
    assert np.hypot(found[:, 1], found[:, 2]).min() > 0.95


def test_log_det_is_the_numerical_jacobian(electron: ElectronCoordinates, sample: Events) -> None:
    r"""d(scores) / d(ln Q2, ln y) by central differences of ln Q2 and (ln y - ln y_lo) / (ln y_hi - ln y_lo)."""
    scattered = four_momenta(sample[:200].electron)
    inclusive = dis_variables(scattered, BEAMS)
    start, h = np.stack([np.log(inclusive.Q2), np.log(inclusive.y)]), 1e-6

    def scores(at: Array) -> Array:
        low, high = at[0] - np.log(S), np.log(1 - electron.pt_min**2 / np.exp(at[0]))
        values = np.stack([at[0], (at[1] - low) / (high - low)], axis=-1)
        return electron.quantiles.forward(torch.from_numpy(values), torch.arange(2).expand(values.shape)).numpy()

    columns = [(scores(start + h * step) - scores(start - h * step)) / (2 * h) for step in np.eye(2)[:, :, None]]
    expected = np.log(np.abs(np.linalg.det(np.stack(columns, axis=-1))))
    error = np.abs(electron.log_det(scattered).numpy() - expected)
    assert np.median(error) < 1e-6
    assert np.quantile(error, 0.95) < 1e-3  # the differences of a few straddle a knot
    np.testing.assert_allclose(scores(start), electron.encode(scattered).numpy(), atol=1e-5)


def test_azimuth_is_the_one_that_is_given(electron: ElectronCoordinates) -> None:
    phi = np.linspace(-3, 3, 7)
    made = electron.decode(torch.zeros(7, 2), phi)
    np.testing.assert_allclose(np.arctan2(made[:, 2], made[:, 1]), phi)
    Q2, _, y, _ = dis_variables(made, BEAMS)
    turned = electron_momentum(np.full(7, Q2[0]), np.full(7, y[0]), phi, BEAMS)
    np.testing.assert_allclose(made, turned, rtol=1e-9)
