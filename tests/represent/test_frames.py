"""The hadronic frame: an orthonormal right-handed tetrad in which simulated hadrons are at rest together."""

import awkward as ak
import numpy as np
import pytest
import vector
from numpy.typing import NDArray

from cloudchamber.events import Beams, Events
from cloudchamber.physics.dis import (
    beam_momenta,
    dis_variables,
    electron_momentum,
    from_frame,
    hadronic_tetrad,
    minkowski,
    to_frame,
)
from cloudchamber.represent.cloud import four_momenta, to_lab

BEAMS = Beams(electron=10, hadron=275)
METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def scattered(primary_events: Events) -> Array:
    return four_momenta(primary_events.electron)


def test_the_tetrad_is_orthonormal_and_right_handed(scattered: Array) -> None:
    tetrad = hadronic_tetrad(scattered, BEAMS)
    products = tetrad @ METRIC @ tetrad.transpose(0, 2, 1)
    np.testing.assert_allclose(products, np.broadcast_to(METRIC, products.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(tetrad), 1, atol=1e-9)
    assert (tetrad[:, 0, 0] > 0).all()


def test_the_axes_are_the_proton_and_the_electron(scattered: Array) -> None:
    """The proton moves along +z, the electron in the half plane y = 0, x > 0."""
    tetrad = hadronic_tetrad(scattered, BEAMS)
    proton = to_frame(np.broadcast_to(beam_momenta(BEAMS).proton, scattered.shape), tetrad)
    electron = to_frame(scattered, tetrad)
    np.testing.assert_allclose(proton[:, 1:3], 0, atol=1e-9)
    assert (proton[:, 3] > 0).all()
    np.testing.assert_allclose(electron[:, 2], 0, atol=1e-9)
    assert (electron[:, 1] > 0).all()


def test_going_to_the_frame_and_back_is_the_identity(primary_events: Events, scattered: Array) -> None:
    momenta = four_momenta(ak.flatten(primary_events.hadronic))
    event = np.repeat(np.arange(len(scattered)), primary_events.counts - 1)
    tetrad = hadronic_tetrad(scattered, BEAMS)[event]
    inside = to_frame(momenta, tetrad)
    back = to_lab(inside, event, scattered, BEAMS)
    assert (np.abs(back - momenta) / momenta[:, :1]).max() < 1e-11
    again = to_frame(from_frame(inside, tetrad), tetrad)
    assert (np.abs(again - inside) / inside[:, :1]).max() < 1e-9
    np.testing.assert_allclose(minkowski(inside, inside), minkowski(momenta, momenta), atol=1e-8)


def test_hadrons_are_at_rest_with_energy_w(primary_events: Events, stable_events: Events) -> None:
    for events in (primary_events, stable_events):
        scattered = four_momenta(events.electron)
        event = np.repeat(np.arange(len(events)), events.counts - 1)
        inside = to_frame(four_momenta(ak.flatten(events.hadronic)), hadronic_tetrad(scattered, BEAMS)[event])
        total = np.stack([np.bincount(event, inside[:, k]) for k in range(4)], axis=-1)
        W = np.sqrt(dis_variables(scattered, BEAMS).W2)
        np.testing.assert_allclose(total[:, 0] / W, 1, atol=1e-4)
        assert (np.abs(total[:, 1:]) / W[:, None]).max() < 1e-4


def test_inclusive_variables_against_vector(scattered: Array) -> None:
    """Q2, x, y and W2 from four-vectors of the `vector` library."""
    l = vector.array(dict(zip(("E", "px", "py", "pz"), scattered.T, strict=True)))  # noqa: E741
    beam, proton = (vector.obj(E=p[0], px=p[1], py=p[2], pz=p[3]) for p in beam_momenta(BEAMS))
    q = beam - l
    found = dis_variables(scattered, BEAMS)
    np.testing.assert_allclose(found.Q2, -(q.mass2), rtol=1e-9)
    np.testing.assert_allclose(found.x, -(q.mass2) / (2 * q.dot(proton)), rtol=1e-9)
    np.testing.assert_allclose(found.y, q.dot(proton) / beam.dot(proton), rtol=1e-9)
    np.testing.assert_allclose(found.W2, (q + proton).mass2, rtol=1e-8)


def test_inclusive_variables_obey_their_identities(scattered: Array) -> None:
    """W2 = M2 + Q2 (1/x - 1) exactly; Q2 = 4 E E' cos^2(theta/2) and Q2 = s x y without masses."""
    Q2, x, y, W2 = dis_variables(scattered, BEAMS)
    np.testing.assert_allclose(W2, 0.93827**2 + Q2 * (1 / x - 1), rtol=1e-9)
    cosine = scattered[:, 3] / scattered[:, 0]
    np.testing.assert_allclose(Q2, 2 * BEAMS.electron * scattered[:, 0] * (1 + cosine), rtol=1e-5)
    np.testing.assert_allclose(Q2, 4 * BEAMS.electron * BEAMS.hadron * x * y, rtol=1e-4)
    assert ((y > 0) & (y < 1) & (x > 0) & (x < 1)).all()


def test_the_electron_follows_from_its_variables(scattered: Array) -> None:
    Q2, _, y, _ = dis_variables(scattered, BEAMS)
    again = electron_momentum(Q2, y, np.arctan2(scattered[:, 2], scattered[:, 1]), BEAMS)
    np.testing.assert_allclose(again, scattered, rtol=0, atol=1e-8)


def test_an_impossible_electron_is_not_a_number() -> None:
    assert np.isnan(electron_momentum(np.array([50.0]), np.array([1.01]), np.zeros(1), BEAMS)[0, 1])
