import numpy as np

from cloudchamber.events import Beams
from cloudchamber.physics.dis import dis_variables
from cloudchamber.physics.pdg import quantum_table
from cloudchamber.represent.cloud import four_momenta
from cloudchamber.simulate.anomalies import charged_current
from cloudchamber.simulate.pythia import DISSetting


def test_charged_currents_look_like_neutral_ones_with_hadrons_of_no_charge() -> None:
    beams = Beams.parse("10x275")
    events = charged_current(DISSetting(beams, 25.0), 100, seed=3)
    assert (np.asarray(events.electron.pdg_id) == 11).all()
    thirds = quantum_table(events.flat("pdg_id"))[:, 0]
    assert (np.add.reduceat(thirds, events.offsets[:-1]) == -3).all()
    variables = dis_variables(four_momenta(events.electron), beams)
    assert (variables.Q2 > 20).all()
    assert np.median(variables.Q2) > 300  # the W is heavy
    again = charged_current(DISSetting(beams, 25.0), 100, seed=3)
    assert again.particles.to_list() == events.particles.to_list()
