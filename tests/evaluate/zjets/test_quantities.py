"""Quantities of muons and jets against closed forms and `vector`."""

import awkward as ak
import numpy as np
import pytest
import vector

from cloudchamber.evaluate.zjets.evaluation import of_one_multiplicity
from cloudchamber.evaluate.zjets.quantities import JetView, quantities, quantity_table
from cloudchamber.events import Events
from cloudchamber.physics.zjets import R_MIN, closest_pair


@pytest.mark.parametrize("jets", [1, 2, 3])
def test_quantities_are_those_of_an_independent_package(zjets_events: Events, jets: int) -> None:
    events = of_one_multiplicity(zjets_events, jets)
    found = dict(zip([q.key for q in quantities(jets)], quantity_table(events, jets).T, strict=True))
    p = events.particles
    momenta = vector.zip({"px": p.px, "py": p.py, "pz": p.pz, "mass": p.mass})
    boson, everything = momenta[:, 0] + momenta[:, 1], ak.sum(momenta, axis=1)
    expected = {
        "m_Z": boson.mass, "pT_Z": boson.pt, "y_Z": boson.rapidity, "dR_mumu": momenta[:, 0].deltaR(momenta[:, 1]),
        "dphi_Zj1": boson.deltaphi(momenta[:, 2]), "pT_sum": everything.pt, "mass": everything.mass,
    }  # fmt: skip
    if jets > 1:
        expected |= {"dR_j1j2": momenta[:, 2].deltaR(momenta[:, 3]), "m_j1j2": (momenta[:, 2] + momenta[:, 3]).mass,
                     "dphi_j1j2": momenta[:, 2].deltaphi(momenta[:, 3])}  # fmt: skip
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], np.asarray(values), rtol=2e-3, atol=2e-2, err_msg=key)


def test_the_cut_is_an_edge_of_bins(zjets_events: Events) -> None:
    events = of_one_multiplicity(zjets_events, 3)
    view = JetView(events)
    smallest = np.min([q.of(view) for q in quantities(3) if q.key.startswith("dR_j")], axis=0)
    np.testing.assert_allclose(smallest, closest_pair(view.particles))
    for quantity in quantities(3):
        edges = quantity.edges(quantity.of(view))
        assert (np.diff(edges) > 0).all()
        if quantity.key.startswith("dR_j"):
            assert R_MIN in edges
