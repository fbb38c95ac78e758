"""The species table: order, masses inside the sample, charges, and pools for the rare."""

import awkward as ak
import numpy as np
import pytest
import torch
from scipy import stats

from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.represent.species import SpeciesTable, pools

PION, KAON, RHO, PROTON = 211, 321, 113, 2212


def a_table() -> SpeciesTable:
    """40 pions, 20 rhos with a width, 5 protons, 1 kaon."""
    pdg_ids = np.repeat([PION, RHO, PROTON, KAON], [40, 20, 5, 1])
    masses = np.repeat([0.13957, 0.0, 0.93827, 0.49368], [40, 20, 5, 1])
    masses[40:60] = np.linspace(0.6, 0.9, 20)
    return SpeciesTable.fit(pdg_ids, masses)


def test_species_are_ordered_from_rare_to_frequent() -> None:
    table = a_table()
    assert table.pdg_ids.tolist() == [KAON, PROTON, RHO, PION]
    assert table.index(np.array([PION, KAON, RHO, RHO])).tolist() == [3, 0, 2, 2]


def test_the_order_holds_for_simulated_events(representation: CloudRepresentation, sample: Events) -> None:
    index = representation.species.index(ak.to_numpy(ak.flatten(sample.hadronic.pdg_id)))
    counts = np.bincount(index, minlength=len(representation.species))
    assert (np.diff(counts) >= 0).all()
    assert counts[0] > 0


def test_only_a_mass_that_varies_is_drawn() -> None:
    table = a_table()
    assert (table.mass_row >= 0).tolist() == [False, False, True, False]
    index = torch.arange(4)[:, None].expand(4, 9)
    masses = table.draw_masses(index, torch.linspace(-9, 9, 9).expand(4, 9).double())
    for row, mass in ((0, 0.49368), (1, 0.93827), (3, 0.13957)):
        assert masses[row].tolist() == [mass] * 9
    assert masses[2].min() == pytest.approx(0.6)
    assert masses[2].max() == pytest.approx(0.9)
    assert (masses[2].diff() >= 0).all()


def test_a_mass_that_many_share_is_drawn_exactly_and_as_often_and_keeps_its_score() -> None:
    """A quarter of the sample at exactly 1.232, as Pythia8 has it for Delta++, and the rest wide around it."""
    rng = np.random.default_rng(0)
    wide = stats.cauchy(1.232, 0.06).rvs(60_000, random_state=rng)
    masses = np.concatenate([wide[(wide > 1.08) & (wide < 1.8)][:30_000], np.full(10_000, 1.232)])
    table = SpeciesTable.fit(np.full(40_000, 2224), masses)
    scores = torch.from_numpy(stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000))
    index = torch.zeros(20_000, dtype=torch.long)
    drawn = table.draw_masses(index, scores)
    shared = drawn == 1.232
    assert shared.double().mean() == pytest.approx(0.25, abs=0.005)
    assert (drawn.diff() >= 0).all()
    of_sample = table.mass_scores(index[:1], torch.tensor([1.232], dtype=torch.float64))
    torch.testing.assert_close(table.mass_scores(index, drawn)[shared], of_sample.expand(int(shared.sum())))
    again = table.draw_masses(index, table.mass_scores(index, drawn))
    torch.testing.assert_close(again, drawn, rtol=1e-9, atol=0)


def test_masses_and_scores_are_inverse(representation: CloudRepresentation, sample: Events) -> None:
    table = representation.species
    index = torch.from_numpy(table.index(ak.to_numpy(ak.flatten(sample.hadronic.pdg_id))))
    masses = torch.from_numpy(ak.to_numpy(ak.flatten(sample.hadronic.mass)).astype(np.float64))
    scores = table.mass_scores(index, masses)
    torch.testing.assert_close(table.draw_masses(index, scores), masses, rtol=1e-5, atol=1e-6)
    assert not scores[table.mass_row[index] < 0].any()


def test_drawn_masses_stay_inside_the_sample(representation: CloudRepresentation, sample: Events) -> None:
    table = representation.species
    index = table.index(ak.to_numpy(ak.flatten(sample.hadronic.pdg_id)))
    masses = ak.to_numpy(ak.flatten(sample.hadronic.mass)).astype(np.float64)
    extreme = torch.tensor([-20.0, 20.0]).double()
    for species in range(len(table)):
        drawn = table.draw_masses(torch.full((2,), species), extreme)
        own = masses[index == species]
        assert own.min() * (1 - 1e-5) - 1e-9 <= drawn[0] <= drawn[1] <= own.max() * (1 + 1e-5) + 1e-9


def test_an_unknown_species_is_named() -> None:
    with pytest.raises(InputError, match="PDG number -3334 is not among the 4 species"):
        a_table().index(np.array([PION, -3334, KAON]))


@pytest.mark.parametrize("pdg_id", [99999, 1000010020])
def test_species_that_cannot_be_learnt_are_named(pdg_id: int) -> None:
    with pytest.raises(InputError, match=rf"1 particle\(s\) with PDG number {pdg_id}, .* remove such events"):
        SpeciesTable.fit(np.array([PION, PION, pdg_id]), np.array([0.13957, 0.13957, 1.0]))


def test_charges_are_those_of_the_particles() -> None:
    """Columns charge (in thirds), baryon number, and net d, u, s."""
    expected = [[3, 0, 0, 1, -1], [3, 1, 1, 2, 0], [0, 0, 0, 0, 0], [3, 0, -1, 1, 0]]
    assert a_table().charges((0, 1, 5, 6, 7)).tolist() == expected


def test_state_holds_the_whole_table() -> None:
    table = a_table()
    again = SpeciesTable.from_state(table.state())
    index = torch.arange(4)
    assert again.pdg_ids.tolist() == table.pdg_ids.tolist()
    assert torch.equal(again.draw_masses(index, torch.ones(4)), table.draw_masses(index, torch.ones(4)))


def test_the_frequent_have_a_pool_and_the_rare_share_one() -> None:
    """Pions and protons are frequent; strange mesons are frequent together; charm is rare and joins its kind."""
    pdg_ids = np.array([PION, PROTON, KAON, -KAON, 411, -411, 221, 4122, 3122])
    counts = np.array([9_000, 3_000, 1_500, 1_500, 20, 20, 2_500, 3, 4])
    pool = pools(pdg_ids, counts)
    assert sorted(set(pool.tolist())) == list(range(pool.max() + 1))
    pion, proton, kaon, antikaon, d_plus, d_minus, eta, charmed, strange = pool.tolist()
    assert kaon == antikaon
    assert d_plus == d_minus
    assert charmed == strange
    assert len({pion, proton, kaon, d_plus, eta}) == 5
    assert proton not in (pion, kaon, d_plus, eta)


def test_a_single_species_has_the_only_pool() -> None:
    assert pools(np.array([PION]), np.array([3])).tolist() == [0]
