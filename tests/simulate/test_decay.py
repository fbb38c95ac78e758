"""Decays know their answers: conservation, Pythia's own stable events, and laws of the random streams."""

import awkward as ak
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, Level
from cloudchamber.simulate.decay import Decayer, mass_table
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

N = 3_000
PHOTON, PION, KAON_SHORT, KAON_LONG = 22, 211, 310, 130
STABLE_SPECIES = [11, 12, 13, 14, 16, 22, 130, 211, 310, 321, 2112, 2212, 3112, 3122, 3222, 3312, 3322, 3334]


def simulated(level: Level, seed: int) -> Events:
    return simulate_shard(DISSetting(Beams.parse("10x275"), 25.0, level=level), N, seed=seed, shard=0)


@pytest.fixture(scope="module")
def decayer() -> Decayer:
    return Decayer()


@pytest.fixture(scope="module")
def primary() -> Events:
    return simulated(Level.PRIMARY, seed=11)


@pytest.fixture(scope="module")
def decayed(decayer: Decayer, primary: Events) -> Events:
    return decayer.decay(primary, seed=1).events


@pytest.fixture(scope="module")
def with_history(decayer: Decayer, primary: Events) -> Events:
    return decayer.decay(primary, seed=1, history=True).events


@pytest.fixture(scope="module")
def stable() -> Events:
    return simulated(Level.STABLE, seed=12)


def total(events: Events) -> NDArray[np.float64]:
    """Sum of four-momenta of each event, shape (n, 4)."""
    p = ak.values_astype(events.particles, np.float64)
    energy = np.sqrt(p.px**2 + p.py**2 + p.pz**2 + p.mass**2)
    return np.stack([ak.to_numpy(ak.sum(x, axis=1)) for x in (energy, p.px, p.py, p.pz)], axis=1)


def at_rest(pdg_ids: list[int], masses: list[float], repeat: int = 1) -> Events:
    n = len(pdg_ids)
    columns = {"pdg_id": np.tile(np.array(pdg_ids, np.int32), repeat), "mass": np.tile(masses, repeat)}
    columns |= {name: np.zeros(n * repeat) for name in ("px", "py", "pz")}
    return Events.from_flat([n] * repeat, columns)


def test_momentum_is_conserved_to_rounding(primary: Events, decayed: Events) -> None:
    before, after = total(primary), total(decayed)
    assert (np.abs(after - before) / before[:, :1]).max() < 1e-12


def test_nothing_is_left_to_decay(decayed: Events) -> None:
    assert np.isin(np.abs(decayed.flat("pdg_id")), STABLE_SPECIES).all()
    assert decayed.run.level is Level.STABLE


def test_survivors_come_first_bit_for_bit_and_in_their_order(primary: Events, decayed: Events) -> None:
    survives = np.isin(np.abs(primary.flat("pdg_id")), STABLE_SPECIES)
    event = np.repeat(np.arange(N), primary.counts)[survives]
    place = np.concatenate([np.arange(n) for n in np.bincount(event, minlength=N)])
    rows = decayed.offsets[event] + place
    for name in primary.columns:
        np.testing.assert_array_equal(decayed.flat(name)[rows], primary.flat(name)[survives])
    assert (decayed.electron.pdg_id == 11).to_numpy().all()


def test_multiplicities_agree_with_ordinary_events(decayed: Events, stable: Events) -> None:
    for code in (PHOTON, PION, -PION, 321, -321, KAON_SHORT, KAON_LONG, 2212, 2112, 3122):
        ours, theirs = (np.asarray(ak.sum(e.particles.pdg_id == code, axis=1)) for e in (decayed, stable))
        error = np.hypot(ours.std(), theirs.std()) / np.sqrt(N)
        assert abs(ours.mean() - theirs.mean()) < 4 * error, code


@pytest.mark.parametrize("code", [PHOTON, PION, 2212, KAON_SHORT])
@pytest.mark.parametrize("feature", ["pt", "eta"])
def test_spectra_agree_with_ordinary_events(decayed: Events, stable: Events, code: int, feature: str) -> None:
    ours, theirs = (e.select(e.particles.pdg_id == code).flat(feature) for e in (decayed, stable))
    assert stats.ks_2samp(ours[::10], theirs[::10]).pvalue > 1e-3


