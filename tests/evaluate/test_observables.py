"""Event observables on events made by hand."""

import numpy as np
import pytest

from cloudchamber.evaluate.observables import OBSERVABLES, observable_matrix
from cloudchamber.evaluate.sample import Sample
from cloudchamber.events import Beams, Events
from cloudchamber.physics.dis import ELECTRON_MASS, beam_momenta, dis_variables, electron_momentum
from cloudchamber.physics.kinematics import center_of_mass_energy

BEAMS = Beams.parse("10x275")
PI, K, M_P = 0.13957, 0.49368, 0.93827
KEYS = [observable.key for observable in OBSERVABLES]
Particle = tuple[int, float, float, float, float]


def event(*hadrons: Particle) -> Events:
    """An event with Q2 = 50 GeV2 and y = 0.3, and hadrons (PDG number, pT, eta, azimuth from e', mass)."""
    e = electron_momentum(np.array([50.0]), np.array([0.3]), np.array([1.0]), BEAMS)[0]
    rows = [(11, *e[1:], ELECTRON_MASS)]
    for code, pt, eta, dphi, mass in hadrons:
        rows.append((code, pt * np.cos(1.0 + dphi), pt * np.sin(1.0 + dphi), pt * np.sinh(eta), mass))
    columns = np.array(rows).T
    names = ("pdg_id", "px", "py", "pz", "mass")
    flat = {name: c.astype(np.int32) if name == "pdg_id" else c for name, c in zip(names, columns, strict=True)}
    return Events.from_flat([len(rows)], flat)


def observe(*hadrons: Particle) -> dict[str, float]:
    sample = Sample.of(event(*hadrons), BEAMS, "it")
    return dict(zip(KEYS, observable_matrix(sample)[0].tolist(), strict=True))


def test_there_are_at_least_thirty_each_with_its_own_name_and_a_sentence() -> None:
    assert len(KEYS) == len(set(KEYS)) >= 30
    assert all(observable.description for observable in OBSERVABLES)


def test_an_event_without_hadrons_has_finite_observables() -> None:
    values = observe()
    assert np.isfinite(list(values.values())).all()
    assert values["n"] == 1
    assert values["sum_pT"] == 0


def test_the_electron_gives_the_inclusive_variables() -> None:
    values = observe((211, 1.0, 0.0, 0.0, PI))
    assert 10 ** values["log10_Q2"] == pytest.approx(50.0, rel=1e-5)
    assert values["y"] == pytest.approx(0.3, abs=1e-5)
    electron = Sample.of(event(), BEAMS, "it").electron
    assert values["W"] == pytest.approx(np.sqrt(dis_variables(electron.four_vectors(), BEAMS).W2[0]), abs=1e-5)


def test_species_are_counted_without_the_scattered_electron() -> None:
    hadrons = [(code, 1.0, 0.1 * k, 0.5 * k, 0.1) for k, code in enumerate((11, -13, 12, 211, -2212, 3122, 22, 22))]
    values = observe(*hadrons)
    expected = {"n": 9, "n_charged": 4, "n_leptons": 2, "n_neutrinos": 1, "n_pi+": 1, "n_pi-": 0, "n_gamma": 2,
                "n_antinucleons": 1, "n_hyperons": 1, "n_p": 0}  # fmt: skip
    assert {key: values[key] for key in expected} == expected


def test_leading_particles() -> None:
    values = observe((211, 1.0, 1.5, 0.2, PI), (-321, 3.0, -0.5, -3.0, K), (22, 2.0, 4.0, 1.0, 0.0))
    assert values["leading_pT"] == pytest.approx(3.0)
    assert values["leading_eta"] == pytest.approx(-0.5)
    assert values["leading_dphi"] == pytest.approx(3.0)
    assert values["leading_charge"] == -1
    assert values["second_pT"] == pytest.approx(2.0)
    assert values["sum_pT"] == pytest.approx(6.0)
    assert values["max_pT_kaons"] == pytest.approx(3.0)
    assert values["max_pT_nucleons"] == 0
    assert values["leading_z"] == pytest.approx(4.0 * np.cosh(4.0) / center_of_mass_energy(BEAMS), abs=1e-5)
    assert values["largest_gap"] == pytest.approx(2.5)
    assert values["max_eta"] == pytest.approx(4.0)
    assert values["mean_eta"] == pytest.approx(5 / 3, abs=1e-5)
    assert values["spread_eta"] == pytest.approx(np.std([1.5, -0.5, 4.0]), abs=1e-5)
    assert values["n_central"] == 2


def test_resonances_and_charm_carry_their_charge() -> None:
    values = observe((2224, 3.0, 0.5, 0.2, 1.23), (-213, 2.0, 0.0, 1.0, 0.77), (411, 1.0, 1.0, 2.0, 1.87),
                     (99999, 0.5, 0.0, 1.0, 0.0), (22, 0.5, 0.0, 1.0, 0.0))  # fmt: skip
    assert values["n_charged"] == 3
    assert values["leading_charge"] == 2
    assert values["mean_pT_charged"] == pytest.approx(2.0)


