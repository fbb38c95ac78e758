"""Narrow parents out of their daughters and back: against Pythia's history, and by the laws of map and inverse."""

from collections import Counter

import awkward as ak
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, Level
from cloudchamber.physics.pdg import quantum_table
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.represent.fold import DECAYS, Folding
from cloudchamber.simulate.decay import Decayer
from cloudchamber.simulate.pythia import DISSetting, simulate_shard
from cloudchamber.tensors.rng import EventRng

N = 1_500
PARENTS = [decay.parent for decay in DECAYS]
ALWAYS_NARROW = DECAYS[:4]
"""Parents that have no width in Pythia8; of the others only some have exactly the nominal mass."""
Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def stable() -> Events:
    return simulate_shard(DISSetting(Beams.parse("10x275"), 25.0, level=Level.STABLE), N, seed=31, shard=0)


@pytest.fixture(scope="module")
def folding(stable: Events) -> Folding:
    return Folding.fit(stable)


@pytest.fixture(scope="module")
def folded(stable: Events, folding: Folding) -> Events:
    return folding.fold(stable)


@pytest.fixture(scope="module")
def unfolded(folded: Events, folding: Folding) -> Events:
    return folding.unfold(folded, EventRng(7, range(N)))


def totals(events: Events) -> Array:
    """Four-momentum of each event, shape (n, 4)."""
    columns = [events.flat(name).astype(np.float64) for name in ("px", "py", "pz")]
    energy = np.sqrt(sum(p**2 for p in columns) + events.flat("mass").astype(np.float64) ** 2)
    return np.stack([np.add.reduceat(c, events.offsets[:-1]) for c in (energy, *columns)], axis=-1)


def species_lists(events: Events) -> list[list[int]]:
    return [sorted(event) for event in events.particles.pdg_id.to_list()]


def test_masses_are_those_of_the_generator(folding: Folding) -> None:
    assert folding.masses[111] == 0.13498
    assert folding.masses[221] == 0.54785
    assert folding.masses[3212] == folding.masses[-3212] == 1.19264


def test_all_two_photon_parents_of_the_history_are_found_and_no_others() -> None:
    """Truth from Pythia's own record: parents whose two daughters are both final, event by event."""
    setting = DISSetting(Beams.parse("10x275"), 25.0, level=Level.PRIMARY)
    decayed = Decayer().decay(simulate_shard(setting, 600, seed=5, shard=0), seed=3, history=True).events
    numbers, event = decayed.flat("pdg_id"), np.repeat(np.arange(600), decayed.counts)
    mother = np.where(decayed.flat("mother") >= 0, decayed.offsets[event] + decayed.flat("mother"), -1)
    daughters: dict[int, list[int]] = {}
    for row, parent in enumerate(mother):
        daughters.setdefault(int(parent), []).append(int(numbers[row]))
    true: Counter[tuple[int, int]] = Counter()
    for row, children in daughters.items():
        for decay in ALWAYS_NARROW:
            if row >= 0 and numbers[row] == decay.parent and sorted(children) == sorted(decay[1:]):
                true[int(event[row]), decay.parent] += 1
    final = decayed.final_state()
    single = {name: final.flat(name).astype(np.float32) for name in ("px", "py", "pz", "mass")}
    stored = Events.from_flat(final.counts, {"pdg_id": final.flat("pdg_id"), **single})
    made = Folding.fit(stored).fold(stored)
    rows = np.isin(made.flat("pdg_id"), [decay.parent for decay in ALWAYS_NARROW])
    found = Counter(
        zip(np.repeat(np.arange(600), made.counts)[rows].tolist(), made.flat("pdg_id")[rows].tolist(), strict=True)
    )
    missed, false = (true - found).total(), (found - true).total()
    assert true.total() > 2_000
    assert missed <= 0.001 * true.total()
    assert false <= 1


