"""The hadronic final state in the Breit frame, jets in both frames, and energy-energy correlators."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cloudchamber.evaluate.derived import BREIT_JET_PT, LAB_JET_PT, Derived
from cloudchamber.evaluate.figures.comparison import Comparison, Shared
from cloudchamber.evaluate.figures.histogram import integer_edges, quantile_edges
from cloudchamber.evaluate.figures.panels import Panel, draw_panels
from cloudchamber.evaluate.sample import Column
from cloudchamber.physics.jets import Jets
from cloudchamber.physics.kinematics import azimuth_difference

__all__ = ["breit_frame", "correlators", "jets"]

Array = NDArray[np.float64]
_PT, _PZ = r"$p_\mathrm{T}$", r"$p_z / Q$"
_CORRELATORS = (
    ("EEC", np.linspace(0.0, 6.0, 41), r"$\Delta R$ of hadron pairs", "EEC"),
    ("TEEC", np.linspace(-1.0, 1.0, 41), r"$\cos(\phi_\mathrm{h} - \phi_{e^{\prime}})$", "TEEC"),
    ("BEEC", np.linspace(-1.0, 1.0, 41), r"$\cos\theta$ to the proton, Breit frame", "EEC in the Breit frame"),
)


def breit_frame(comparison: Comparison) -> Figure:
    """Momentum fractions, momenta and numbers of hadrons in the Breit frame.

    Args:
        comparison: what to draw.
    """
    few = comparison.few
    x_p, pt, pz = few.both(lambda d: d.x_p), few.both(_breit_pt), few.both(_breit_pz)
    n, energy = few.both(_current_number), few.both(_current_energy)
    xi = few.both(lambda d: d.column(-np.log(np.maximum(d.x_p.values, 1e-9)), d.x_p.offsets))
    panels = (
        Panel(x_p, np.linspace(0.0, 1.0, 41), r"$x_p = 2|p|/Q$, current hemisphere", "hadrons per event", log=True),
        Panel(xi, np.linspace(0.0, 5.0, 41), r"$\xi = \ln(1/x_p)$, current hemisphere", "hadrons per event"),
        Panel(n, integer_edges(n.reference.values), "hadrons in the current hemisphere", "share of events", log=True),
        Panel(pt, np.linspace(0.0, 10.0, 41), rf"{_PT} in the Breit frame  [GeV]", "hadrons per event  [1/GeV]",
              log=True),
        Panel(pz, np.linspace(-1.0, 2.0, 61), rf"{_PZ} in the Breit frame", "hadrons per event", log=True),
        Panel(energy, np.linspace(0.0, 1.5, 41), r"$2E/Q$ of the current hemisphere", "density", log=True),
    )  # fmt: skip
    return draw_panels(few, panels, 3, width=4.6, height=4.2, pulls=True)


def jets(comparison: Comparison) -> Figure:
    """Jets of anti-kT in the lab and of kT in the Breit frame.

    Args:
        comparison: what to draw.
    """
    few = comparison.few
    panels = [*_jet_panels(few, "lab"), *_jet_panels(few, "Breit")]
    return draw_panels(few, panels, 4, width=3.7, height=3.9, pulls=True)


def correlators(comparison: Comparison) -> Figure:
    """Energy-energy correlators of hadron pairs, and of hadrons with the electron and with the proton.

    Args:
        comparison: what to draw.
    """
    few, panels = comparison.few, []
    for kind, edges, label, density in _CORRELATORS:
        columns = few.columns([Shared(*derived.correlator(kind)) for derived in few.derived])
        panels.append(Panel(columns, edges, label, density, log=kind != "EEC"))
    return draw_panels(few, panels, 3, width=4.6, height=4.2, pulls=True)


def _jet_panels(few: Comparison, frame: str) -> list[Panel]:
    lab = frame == "lab"
    name = r"anti-$k_\mathrm{T}$, lab" if lab else r"$k_\mathrm{T}$, Breit"
    number = few.both(lambda d: Column.per_event(np.diff(_jets(d, lab).offsets).astype(np.float64), d.sample.weight))
    pt = few.both(lambda d: d.column(_jets(d, lab).pt, _jets(d, lab).offsets))
    eta = few.both(lambda d: d.column(_jets(d, lab).eta, _jets(d, lab).offsets))
    last = few.both(_balance) if lab else few.both(lambda d: d.column(_jets(d, lab).mass, _jets(d, lab).offsets))
    lowest = LAB_JET_PT if lab else BREIT_JET_PT
    angle = np.linspace(0.0, np.pi, 31)
    mass = quantile_edges(last.reference.values, 30, start=0.0)
    of_last = (
        Panel(last, angle, r"$|\phi_\mathrm{jet} - \phi_{e^{\prime}}|$, leading jet  [rad]", "density", log=True)
        if lab else Panel(last, mass, "jet mass  [GeV]", "jets per event  [1/GeV]", log=True)
    )  # fmt: skip
    high = float(np.quantile(pt.reference.values, 0.9995)) if len(pt.reference.values) else lowest + 1
    return [
        Panel(number, integer_edges(number.reference.values), rf"jets with $p_\mathrm{{T}} > {lowest:g}$ GeV",
              "share of events", log=True, note=name),
        Panel(pt, np.linspace(lowest, high, 31), r"jet $p_\mathrm{T}$  [GeV]", "jets per event  [1/GeV]", log=True),
        Panel(eta, quantile_edges(eta.reference.values, 30), r"jet $\eta$", "jets per event"),
        of_last,
    ]  # fmt: skip


def _jets(derived: Derived, lab: bool) -> Jets:
    return derived.lab_jets if lab else derived.breit_jets


def _balance(derived: Derived) -> Column:
    """Azimuth between the leading jet and the scattered electron."""
    found = derived.lab_jets
    some = np.diff(found.offsets) > 0
    first = found.momenta[found.offsets[:-1][some]]
    angle = np.abs(azimuth_difference(np.arctan2(first[:, 2], first[:, 1]), derived.sample.electron.phi[some]))
    return derived.column(angle, np.concatenate([[0], np.cumsum(some)]))


def _breit_pt(derived: Derived) -> Column:
    return derived.column(np.hypot(derived.breit[:, 1], derived.breit[:, 2]), derived.hadrons.offsets)


def _breit_pz(derived: Derived) -> Column:
    return derived.column(derived.breit[:, 3] / _Q(derived)[derived.hadrons.event], derived.hadrons.offsets)


def _current_number(derived: Derived) -> Column:
    return Column.per_event(derived.x_p.counts.astype(np.float64), derived.sample.weight)


def _current_energy(derived: Derived) -> Column:
    energy = derived.hadrons.total(derived.breit[:, 0] * (derived.breit[:, 3] < 0))
    return Column.per_event(2 * energy / _Q(derived), derived.sample.weight)


def _Q(derived: Derived) -> Array:  # noqa: N802
    Q: Array = np.sqrt(np.maximum(derived.sample.dis.Q2, np.finfo(float).tiny))
    return Q