def test_number_of_particles_is_distributed_as_in_ordinary_events(decayed: Events, stable: Events) -> None:
    edges = [0, 10, 14, 18, 22, 26, 30, 36, 200]
    table = [np.histogram(e.counts, edges)[0] for e in (decayed, stable)]
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_history_has_the_same_finals(decayed: Events, with_history: Events) -> None:
    finals = with_history.select(with_history.particles.status == 1)
    for name in decayed.columns:
        np.testing.assert_array_equal(finals.flat(name), decayed.flat(name))


def test_mothers_are_the_sum_of_their_daughters(with_history: Events) -> None:
    e = with_history
    event = np.repeat(np.arange(len(e)), e.counts)
    mother = np.where(e.flat("mother") < 0, -1, e.offsets[event] + e.flat("mother"))
    assert (np.repeat(e.counts, e.counts) > e.flat("mother")).all()
    px, py, pz, mass = (e.flat(name) for name in ("px", "py", "pz", "mass"))
    momenta = np.stack([np.sqrt(px**2 + py**2 + pz**2 + mass**2), px, py, pz], axis=1)
    sums = np.zeros_like(momenta)
    np.add.at(sums, mother[mother >= 0], momenta[mother >= 0])
    is_decayed = e.flat("status") == 2
    assert np.array_equal(np.unique(mother[mother >= 0]), np.flatnonzero(is_decayed))
    residual = np.abs(sums - momenta)[is_decayed].max(axis=1) / momenta[is_decayed, 0]
    assert residual.max() < 1e-12


def test_siblings_share_a_vertex_after_their_mothers(with_history: Events) -> None:
    e = with_history
    event = np.repeat(np.arange(len(e)), e.counts)
    mother = np.where(e.flat("mother") < 0, -1, e.offsets[event] + e.flat("mother"))
    vertex = np.stack([e.flat(name) for name in ("vx", "vy", "vz", "vt")], axis=1)
    assert not vertex[mother < 0].any()
    daughters = np.flatnonzero(mother >= 0)
    first = daughters[np.unique(mother[daughters], return_index=True)[1]]
    by_mother = dict(zip(mother[first].tolist(), vertex[first], strict=True))
    expected = np.array([by_mother[m] for m in mother[daughters].tolist()])
    np.testing.assert_array_equal(vertex[daughters], expected)
    assert (vertex[daughters, 3] >= vertex[mother[daughters], 3]).all()


def test_flight_lengths_follow_the_lifetime(decayer: Decayer) -> None:
    """A D+ of 20 GeV flies beta gamma c tau = 20 / 1.86962 * 0.3118 mm on average."""
    mass, pz, n = 1.86962, 20.0, 4_000
    columns = {"pdg_id": np.full(n, 411, np.int32), "mass": np.full(n, mass), "pz": np.full(n, pz)}
    columns |= {"px": np.zeros(n), "py": np.zeros(n)}
    events = decayer.decay(Events.from_flat([1] * n, columns), seed=3, history=True).events
    lengths = np.asarray(events.particles.vz[:, 1])
    assert stats.kstest(lengths, "expon", args=(0, pz / mass * 0.3118)).pvalue > 1e-3


def test_half_of_the_neutral_kaons_are_short(decayer: Decayer) -> None:
    n = 2_000
    events = decayer.decay(at_rest([311], [0.49761], n), seed=4).events
    short = int((events.flat("pdg_id") == KAON_SHORT).sum())
    assert set(events.flat("pdg_id").tolist()) == {KAON_SHORT, KAON_LONG}
    assert stats.binomtest(short, n, 0.5).pvalue > 1e-3


def test_charm_decays_as_measured(decayer: Decayer) -> None:
    """D0 -> K- pi+ has a branching fraction of 0.0395 and D0 -> e+ X of 0.065."""
    n = 10_000
    particles = decayer.decay(at_rest([421], [1.86484], n), seed=5).events.particles
    codes = ak.sort(particles.pdg_id, axis=1)
    two_body = codes[ak.num(codes) == 2]
    k_pi = int(ak.sum((two_body[:, 0] == -321) & (two_body[:, 1] == 211)))
    electrons = int(ak.sum(ak.any(codes == -11, axis=1)))
    assert k_pi / n == pytest.approx(0.039, abs=0.006)
    assert electrons / n == pytest.approx(0.066, abs=0.012)


