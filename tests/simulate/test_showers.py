"""The parametrised simulation of showers: closed forms, its fit, and the data set."""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import dblquad

from cloudchamber.errors import InputError
from cloudchamber.events import Cells, Geometry, Showers
from cloudchamber.formats import showers as files
from cloudchamber.simulate.shower_fit import Calorimeter, fit, quadrant, ring_shares, shower_shapes, statistics
from cloudchamber.simulate.showers import Constants, Stream, load_constants, profiles, simulate_showers, spot_energies

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"


@pytest.fixture(scope="module")
def constants() -> Constants:
    return load_constants()


@pytest.fixture(scope="module")
def tens(constants: Constants) -> Showers:
    """Showers of 10 GeV."""
    return simulate_showers(np.full(2_000, 1e4), Stream.of(1, 0), constants)


def test_the_content_of_a_quadrant_is_the_integral_of_the_density() -> None:
    radius = 7.0
    for x, y in ((3.0, -2.0), (-12.0, 5.0), (20.0, 20.0)):
        found, _ = dblquad(
            lambda v, u: radius**2 / (np.pi * (u**2 + v**2 + radius**2) ** 2), -4_000, x, -4_000, y, epsabs=1e-7
        )
        assert float(quadrant(np.array(x), np.array(y), np.array(radius))) == pytest.approx(found, abs=2e-3)
    far = np.array([1e9])
    assert quadrant(far, far, np.array([radius]))[0] == pytest.approx(1.0)
    assert quadrant(-far, far, np.array([radius]))[0] == pytest.approx(0.0, abs=1e-7)


def test_shares_of_rings_are_those_of_drawn_places() -> None:
    rng, radius, edges = np.random.default_rng(2), 4.0, np.array([0.0, 5.0, 10.0, 20.0, 80.0])
    n = 400_000
    u = rng.random(n)
    r, phi, impact = radius * np.sqrt(u / (1 - u)), 2 * np.pi * rng.random(n), 5 * (rng.random((n, 2)) - 0.5)
    largest = np.maximum(np.abs(impact[:, 0] + r * np.cos(phi)), np.abs(impact[:, 1] + r * np.sin(phi)))
    drawn = np.histogram(largest, edges)[0] / n
    np.testing.assert_allclose(ring_shares(np.array([radius]), edges, 5.0)[0], drawn, atol=4 * np.sqrt(0.25 / n))


def test_mean_profiles_are_gamma_densities(constants: Constants) -> None:
    """With no fluctuations, the expected energies sum to the response, and peak at T."""
    still = constants.model_copy(
        update={name: getattr(constants, name).model_copy(update={"at_zero": 1e9})
                for name in ("maximum_spread", "shape_spread")}
    )  # fmt: skip
    found = profiles(np.array([1e3, 1e4]), Stream.of(1, 0), still)
    ln_y = np.log(np.array([1e3, 1e4]) / constants.critical_energy)
    np.testing.assert_allclose(found.maximum, constants.maximum(ln_y), rtol=1e-6)
    expected = constants.response(ln_y) * np.array([1e3, 1e4])
    np.testing.assert_allclose(found.visible.sum(1), expected, rtol=0.03)  # leakage, and sums for integrals
    peak = np.array(constants.depth)[found.visible.argmax(1)]
    assert np.abs(peak - found.maximum).max() <= constants.step


def test_spots_have_the_energies_of_the_table(constants: Constants) -> None:
    drawn = spot_energies(100_000, Stream.of(1, 0), constants)
    assert drawn.mean() == pytest.approx(constants.spot_energy, abs=4 * drawn.std() / np.sqrt(len(drawn)))
    assert drawn.min() >= constants.geometry.threshold


def test_sampling_fluctuations_are_those_of_spots(constants: Constants, tens: Showers) -> None:
    """Of a compound Poisson law: variance over mean is <e^2> / <e>; shapes that vary add a little by leakage."""
    drawn = spot_energies(100_000, Stream.of(1, 0), constants)
    visible = tens.visible_energy
    expected = float((drawn**2).mean() / drawn.mean())
    assert visible.var() / visible.mean() == pytest.approx(expected, rel=0.15)


