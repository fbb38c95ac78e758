"""Resonances by lot: the split of a planted spectrum is known, nothing is lost, and unfolding puts the peak back."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from cloudchamber.events import Beams, Events, Level
from cloudchamber.physics.pdg import quantum_table, species
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.represent.exact_pairs import Particles
from cloudchamber.represent.resonances import WINDOWS, Resonances
from cloudchamber.simulate.pythia import DISSetting, simulate_shard
from cloudchamber.tensors.rng import EventRng

Array = NDArray[np.float64]
N = 30_000
SIGNAL = 0.4
KAON, PION, MASS, WIDTH = 0.49368, 0.13957, species(313).mass or 0.0, 0.0487
LOW, HIGH = MASS - 2 * WIDTH, MASS + 2 * WIDTH


def planted(signal: float, seed: int = 1) -> Events:
    """A kaon and a pion in each event: a share of them from a K*0 of known shape, the others with any mass."""
    rng = np.random.default_rng(seed)
    m = np.where(rng.random(N) < signal, breit_wigner(rng), rng.uniform(LOW - 0.05, HIGH + 0.05, N))
    k = np.sqrt((m**2 - (KAON + PION) ** 2) * (m**2 - (KAON - PION) ** 2)) / (2 * m)
    cosine, azimuth = rng.uniform(-1, 1, N), rng.uniform(0, 2 * np.pi, N)
    p = k * np.stack([np.sqrt(1 - cosine**2) * np.cos(azimuth), np.sqrt(1 - cosine**2) * np.sin(azimuth), cosine])
    pz = rng.normal(0, 2, N)
    E = np.sqrt(pz**2 + m**2)
    momenta = np.empty((3, 2 * N))
    masses = np.tile([KAON, PION], N)
    for start, sign, own in ((0, 1, KAON), (1, -1, PION)):
        energy = np.sqrt(k**2 + own**2)
        momenta[:2, start::2] = sign * p[:2]
        momenta[2, start::2] = (E * sign * p[2] + pz * energy) / m
    columns = dict(zip(("px", "py", "pz"), momenta, strict=True))
    return Events.from_flat(np.full(N, 2), {"pdg_id": np.tile([321, -211], N), **columns, "mass": masses})


def breit_wigner(rng: np.random.Generator) -> Array:
    """Masses from m G / ((m^2 - M^2)^2 + M^2 G^2), which is a Cauchy density of m^2, cut to a range."""
    ends = [(edge**2 - MASS**2) / (MASS * WIDTH) for edge in (LOW - 0.05, HIGH + 0.05)]
    low, high = np.arctan(ends)
    return np.sqrt(MASS**2 + MASS * WIDTH * np.tan(rng.uniform(low, high, N)))


def masses(events: Events) -> Array:
    E, px, py, pz = (np.add.reduceat(events.flat(name), events.offsets[:-1]) for name in ("E", "px", "py", "pz"))
    return np.sqrt(E**2 - px**2 - py**2 - pz**2)


@pytest.fixture(scope="module")
def events() -> Events:
    return planted(SIGNAL)


@pytest.fixture(scope="module")
def resonances(events: Events) -> Resonances:
    return Resonances.fit(events)


def test_the_split_is_the_planted_one(resonances: Resonances) -> None:
    edges = np.linspace(LOW, HIGH, 65)
    angle = np.arctan((edges**2 - MASS**2) / (MASS * WIDTH))
    ends = np.arctan([(edge**2 - MASS**2) / (MASS * WIDTH) for edge in (LOW - 0.05, HIGH + 0.05)])
    S = SIGNAL * np.diff(angle) / (ends[1] - ends[0])
    B = (1 - SIGNAL) * np.diff(edges) / (HIGH - LOW + 0.1)
    assert list(resonances.shares) == [313]
    assert np.abs(resonances.shares[313] - S / (S + B)).max() < 0.05
    assert resonances.masses == {321: 0.49368, -211: 0.13957}


def test_what_is_left_has_no_peak_and_what_is_taken_has_all_of_it(events: Events, resonances: Resonances) -> None:
    folded = resonances.fold(events)
    taken = folded.counts == 1
    left = masses(events)[~taken]
    left = left[(left > LOW) & (left < HIGH)]
    assert stats.kstest((left - LOW) / (HIGH - LOW), "uniform").pvalue > 1e-3
    low, inner_low, inner_high, high = np.arctan(
        [(edge**2 - MASS**2) / (MASS * WIDTH) for edge in (LOW - 0.05, LOW, HIGH, HIGH + 0.05)]
    )
    expected = SIGNAL * N * (inner_high - inner_low) / (high - low)
    assert abs(taken.sum() - expected) < 0.05 * expected
    np.testing.assert_allclose(folded.flat("mass")[folded.flat("pdg_id") == 313], masses(events)[taken], rtol=1e-12)


def test_nothing_is_lost(events: Events, resonances: Resonances) -> None:
    folded = resonances.fold(events)
    again = resonances.unfold(folded, EventRng(3, range(N)))
    for sample in (folded, again):
        for name in ("E", "px", "py", "pz"):
            total, before = (np.add.reduceat(e.flat(name), e.offsets[:-1]) for e in (sample, events))
            np.testing.assert_allclose(total, before, rtol=0, atol=1e-9)
        flavours = np.add.reduceat(quantum_table(sample.flat("pdg_id")), sample.offsets[:-1])
        assert (flavours == quantum_table([321, -211]).sum(0)).all()
    assert np.array_equal(again.flat("pdg_id"), events.flat("pdg_id"))
    np.testing.assert_allclose(masses(again), masses(events), rtol=1e-9)
    assert not np.array_equal(again.flat("px"), events.flat("px"))


def test_an_event_is_always_folded_in_the_same_way(events: Events, resonances: Resonances) -> None:
    whole, part = resonances.fold(events), resonances.fold(events[500:600])
    assert part.particles.to_list() == whole[500:600].particles.to_list()


def test_without_a_peak_nothing_is_folded() -> None:
    plain = planted(0.0, seed=2)
    assert Resonances.fit(plain).windows == ()
    assert Resonances.fit(plain[:100]).windows == ()


def test_a_particle_is_in_one_pair_only(resonances: Resonances) -> None:
    """A kaon with two pions, each pair at the peak."""
    sure = Resonances({313: np.ones(64)}, resonances.masses)
    two = planted(1.0)[:1]
    columns = {name: np.append(two.flat(name), two.flat(name)[1]) for name in two.columns}
    made = sure.fold(Events.from_flat([3], columns))
    assert sorted(made.flat("pdg_id").tolist()) == [-211, 313]


def test_the_representation_keeps_them_and_encodes_their_masses() -> None:
    setting = DISSetting(Beams.parse("10x275"), 25.0, level=Level.STABLE)
    stable = simulate_shard(setting, 8_000, seed=3, shard=0)
    representation = CloudRepresentation.fit(stable, fold_decays=True, fold_resonances=True)
    assert representation.resonances is not None
    assert {313, -313} <= set(representation.resonances.shares) <= {window.decay.parent for window in WINDOWS}
    kinds = representation.species.pdg_ids.tolist()
    assert representation.species.mass_row[kinds.index(313)] >= 0
    again = CloudRepresentation.from_state(representation.state())
    one, other = (r.encode(stable[:50])["cloud"] for r in (representation, again))
    assert torch.equal(one.x, other.x)
    unfolded = again.unfold(again.fold(stable[:50]), EventRng(1, range(50)))
    assert np.array_equal(unfolded.counts, stable[:50].counts)
    assert CloudRepresentation.fit(stable[:500]).resonances is None


def crowded() -> Events:
    """One event of kaons and pions that could come from many K*0 at once."""
    one = planted(1.0, seed=4)[:3]
    columns = {name: one.flat(name) for name in one.columns}
    return Events.from_flat([6], columns)


def test_the_lot_has_the_probability_that_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every set of pairs that the lot may accept, with its probability, against what `log_unfold` says of it."""
    share = np.linspace(0.2, 0.9, 64)
    wide = [w._replace(reach=30.0) if w.decay.parent == 313 else w for w in WINDOWS]
    monkeypatch.setattr("cloudchamber.represent.resonances.WINDOWS", tuple(wide))
    resonances, events = Resonances({313: share}, {321: KAON, -211: PION}), crowded()
    found = resonances._found(Particles.of(events))
    pairs = len(found.share)
    assert pairs >= 6
    expected: dict[bytes, float] = {}
    claimed: dict[bytes, float] = {}
    for number in range(2**pairs):
        accepted = np.array([number >> k & 1 for k in range(pairs)], dtype=bool)
        lot = np.where(accepted, 0.0, 1.0)
        monkeypatch.setattr("cloudchamber.represent.resonances._lot", lambda *_, lot=lot: lot)
        outcome = resonances._found(Particles.of(events))
        key = outcome.taken.tobytes()
        expected[key] = expected.get(key, 0.0) + float(np.where(accepted, found.share, 1 - found.share).prod())
        M = outcome.mass[outcome.taken]
        k = np.sqrt((M**2 - (KAON + PION) ** 2) * (M**2 - (KAON - PION) ** 2)) / (2 * M)
        claimed[key] = float(np.exp(-np.log(4 * np.pi * k).sum() - resonances.log_unfold(events)[0]))
    assert len(expected) > 10
    for key, probability in expected.items():
        assert claimed[key] == pytest.approx(probability, rel=1e-9)
    assert sum(claimed.values()) == pytest.approx(1.0)


