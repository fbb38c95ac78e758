"""The five methods against truth where they must agree, and against events where they must not."""

import numpy as np
import pytest

from cloudchamber.events import Beams, Events
from cloudchamber.physics.conservation import energies, sum_per_event
from cloudchamber.physics.reconstruction import METHODS, FinalState, reconstruct

BEAMS = Beams(electron=10, hadron=275)
S = 4 * 10 * 275


def massless_scattering(n: int = 400) -> tuple[FinalState, np.ndarray, np.ndarray]:
    """Electron and massless quark of momentum x P, after a scattering with Q2 = s x y: final state, Q2 and y."""
    rng = np.random.default_rng(1)
    x, y, phi = rng.uniform(0.05, 0.9, n), rng.uniform(0.1, 0.9, n), rng.uniform(-np.pi, np.pi, n)
    Q2 = S * x * y
    sigma, pt = 2 * 10 * (1 - y), np.sqrt(Q2 * (1 - y))
    electron = np.stack([(pt**2 / sigma + sigma) / 2, pt * np.cos(phi), pt * np.sin(phi),
                         (pt**2 / sigma - sigma) / 2], axis=-1)  # fmt: skip
    incoming = np.stack([10 + x * 275, 0 * x, 0 * x, x * 275 - 10], axis=-1)
    return FinalState(electron, incoming - electron), Q2, y


@pytest.mark.parametrize("method", METHODS)
def test_all_methods_agree_with_truth_for_a_balanced_massless_scattering(method: str) -> None:
    final, Q2, y = massless_scattering()
    quark = final.hadrons
    np.testing.assert_allclose(quark[:, 0] ** 2, (quark[:, 1:] ** 2).sum(1), rtol=1e-9)
    found = reconstruct(final, BEAMS)[method]
    np.testing.assert_allclose(found.Q2, Q2, rtol=1e-3)  # the electron method knows the beams' masses
    np.testing.assert_allclose(found.y, y, rtol=1e-3)
    np.testing.assert_allclose(found.x, Q2 / (S * y), rtol=1e-3)


def test_massless_methods_are_exact() -> None:
    final, Q2, y = massless_scattering()
    for method in ("JB", "DA", "Sigma"):
        found = reconstruct(final, BEAMS)[method]
        np.testing.assert_allclose(found.Q2, Q2, rtol=1e-9)
        np.testing.assert_allclose(found.y, y, rtol=1e-9)


def test_a_photon_radiated_along_the_electron_beam_deceives_the_electron_but_not_sigma() -> None:
    """Sigma and DA do not need the energy of the beam electron for y: it is their reason to exist."""
    photon = 3.0
    softer = Beams(electron=10 - photon, hadron=275)
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0.05, 0.5, 50), rng.uniform(0.2, 0.8, 50)
    Q2 = 4 * softer.electron * 275 * x * y
    sigma, pt = 2 * softer.electron * (1 - y), np.sqrt(Q2 * (1 - y))
    electron = np.stack([(pt**2 / sigma + sigma) / 2, pt, 0 * pt, (pt**2 / sigma - sigma) / 2], axis=-1)
    incoming = np.stack([softer.electron + x * 275, 0 * x, 0 * x, x * 275 - softer.electron], axis=-1)
    found = reconstruct(FinalState(electron, incoming - electron), BEAMS)
    np.testing.assert_allclose(found["Sigma"].y, y, rtol=1e-9)
    np.testing.assert_allclose(found["Sigma"].Q2, Q2, rtol=1e-9)
    np.testing.assert_allclose(found["DA"].y, y, rtol=1e-9)
    assert (np.abs(found["Electron"].y / y - 1) > 0.05).all()
    assert (np.abs(found["JB"].y / y - 1) > 0.05).all()


def test_esigma_takes_q2_from_the_electron_and_x_from_sigma() -> None:
    final, _, _ = massless_scattering()
    final = final._replace(hadrons=1.1 * final.hadrons)
    found = reconstruct(final, BEAMS)
    np.testing.assert_array_equal(found["ESigma"].Q2, found["Electron"].Q2)
    np.testing.assert_array_equal(found["ESigma"].x, found["Sigma"].x)
    assert (np.abs(found["ESigma"].Q2 / found["JB"].Q2 - 1) > 1e-3).all()


def test_the_full_final_state_of_pythia_gives_one_answer(stable_events: Events) -> None:
    momenta = np.stack([energies(stable_events), *(stable_events.flat(c) for c in ("px", "py", "pz"))], axis=-1)
    electron = momenta[stable_events.offsets[:-1]].astype(np.float64)
    final = FinalState(electron, sum_per_event(stable_events, momenta.astype(np.float64)) - electron)
    found = reconstruct(final, BEAMS)
    np.testing.assert_allclose(found["JB"].y, found["Electron"].y, rtol=0.03)
    np.testing.assert_allclose(found["Sigma"].Q2, found["Electron"].Q2, rtol=0.01)


def test_an_event_without_hadrons_is_not_finite_where_a_method_fails() -> None:
    final, _, _ = massless_scattering(3)
    found = reconstruct(FinalState(final.electron, np.zeros((3, 4))), BEAMS)
    assert not np.isfinite(found["DA"].Q2).any()
    assert np.isfinite(found["Electron"].Q2).all()