def test_showers_are_impossible_nowhere(tens: Showers) -> None:
    checked = Showers.of(
        tens.incident_energy, tens.counts, tens.cells, tens.energy, geometry=Geometry.tungsten_silicon()
    )
    assert checked.geometry == tens.geometry
    assert tens.energy.min() >= 0.02


def test_showers_do_not_depend_on_those_after_them(constants: Constants) -> None:
    energies = np.geomspace(600, 15_000, 50)
    long, short = (simulate_showers(energies[:n], Stream.of(3, 7), constants) for n in (50, 20))
    again = long[:20]
    assert np.array_equal(again.counts, short.counts)
    assert np.array_equal(again.energy, short.energy)
    assert np.array_equal(again.cells.first, short.cells.first)


def test_the_shipped_constants_describe_the_data_set(constants: Constants) -> None:
    """Response, resolution, depth and number of hits of the showers of the sample."""
    sample = files.read(SAMPLE)
    made = simulate_showers(np.tile(sample.incident_energy, 10), Stream.of(4, 0), constants)
    ratios = [s.visible_energy / s.incident_energy for s in (sample, made)]
    assert ratios[0].mean() == pytest.approx(ratios[1].mean(), abs=4 * ratios[0].std() / np.sqrt(len(sample)))
    assert sample.counts.mean() == pytest.approx(made.counts.mean(), rel=0.15)
    depth = np.array(constants.depth)
    means = [s.layer_energy.sum(0) @ depth / s.energy.sum() for s in (sample, made)]
    assert means[0] == pytest.approx(means[1], rel=0.05)
    scaled = [(r / r.mean() - 1) * np.sqrt(s.incident_energy) for r, s in zip(ratios, (sample, made), strict=True)]
    assert scaled[0].std() == pytest.approx(scaled[1].std(), rel=0.2)


def test_a_fit_to_a_simulation_gives_its_means_back(constants: Constants, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudchamber.simulate.shower_fit._ROUNDS", 4)
    energies = np.exp(np.random.default_rng(5).uniform(np.log(500), np.log(20_000), 6_000))
    truth = simulate_showers(energies, Stream.of(6, 0), constants)
    calorimeter = Calorimeter(np.array(constants.depth), constants.step, constants.critical_energy, 5.0, "a toy")
    found = fit(truth, calorimeter)
    ln_y = np.log(np.array([1e3, 5e3, 1.5e4]) / constants.critical_energy)
    for name, tolerance in (("maximum", 0.03), ("shape", 0.03), ("response", 0.01), ("maximum_spread", 0.25)):
        np.testing.assert_allclose(getattr(found, name)(ln_y), getattr(constants, name)(ln_y), rtol=tolerance)
    again = simulate_showers(energies, Stream.of(7, 0), found)
    one, two = (statistics(sample, calorimeter) for sample in (truth, again))
    assert np.abs(one.means - two.means).max() < 0.05


def test_shapes_by_moments_are_those_of_the_gamma_density() -> None:
    from scipy.stats import gamma

    depth, geometry = np.arange(1, 200) * 0.2, Geometry.pads(199, 2, 5.0)
    energy = gamma.pdf(depth, 4.0, scale=1 / 0.5) * 100
    places = np.stack([np.arange(199), np.zeros(199), np.zeros(199)]).astype(np.int64)
    shower = Showers(np.array([1e3]), np.array([199]), Cells(*places), energy, geometry)
    found = shower_shapes(shower, Calorimeter(depth, 0.2, 8.0, 5.0, "exact"))
    assert found.shape[0] == pytest.approx(4.0, rel=0.01)
    assert found.maximum[0] == pytest.approx(6.0, rel=0.01)


def test_unknown_constants_are_refused() -> None:
    with pytest.raises(InputError, match="use calo-wsi"):
        load_constants("elsewhere")
