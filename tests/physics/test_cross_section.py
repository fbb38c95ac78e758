"""The reduced cross-section: closed forms, weights, and Pythia against leading order."""

import numpy as np
import pytest

from cloudchamber.events import Beams
from cloudchamber.physics.cross_section import (
    PB_GEV2,
    ElectroweakSettings,
    Plane,
    leading_order,
    measure,
    quark_couplings,
    reduction,
)
from cloudchamber.physics.kinematics import center_of_mass_energy

BEAMS = Beams(electron=10, hadron=275)
S = center_of_mass_energy(BEAMS) ** 2
PLANE = Plane.within(np.geomspace(0.01, 0.3, 6), np.geomspace(30.0, 300.0, 5), BEAMS, Q2_min=25.0, y=(0.02, 0.95))


def test_a_flat_reduced_cross_section_is_found_again() -> None:
    """Events thrown uniformly in x and Q2, with weights of a constant reduced cross-section of 0.7."""
    rng = np.random.default_rng(4)
    n = 400_000
    x, Q2 = rng.uniform(0.005, 0.5, n), rng.uniform(25.0, 500.0, n)
    inside = S * x > Q2
    weight = np.where(inside, 0.7 / reduction(x, np.minimum(Q2, 0.99 * S * x), BEAMS), 0.0)
    cross_section = weight.mean() * (0.5 - 0.005) * (500.0 - 25.0)
    found = measure(x, Q2, weight, cross_section_pb=cross_section, plane=PLANE, beams=BEAMS)
    used = PLANE.inside
    assert 8 < used.sum() < used.size
    np.testing.assert_allclose(found.value[used], 0.7, atol=5 * np.nanmax(found.error))
    pulls = (found.value[used] - 0.7) / found.error[used]
    assert np.abs(pulls).max() < 4
    assert np.isnan(found.value[~used]).all()


def test_weights_of_two_are_the_same_events_twice() -> None:
    rng = np.random.default_rng(5)
    x, Q2 = rng.uniform(0.01, 0.3, 3000), rng.uniform(30.0, 300.0, 3000)
    twice = np.repeat(x, 2), np.repeat(Q2, 2)
    one = measure(x, Q2, np.full(3000, 2.0), cross_section_pb=1e4, plane=PLANE, beams=BEAMS)
    two = measure(*twice, np.ones(6000), cross_section_pb=1e4, plane=PLANE, beams=BEAMS)
    np.testing.assert_allclose(one.value[PLANE.inside], two.value[PLANE.inside])
    np.testing.assert_allclose(one.error[PLANE.inside], np.sqrt(2) * two.error[PLANE.inside])


def test_photon_exchange_far_below_the_z() -> None:
    heavy = ElectroweakSettings(mass_z=1e9)
    for quark, charge in ((1, -1 / 3), (2, 2 / 3), (3, -1 / 3), (4, 2 / 3), (5, -1 / 3)):
        A, B = quark_couplings(quark, np.array([100.0]), heavy)
        assert A[0] == pytest.approx(charge**2, rel=1e-9)
        assert B[0] == pytest.approx(0.0, abs=1e-9)


def test_z_exchange_is_maximal_parity_violation_weighted_by_helicities() -> None:
    """A +- B must be sums of squares of helicity amplitudes: for e-L qL and e-R qR, and for e-L qR and e-R qL."""
    settings, Q2 = ElectroweakSettings(), np.array([5000.0])
    sin2, chi = settings.sin2, Q2 / (Q2 + settings.mass_z**2) / (settings.sin2 * (1 - settings.sin2))
    for quark, charge, isospin in ((2, 2 / 3, 0.5), (1, -1 / 3, -0.5)):
        A, B = quark_couplings(quark, Q2, settings)
        left, right = isospin - charge * sin2, -charge * sin2
        e_left, e_right = -0.5 + sin2, sin2
        same = sum((-charge + g * h * chi) ** 2 for g, h in ((e_left, left), (e_right, right)))
        opposite = sum((-charge + g * h * chi) ** 2 for g, h in ((e_left, right), (e_right, left)))
        np.testing.assert_allclose(A + B, same / 2, rtol=1e-12)
        np.testing.assert_allclose(A - B, opposite / 2, rtol=1e-12)


def test_one_up_quark_gives_its_squared_charge() -> None:
    x, Q2 = np.array([0.1]), np.array([1.0])
    density = {2: np.array([0.5]), -2: np.array([0.1])}
    found = leading_order(density, x, Q2, running=np.ones(1), beams=BEAMS)
    assert found[0] == pytest.approx(4 / 9 * 0.6, rel=1e-3)


def test_reduction_is_the_rutherford_factor_inverted() -> None:
    """d sigma / dQ2 = 4 pi alpha^2 / Q^4 of unit charges at y = 0: reduced, it is 1 / x times x."""
    x, Q2 = np.array([0.9]), np.array([1e-6])
    rutherford = 4 * np.pi / 137.035999**2 / Q2**2 * PB_GEV2
    assert (reduction(x, Q2, BEAMS) * rutherford)[0] == pytest.approx(0.9, rel=1e-6)


def test_bins_count_only_where_they_lie_whole_inside() -> None:
    for i, k in np.argwhere(PLANE.inside):
        corners = [PLANE.Q2[k + b] / (S * PLANE.x[i + a]) for a in (0, 1) for b in (0, 1)]
        assert min(corners) >= 0.02
        assert max(corners) <= 0.95
    assert not PLANE.inside.all()
