"""What the shipped models make obeys every law exactly, whatever their quality."""

import awkward as ak
import numpy as np

from cloudchamber.events import Beams, Events, Level
from cloudchamber.physics import pdg
from cloudchamber.physics.conservation import energies, residuals
from cloudchamber.physics.dis import dis_variables
from cloudchamber.recipes.generation import Generator
from cloudchamber.represent.cloud import four_momenta

BEAMS = Beams(electron=10, hadron=275)


def test_four_momentum_is_conserved(generated: Events, undecayed: Events) -> None:
    for events in (generated, undecayed):
        assert np.abs(residuals(events, BEAMS).momentum).max() / (10 + 275) < 1e-9


def test_charge_baryon_and_lepton_number_are_conserved(generated: Events, undecayed: Events) -> None:
    for events in (generated, undecayed):
        found = residuals(events, BEAMS)
        for numbers in (found.charge3, found.baryon, found.leptons):
            assert not numbers.any()


def test_flavours_are_conserved_before_decays(undecayed: Events) -> None:
    flavours = residuals(undecayed, BEAMS).flavours
    assert (flavours is None) == (undecayed.run.level is Level.STABLE)
    assert flavours is None or not flavours.any()


def test_particles_are_on_their_mass_shell(generated: Events) -> None:
    p = four_momenta(ak.flatten(generated.particles))
    mass = generated.flat("mass")
    assert (np.abs(p[:, 0] ** 2 - (p[:, 1:] ** 2).sum(-1) - mass**2) / p[:, 0] ** 2).max() < 1e-9
    np.testing.assert_array_equal(energies(generated), p[:, 0])


def test_stable_species_have_their_mass(generated: Events) -> None:
    pdg_ids, mass = generated.flat("pdg_id"), generated.flat("mass")
    assert generated.run.level is Level.STABLE
    for code in np.unique(pdg_ids):
        expected = pdg.species(int(code)).mass
        own = mass[pdg_ids == code]
        assert np.ptp(own) < 1e-5
        assert expected is None or abs(own[0] - expected) < 5e-4


def test_broad_masses_stay_inside_the_training_sample(shipped: Generator, undecayed: Events) -> None:
    table = shipped.trained.representation.species
    knots = table.mass_map.knots
    hadronic = ak.flatten(undecayed.hadronic)
    index = table.index(ak.to_numpy(hadronic.pdg_id))
    mass, row = ak.to_numpy(hadronic.mass), table.mass_row.numpy()[index]
    broad = row >= 0
    assert (mass[broad] >= knots[:, 0].numpy()[row[broad]]).all()
    assert (mass[broad] <= knots[:, -1].numpy()[row[broad]]).all()
    assert np.array_equal(mass[~broad], table.masses.numpy()[index[~broad]])


def test_the_electron_obeys_the_cuts(generated: Events) -> None:
    scattered = four_momenta(generated.electron)
    Q2, x, y, W2 = dis_variables(scattered, BEAMS)
    assert (ak.to_numpy(generated.electron.pdg_id) == 11).all()
    assert generated.run.cuts.q2_min == 25
    assert Q2.min() > 25 * (1 - 2e-3)
    assert ((x > 0) & (x < 1) & (y > 0) & (y < 1) & (W2 > 0.93827**2)).all()


def test_every_number_is_finite(generated: Events) -> None:
    for name in generated.columns:
        assert np.isfinite(generated.flat(name)).all()
    assert (generated.weight == 1).all()


def test_decays_leave_the_electron_and_the_stable_alone(generated: Events, undecayed: Events) -> None:
    for name in ("px", "py", "pz"):
        assert np.array_equal(ak.to_numpy(generated.electron[name]), ak.to_numpy(undecayed.electron[name]))