def test_two_body_decays_have_the_jacobian_of_log_unfold() -> None:
    """(d^3p_1 / E_1) (d^3p_2 / E_2) = (d^3P / E) k dm dOmega, by central differences."""

    def daughters(v: Array) -> Array:
        P, m, cosine, azimuth = v[:3], v[3], v[4], v[5]
        k = np.sqrt((m**2 - (KAON + PION) ** 2) * (m**2 - (KAON - PION) ** 2)) / (2 * m)
        sine, E = np.sqrt(1 - cosine**2), np.sqrt(P @ P + m**2)
        n = k * np.array([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine])
        energy = np.sqrt(KAON**2 + k**2)
        p = n + P * (n @ P / (E + m) + energy) / m
        return np.concatenate([p, P - p])

    v, h = np.array([0.3, -0.8, 2.0, 0.9, 0.2, 1.1]), 1e-6
    jacobian = np.stack([(daughters(v + h * e) - daughters(v - h * e)) / (2 * h) for e in np.eye(6)], axis=1)
    p = daughters(v)
    one, two, E = (np.sqrt(q @ q + m**2) for q, m in ((p[:3], KAON), (p[3:], PION), (v[:3], v[3])))
    k = np.sqrt((v[3] ** 2 - (KAON + PION) ** 2) * (v[3] ** 2 - (KAON - PION) ** 2)) / (2 * v[3])
    assert abs(np.linalg.det(jacobian)) / (one * two) == pytest.approx(k / E, rel=1e-6)
