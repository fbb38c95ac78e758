"""The Breit frame by what defines it."""

import numpy as np

from cloudchamber.events import Beams
from cloudchamber.physics import dis
from cloudchamber.physics.breit import breit_tetrad

BEAMS = Beams(electron=10, hadron=275)


def electrons(n: int = 300) -> np.ndarray:
    rng = np.random.default_rng(7)
    Q2, y, phi = rng.uniform(5, 500, n), rng.uniform(0.06, 0.9, n), rng.uniform(-np.pi, np.pi, n)
    return dis.electron_momentum(Q2, y, phi, BEAMS)


def test_the_boson_has_no_energy_and_goes_along_minus_z() -> None:
    scattered = electrons()
    q = dis.beam_momenta(BEAMS).electron - scattered
    Q = np.sqrt(dis.dis_variables(scattered, BEAMS).Q2)
    found = dis.to_frame(q, breit_tetrad(scattered, BEAMS))
    np.testing.assert_allclose(found[:, 3], -Q, rtol=1e-9)
    np.testing.assert_allclose(found[:, :3], 0.0, atol=1e-7)


def test_the_proton_comes_along_plus_z_and_the_electron_lies_in_the_xz_plane() -> None:
    scattered = electrons()
    axes = breit_tetrad(scattered, BEAMS)
    proton = dis.to_frame(np.broadcast_to(dis.beam_momenta(BEAMS).proton, scattered.shape), axes)
    electron = dis.to_frame(scattered, axes)
    assert (proton[:, 3] > 0).all()
    np.testing.assert_allclose(proton[:, 1:3] / proton[:, :1], 0.0, atol=1e-9)
    np.testing.assert_allclose(electron[:, 2] / electron[:, 0], 0.0, atol=1e-9)
    assert (electron[:, 1] > 0).all()


def test_a_massless_struck_quark_is_turned_round() -> None:
    """With x P + q on its mass shell, the quark enters with Q/2 and leaves with -Q/2 along z."""
    scattered = electrons()
    found = dis.dis_variables(scattered, BEAMS)
    axes = breit_tetrad(scattered, BEAMS)
    proton = dis.beam_momenta(BEAMS).proton
    quark = found.x[:, None] * dis.to_frame(np.broadcast_to(proton, scattered.shape), axes)
    np.testing.assert_allclose(quark[:, 3], np.sqrt(found.Q2) / 2, rtol=1e-9)


def test_invariants_do_not_change_and_the_way_back_is_exact() -> None:
    scattered = electrons()
    axes = breit_tetrad(scattered, BEAMS)
    a, b = np.random.default_rng(8).normal(size=(2, len(axes), 4)) * 20
    product = dis.minkowski(dis.to_frame(a, axes), dis.to_frame(b, axes))
    np.testing.assert_allclose(product, dis.minkowski(a, b), rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(dis.from_frame(dis.to_frame(a, axes), axes), a, atol=1e-8)


def test_the_tetrad_is_as_right_handed_as_that_of_the_hadronic_frame() -> None:
    here, there = (np.linalg.det(axes(electrons(), BEAMS)) for axes in (breit_tetrad, dis.hadronic_tetrad))
    np.testing.assert_allclose(here, np.sign(there), rtol=1e-7)
