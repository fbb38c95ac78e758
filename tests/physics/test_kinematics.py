"""Lab observables against the `vector` library and against decays with a known mass."""

import awkward as ak
import numpy as np
import pytest

from cloudchamber.events import Beams, Events
from cloudchamber.physics.kinematics import (
    SMALLEST_SINE,
    Momenta,
    azimuth_difference,
    center_of_mass_energy,
    jagged_pairs,
    pair_mass,
)

BEAMS = Beams.parse("10x275")


def momenta(events: Events) -> Momenta:
    return Momenta(*(events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass")))


@pytest.mark.parametrize("name", ["pt", "eta", "phi", "energy", "rapidity"])
def test_observables_agree_with_vector(name: str, stable_events: Events) -> None:
    doubled = ak.values_astype(stable_events.particles, np.float64)
    expected = ak.to_numpy(ak.flatten(getattr(doubled, "E" if name == "energy" else name)))
    np.testing.assert_allclose(getattr(momenta(stable_events), name), expected, rtol=1e-9, atol=1e-9)


def test_z_is_the_definition_of_arxiv_2410_22421(stable_events: Events) -> None:
    p = momenta(stable_events)
    expected = 2 * p.pt * np.cosh(p.eta) / center_of_mass_energy(BEAMS)
    np.testing.assert_allclose(p.z(BEAMS), expected, rtol=1e-9)


def test_pseudorapidity_stays_finite_along_the_beam_and_at_rest() -> None:
    pz = np.array([100.0, -100.0, 0.0])
    eta = Momenta(np.zeros(3), np.zeros(3), pz, np.ones(3)).eta
    limit = np.arcsinh(1 / SMALLEST_SINE)
    np.testing.assert_allclose(eta, [limit, -limit, 0.0])


def test_azimuth_difference_is_the_short_way_round() -> None:
    a, b = np.random.default_rng(1).uniform(-np.pi, np.pi, (2, 1000))
    difference = azimuth_difference(a, b)
    assert np.abs(difference).max() <= np.pi
    np.testing.assert_allclose(np.cos(difference), np.cos(a - b), atol=1e-12)


def test_jagged_pairs_are_those_of_awkward() -> None:
    counts = np.random.default_rng(2).poisson(2.0, 50)
    other = np.random.default_rng(3).poisson(1.0, 50)
    offsets, others = (np.concatenate([[0], np.cumsum(c)]) for c in (counts, other))
    rows = ak.unflatten(np.arange(offsets[-1]), counts)
    columns = ak.unflatten(np.arange(others[-1]), other)
    same, cross = ak.flatten(ak.combinations(rows, 2)), ak.flatten(ak.cartesian([rows, columns]))
    for found, expected in ((jagged_pairs(offsets), same), (jagged_pairs(offsets, others), cross)):
        np.testing.assert_array_equal(found, [ak.to_numpy(expected["0"]), ak.to_numpy(expected["1"])])


def two_photons(boost: float, rng: np.random.Generator) -> np.ndarray:
    """Photons (E, px, py, pz) of 200 pi0 decays at rest along random axes, boosted along z."""
    axis = rng.normal(size=(200, 3))
    axis *= 0.13498 / 2 / np.linalg.norm(axis, axis=1, keepdims=True)
    both = np.stack([axis, -axis])
    energy = np.linalg.norm(both, axis=2)
    gamma, beta_gamma = np.cosh(boost), np.sinh(boost)
    pz = gamma * both[..., 2] + beta_gamma * energy
    return np.stack([gamma * energy + beta_gamma * both[..., 2], both[..., 0], both[..., 1], pz], axis=-1)


@pytest.mark.parametrize("boost", [0.0, 3.0, 6.5])
def test_the_pi0_stays_narrow_in_single_precision(boost: float) -> None:
    photons = two_photons(boost, np.random.default_rng(4)).astype(np.float32).astype(np.float64)
    one, two = (Momenta(p[:, 1], p[:, 2], p[:, 3], np.zeros(len(p))) for p in photons)
    assert np.abs(pair_mass(one, two) - 0.13498).max() < 2e-4


def test_massive_pairs_have_the_mass_of_their_sum(stable_events: Events) -> None:
    p = momenta(stable_events)
    rows = np.random.default_rng(5).integers(0, len(p.px), (2, 500))
    a, b = p.take(rows[0]), p.take(rows[1])
    total = a.four_vectors() + b.four_vectors()
    expected = total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1)
    np.testing.assert_allclose(pair_mass(a, b) ** 2, expected, rtol=1e-6, atol=1e-6)