def test_hadrons_at_their_nominal_mass_are_found(stable: Events, folding: Folding) -> None:
    """Pythia8 gives some rho0 and Delta++ exactly the nominal mass; their pairs have no others near."""
    assert folding.masses.keys() >= {113, 2224}
    for parent, mass, first, second in ((113, 0.77549, 211, -211), (2224, 1.232, 2212, 211)):
        columns = {name: stable.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass")}
        p = Events.from_flat(stable.counts, {"pdg_id": stable.flat("pdg_id"), **columns}).particles
        one, two = (p[p.pdg_id == number] for number in (first, second))
        pairs = ak.cartesian([one, two])
        m2 = (pairs["0"].E + pairs["1"].E) ** 2 - sum((pairs["0"][n] + pairs["1"][n]) ** 2 for n in ("px", "py", "pz"))
        m = np.sqrt(ak.to_numpy(ak.flatten(m2)))
        near, ground = (np.abs(m - mass) < 2e-6).sum(), (np.abs(m - mass) < 2e-3).sum() / 1000
        made = int((folding.fold(stable).flat("pdg_id") == parent).sum())
        assert made > 10 * ground
        assert near - 2 <= made <= near


def test_folding_undoes_unfolding(folded: Events, unfolded: Events, folding: Folding) -> None:
    again = folding.fold(unfolded)
    assert species_lists(again) == species_lists(folded)
    np.testing.assert_allclose(again.flat("px"), folded.flat("px"), rtol=0, atol=1e-11)
    np.testing.assert_allclose(again.flat("pz"), folded.flat("pz"), rtol=0, atol=1e-11)


def test_unfolding_conserves_four_momentum_and_quantum_numbers(folded: Events, unfolded: Events) -> None:
    before, after = totals(folded), totals(unfolded)
    assert np.abs(after - before).max() < 1e-12 * before[:, 0].max()
    one, two = (np.add.reduceat(quantum_table(e.flat("pdg_id"))[:, :5], e.offsets[:-1]) for e in (folded, unfolded))
    np.testing.assert_array_equal(one, two)


def test_unfolding_gives_back_the_species(stable: Events, unfolded: Events) -> None:
    assert species_lists(unfolded) == species_lists(stable)


def test_folding_of_exact_events_conserves_four_momentum(unfolded: Events, folding: Folding) -> None:
    before, after = totals(unfolded), totals(folding.fold(unfolded))
    assert np.abs(after - before).max() < 1e-12 * before[:, 0].max()


def test_decays_are_isotropic(folded: Events, unfolded: Events) -> None:
    """The energy of a photon in the lab is uniform between (E - P) / 2 and (E + P) / 2 of its pi0."""
    parent = folded.flat("pdg_id") == 111
    copies = np.where(np.isin(folded.flat("pdg_id"), PARENTS), 2, 1)
    first = (np.cumsum(copies) - copies)[parent]
    E, P = folded.flat("E")[parent], folded.flat("p")[parent]
    share = (unfolded.flat("E")[first] - (E - P) / 2) / P
    assert stats.kstest(share, "uniform").pvalue > 1e-3


def test_permuted_events_fold_to_the_same_particles(stable: Events, folding: Folding) -> None:
    events = stable[:300]
    rng = np.random.default_rng(2)
    order = np.lexsort((rng.random(int(events.counts.sum())), np.repeat(np.arange(300), events.counts)))
    columns = {name: events.flat(name)[order] for name in events.columns}
    one, two = folding.fold(events), folding.fold(Events.from_flat(events.counts, columns))
    assert species_lists(one) == species_lists(two)
    for name in ("px", "pz"):
        np.testing.assert_array_equal(np.sort(one.flat(name)), np.sort(two.flat(name)))


def test_no_photon_is_used_twice(folding: Folding) -> None:
    """Three photons at 120 degrees, each pair exactly a pi0: one pair is folded, one photon stays."""
    m = folding.masses[111]
    energy, angle = m / np.sqrt(3), 2 * np.pi / 3 * np.arange(3)
    columns = {"px": energy * np.cos(angle), "py": energy * np.sin(angle), "pz": np.zeros(3), "mass": np.zeros(3)}
    made = folding.fold(Events.from_flat([3], {"pdg_id": np.full(3, 22, np.int32), **columns}))
    assert sorted(made.flat("pdg_id").tolist()) == [22, 111]
    np.testing.assert_allclose([made.flat(name).sum() for name in ("px", "py")], 0, atol=1e-15)


def test_a_pair_that_rounding_cannot_explain_stays(folding: Folding) -> None:
    def pair(mass: float) -> Events:
        columns = {"px": np.array([mass, -mass]) / 2, "py": np.zeros(2), "pz": np.zeros(2), "mass": np.zeros(2)}
        single = {name: values.astype(np.float32) for name, values in columns.items()}
        return Events.from_flat([2], {"pdg_id": np.full(2, 22, np.int32), **single})

    m = folding.masses[111]
    assert folding.fold(pair(m)).flat("pdg_id").tolist() == [111]
    assert folding.fold(pair(m * (1 + 1e-6))).flat("pdg_id").tolist() == [22, 22]


def test_smeared_photons_are_left_alone(stable: Events) -> None:
    rng = np.random.default_rng(1)
    columns = {name: stable.flat(name) for name in stable.columns}
    columns["px"] = columns["px"] * (1 + 0.01 * rng.normal(size=len(columns["px"])).astype(np.float32))
    smeared = Events.from_flat(stable.counts, columns, run=stable.run)
    assert Folding.fit(smeared).masses == {}
    np.testing.assert_array_equal(Folding.fit(smeared).fold(smeared).counts, stable.counts)
    with pytest.raises(InputError, match="nothing to fold"):
        CloudRepresentation.fit(smeared, fold_decays=True)


def test_unfolding_knows_only_its_own_event(folded: Events, unfolded: Events, folding: Folding) -> None:
    alone = folding.unfold(folded[40:50], EventRng(7, range(40, 50)))
    assert alone.particles.to_list() == unfolded[40:50].particles.to_list()


def test_state_and_representation_keep_the_folding(stable: Events, folded: Events) -> None:
    representation = CloudRepresentation.fit(stable, fold_decays=True)
    again = CloudRepresentation.from_state(representation.state())
    part, expected = again.encode(stable[:100]), representation.encode(stable[:100])
    assert torch.equal(part["cloud"].x, expected["cloud"].x)
    assert np.array_equal(part["cloud"].lengths.numpy(), folded[:100].counts - 1)
    assert again.folding is not None
    assert again.folding.masses == Folding.fit(stable).masses
    assert CloudRepresentation.from_state(CloudRepresentation.fit(stable).state()).folding is None


def test_densities_are_those_of_the_folded_events(stable: Events, folded: Events) -> None:
    representation = CloudRepresentation.fit(stable, fold_decays=True)
    torch.testing.assert_close(representation.log_det(stable[:50]), representation.log_det(folded[:50]))