def test_shape_and_flow() -> None:
    back_to_back = observe((211, 1.0, 0.0, 0.7, PI), (-211, 1.0, 2.0, 0.7 + np.pi, PI))
    assert back_to_back["sphericity_T"] == pytest.approx(0.0, abs=1e-5)
    cross = observe(*((22, 1.0, 2.0, k * np.pi / 2, 0.0) for k in range(4)))
    assert cross["sphericity_T"] == pytest.approx(1.0, abs=1e-5)
    assert cross["ET_1_3"] == pytest.approx(4.0, abs=1e-5)
    assert cross["ET_-1_1"] == 0
    assert cross["mean_cos_dphi"] == pytest.approx(0.0, abs=1e-5)
    assert cross["E_photons"] == pytest.approx(4 * np.cosh(2.0), abs=1e-4)


def test_forward_energy_is_a_fraction_of_the_beam() -> None:
    proton = observe((2212, 0.5, 6.0, 0.0, M_P))
    energy = np.sqrt((0.5 * np.cosh(6.0)) ** 2 + M_P**2)
    assert proton["max_E_p"] == pytest.approx(energy / 275, abs=1e-5)
    assert proton["E_forward"] == pytest.approx(energy / 275, abs=1e-5)
    assert proton["max_E_other"] == 0
    assert proton["max_E_n"] == 0


def decay(mass: float, m1: float, m2: float) -> tuple[tuple[float, ...], ...]:
    """Two particles (pT, eta, dphi) at rest back to back with this invariant mass, at eta = 0."""
    p = np.sqrt((mass**2 - (m1 + m2) ** 2) * (mass**2 - (m1 - m2) ** 2)) / (2 * mass)
    return (p, 0.0, 0.3), (p, 0.0, 0.3 + np.pi)


@pytest.mark.parametrize(
    ("key", "mass", "codes", "masses"),
    [
        ("pairs_pi0", 0.13498, (22, 22), (0.0, 0.0)),
        ("pairs_eta", 0.5479, (22, 22), (0.0, 0.0)),
        ("pairs_rho0", 0.775, (211, -211), (PI, PI)),
        ("pairs_phi", 1.0195, (321, -321), (K, K)),
        ("pairs_K*0", 0.8955, (321, -211), (K, PI)),
        ("pairs_K*0bar", 0.8955, (-321, 211), (K, PI)),
        ("pairs_D0", 1.865, (-321, 211), (K, PI)),
        ("pairs_Delta++", 1.232, (2212, 211), (M_P, PI)),
    ],
)
def test_resonances_are_found_in_their_window_only(
    key: str, mass: float, codes: tuple[int, int], masses: tuple[float, float]
) -> None:
    for shifted, expected in ((mass, 1), (1.2 * mass, 0)):
        one, two = decay(shifted, *masses)
        values = observe((codes[0], *one, masses[0]), (codes[1], *two, masses[1]))
        assert values[key] == expected


def test_conserved_sums_vanish_whatever_the_precision_of_the_file(stable_events: Events) -> None:
    matrix = observable_matrix(Sample.of(stable_events, BEAMS, "it"))
    assert stable_events.flat("px").dtype == np.float32
    for key in ("missing_E_minus_pz", "recoil_pT"):
        assert (matrix[:, KEYS.index(key)] == 0).all()
    assert set(matrix[:, KEYS.index("recoil_angle")].round(6)) == {3.14}


def test_unbalanced_events_are_seen(stable_events: Events) -> None:
    columns = {name: stable_events.flat(name).copy() for name in stable_events.columns}
    columns["px"][stable_events.offsets[:-1] + 1] += 0.2
    broken = Events.from_flat(stable_events.counts, columns, run=stable_events.run)
    recoil = observable_matrix(Sample.of(broken, BEAMS, "it"))[:, KEYS.index("recoil_pT")]
    np.testing.assert_allclose(recoil, 0.2, atol=1e-9)


def test_blocks_do_not_matter(stable_events: Events) -> None:
    sample = Sample.of(stable_events, BEAMS, "it")
    whole = observable_matrix(sample)
    parts = [observable_matrix(sample[start : start + 70]) for start in range(0, len(sample), 70)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_a_struck_quark_fills_the_current_hemisphere_alone() -> None:
    """x P + q has half of Q as energy and no pT in the Breit frame; a particle along the proton stays behind."""
    e = electron_momentum(np.array([50.0]), np.array([0.3]), np.array([1.0]), BEAMS)[0]
    beam, proton = beam_momenta(BEAMS)
    q = beam - e
    dis = dis_variables(e[None], BEAMS)
    quark = dis.x[0] * proton + q
    pt, pz = np.hypot(quark[1], quark[2]), quark[3]
    struck = (211, pt, np.arcsinh(pz / pt), np.arctan2(quark[2], quark[1]) - 1.0, 0.0)
    values = observe(struck, (2212, 1e-4, 14.0, 0.3, M_P))
    assert values["n_current"] == 1
    assert values["E_current"] == pytest.approx(1, abs=2e-3)  # the proton's mass is not quite negligible
    assert values["sum_pT_Breit"] < 0.02
    assert values["max_pT_Breit"] <= values["sum_pT_Breit"]
    ninety = observe((211, 3.0, 0.5, 0.2, PI))
    assert ninety["sum_pT_Breit"] == pytest.approx(ninety["max_pT_Breit"])