def test_bottom_decays_to_hadrons_that_stay(decayer: Decayer) -> None:
    events = decayer.decay(at_rest([511, -521, 5122], [5.27958, 5.27925, 5.6195], 300), seed=6, history=True)
    particles = events.events.particles
    assert len(events.failed) == 0
    assert not ak.any((np.abs(particles.pdg_id) < 10) | (particles.pdg_id == 21))
    finals = particles[particles.status == 1]
    np.testing.assert_allclose(ak.to_numpy(ak.sum(finals.pz, axis=1)), 0, atol=1e-9)


def test_neutral_b_mesons_oscillate(decayer: Decayer) -> None:
    """The time-integrated mixing probability of B0 is 0.186: leptons of the wrong sign appear."""
    particles = decayer.decay(at_rest([511], [5.27958], 6_000), seed=7, history=True).events.particles
    direct = particles[(particles.mother == 0) & (np.abs(particles.pdg_id) == 13)]
    wrong, right = int(ak.sum(direct.pdg_id == 13)), int(ak.sum(direct.pdg_id == -13))
    assert stats.binomtest(wrong, wrong + right, 0.186).pvalue > 1e-3


def test_the_start_of_a_block_does_not_depend_on_its_end(decayer: Decayer, primary: Events) -> None:
    whole = decayer.decay(primary[:256], seed=9, block=3).events
    start = decayer.decay(primary[:100], seed=9, block=3).events
    assert ak.array_equal(whole[:100].particles, start.particles)


def test_streams_differ_by_seed_block_and_attempt(decayer: Decayer, primary: Events) -> None:
    def photons(**stream: int) -> int:
        return hash(decayer.decay(primary[:20], **{"seed": 1, **stream}).events.flat("px").tobytes())

    assert photons() == photons() == hash(Decayer().decay(primary[:20], seed=1).events.flat("px").tobytes())
    assert len({photons(), photons(seed=2), photons(block=1), photons(attempt=1)}) == 4


def test_neutral_pions_alone_decay_at_level_pi0(decayer: Decayer) -> None:
    events = simulated(Level.PI0, seed=13)[:300]
    pions = ak.sum(events.particles.pdg_id == 111, axis=1)
    result = decayer.decay(events, seed=1).events
    new_photons = ak.sum(result.particles.pdg_id == 22, axis=1) - ak.sum(events.particles.pdg_id == 22, axis=1)
    assert int(ak.sum(pions)) > 0
    assert (np.asarray(new_photons) <= 2 * np.asarray(pions)).all()
    assert (np.asarray(new_photons) >= np.asarray(pions)).all()


def test_what_cannot_decay_is_named_and_returned_as_given(decayer: Decayer) -> None:
    columns = {"pdg_id": np.array([113, 113, 211], np.int32), "mass": np.array([0.77, 0.05, 0.13957])}
    columns |= {name: np.array([0.1, 0.2, 0.3]) for name in ("px", "py", "pz")}
    given = Events.from_flat([1, 2], columns, weight=[1.0, 2.0])
    for history in (False, True):
        events, failed = decayer.decay(given, seed=1, history=history)
        assert failed.tolist() == [1]
        assert events.particles.pdg_id[1].tolist() == [113, 211]
        assert events.particles.px[1].tolist() == [0.2, 0.3]
        assert events.counts[0] > 1
        assert events.weight.tolist() == [1.0, 2.0]


def test_unknown_species_are_refused(decayer: Decayer) -> None:
    with pytest.raises(InputError, match="9999999"):
        decayer.decay(at_rest([9999999], [1.0]), seed=1)
    with pytest.raises(InputError, match="9999999"):
        mass_table([9999999])


def test_events_with_decays_are_refused(decayer: Decayer, with_history: Events) -> None:
    with pytest.raises(InputError, match="already"):
        decayer.decay(with_history[:5], seed=1)


def test_masses_of_simulated_hadrons_lie_in_the_table(primary: Events) -> None:
    ids, mass = primary.flat("pdg_id"), primary.flat("mass").astype(np.float64)
    codes, row = np.unique(ids, return_inverse=True)
    table = mass_table(codes)
    narrow = ~table.is_broad[row]
    np.testing.assert_allclose(mass[narrow], table.m0[row][narrow], rtol=1e-6)
    assert (mass >= table.m_min[row] * (1 - 1e-6)).all()
    assert (mass <= table.m_max[row] * (1 + 1e-6)).all()
    assert table.is_broad[codes == 113].all()
