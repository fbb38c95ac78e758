r"""Event observables: the fixed list that the classifier test and the event tables use.

Each observable has a name, a unit, one sentence and a resolution. Values are rounded to the resolution, because
quantities that the laws of conservation fix (the recoil of the hadrons against the electron, the sum of E - pz)
differ between samples only by the precision of the file, which is not physics and must not be found by a classifier.

Unless said otherwise the scattered electron e' is left out. E_T = E / cosh(eta); transverse sphericity is
2 lambda_2 / (lambda_1 + lambda_2) with the eigenvalues lambda_1 >= lambda_2 of sum_i pT_i pT_i^T. Windows of resonances
are about as wide as the resonance, or as the precision of stored momenta where it is narrower.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.event_view import EventView, PairKind
from cloudchamber.evaluate.progress import Progress, silent
from cloudchamber.evaluate.sample import Sample
from cloudchamber.physics.dis import beam_momenta
from cloudchamber.physics.kinematics import azimuth_difference

__all__ = ["OBSERVABLES", "Observable", "observable_matrix", "one_observable"]

Array = NDArray[np.float64]
_BLOCK = 10_000
_FINEST = 1e-6
_NUCLEONS = (2212, 2112, -2212, -2112)
_NEUTRINOS = (12, -12, 14, -14, 16, -16)
_HYPERONS = tuple(sign * code for code in (3122, 3112, 3222, 3312, 3322, 3334) for sign in (1, -1))


@dataclass(frozen=True)
class Observable:
    """One number for each event.

    Attributes:
        key: name in files and tables.
        unit: unit of the value.
        description: one sentence.
        of: from a block of events to values, shape (n,).
        resolution: values are rounded to multiples of it.
    """

    key: str
    unit: str
    description: str
    of: Callable[[EventView], Array]
    resolution: float = _FINEST


def observable_matrix(sample: Sample, progress: Progress = silent) -> Array:
    """All observables of all events, shape (n, number of observables).

    Args:
        sample: any number of events; they are worked through in blocks of 10,000.
        progress: told of every block.
    """
    matrix = np.empty((len(sample), len(OBSERVABLES)))
    for start in range(0, len(sample), _BLOCK):
        progress("event observables", start / len(sample))
        view = EventView(sample[start : start + _BLOCK])
        for k, observable in enumerate(OBSERVABLES):
            values = observable.of(view) / observable.resolution
            matrix[start : start + _BLOCK, k] = np.round(values) * observable.resolution
    return matrix


def one_observable(sample: Sample, key: str) -> Array:
    """One observable of all events, shape (n,).

    Args:
        sample: any number of events.
        key: its name.
    """
    observable = next(o for o in OBSERVABLES if o.key == key)
    values = np.empty(len(sample))
    for start in range(0, len(sample), _BLOCK):
        values[start : start + _BLOCK] = observable.of(EventView(sample[start : start + _BLOCK]))
    return np.round(values / observable.resolution) * observable.resolution


def _number(key: str, what: str, *codes: int) -> Observable:
    return Observable(f"n_{key}", "", f"number of {what}", lambda v: v.count(v.of(*codes)), 1.0)


def _pairs(key: str, what: str, kind: PairKind, low: float, high: float) -> Observable:
    text = f"number of {what} pairs with a mass of {low:g} to {high:g} GeV"
    return Observable(f"pairs_{key}", "", text, lambda v: v.pairs(kind, low, high), 1.0)


def _highest_pt(key: str, what: str, *codes: int) -> Observable:
    text = f"highest pT of {what}; 0 without any"
    return Observable(f"max_pT_{key}", "GeV", text, lambda v: v.largest(v.pt, v.of(*codes)))


def _highest_energy(key: str, what: str, codes: tuple[int, ...], others: bool = False) -> Observable:
    text = f"energy of the most energetic {what} over that of the beam hadron"
    return Observable(f"max_E_{key}", "", text, partial(_energy_fraction, codes=codes, others=others))


def _energy_fraction(v: EventView, codes: tuple[int, ...], others: bool) -> Array:
    return v.largest(v.energy, v.of(*codes) != others) / v.sample.beams.hadron


def _transverse_energy(low: float, high: float) -> Observable:
    text = f"sum of E_T at {low:g} < eta < {high:g}"
    return Observable(f"ET_{low:g}_{high:g}", "GeV", text, partial(_et_between, low=low, high=high))


def _et_between(v: EventView, low: float, high: float) -> Array:
    return v.total(v.energy / np.cosh(v.eta), (v.eta > low) & (v.eta < high))


def _log10(values: Array) -> Array:
    """Logarithm, cut at -9: an unphysical electron may give a negative x."""
    return np.log10(np.maximum(values, 1e-9))


def _missing_e_minus_pz(v: EventView) -> Array:
    electron, beams = v.sample.electron, beam_momenta(v.sample.beams)
    expected = sum(float(beam[0] - beam[3]) for beam in beams)
    return expected - (electron.energy - electron.pz) - v.total(v.energy - v.p.pz)


def _sum_z(v: EventView) -> Array:
    return v.total(v.p.z(v.sample.beams)) + v.sample.electron.z(v.sample.beams)


def _recoil_pt(v: EventView) -> Array:
    (px, py), electron = v.recoil, v.sample.electron
    return np.hypot(px + electron.px, py + electron.py)


def _recoil_angle(v: EventView) -> Array:
    px, py = v.recoil
    return np.abs(azimuth_difference(np.arctan2(py, px), v.sample.electron.phi))


def _second_pt(v: EventView) -> Array:
    return v.largest(v.pt, ~v.leading)


def _sphericity(v: EventView) -> Array:
    xx, yy, xy = v.total(v.p.px**2), v.total(v.p.py**2), v.total(v.p.px * v.p.py)
    trace = np.maximum(xx + yy, np.finfo(float).tiny)
    return np.clip(1 - np.hypot(xx - yy, 2 * xy) / trace, 0.0, 1.0)


def _eta_spread(v: EventView) -> Array:
    return np.sqrt(v.mean((v.eta - v.mean(v.eta)[v.hadrons.event]) ** 2))


def _largest_gap(v: EventView) -> Array:
    order = np.lexsort((v.eta, v.hadrons.event))
    gaps = np.diff(v.eta[order], prepend=0.0)
    gaps[v.hadrons.offsets[:-1][v.hadrons.counts > 0]] = 0.0
    return v.hadrons.largest(gaps)


OBSERVABLES: tuple[Observable, ...] = (
    Observable("n", "", "number of particles, e' among them", lambda v: v.count(v.pt >= 0) + 1, 1.0),
    Observable("n_charged", "", "number of charged particles", lambda v: v.count(v.charged), 1.0),
    _number("pi+", "pi+", 211),
    _number("pi-", "pi-", -211),
    _number("K+", "K+", 321),
    _number("K-", "K-", -321),
    _number("gamma", "photons", 22),
    _number("p", "protons", 2212),
    _number("n", "neutrons", 2112),
    _number("antinucleons", "antiprotons and antineutrons", -2212, -2112),
    _number("K0S", "K0S", 310),
    _number("K0L", "K0L", 130),
    _number("hyperons", "hyperons and antihyperons", *_HYPERONS),
    _number("leptons", "e+, e-, mu+ and mu- other than e'", 11, -11, 13, -13),
    _number("neutrinos", "neutrinos and antineutrinos", *_NEUTRINOS),
    Observable("log10_Q2", "", "log10 of Q2 / GeV2 by the electron method", lambda v: _log10(v.sample.dis.Q2)),
    Observable("log10_x", "", "log10 of x by the electron method", lambda v: _log10(v.sample.dis.x)),
    Observable("y", "", "y by the electron method", lambda v: v.sample.dis.y),
    Observable("W", "GeV", "mass of the hadronic final state by the electron method",
               lambda v: np.sqrt(np.maximum(v.sample.dis.W2, 0.0))),
    Observable("pT_e", "GeV", "pT of e'", lambda v: v.sample.electron.pt),
    Observable("eta_e", "", "eta of e'", lambda v: v.sample.electron.eta),
    Observable("missing_E_minus_pz", "GeV", "E - pz of the beams less that of all particles",
               _missing_e_minus_pz, 0.01),
    Observable("recoil_pT", "GeV", "size of the vector sum of pT over all particles", _recoil_pt, 0.01),
    Observable("recoil_angle", "rad", "angle between the summed pT of the hadrons and pT of e'", _recoil_angle, 0.01),
    Observable("sum_z", "", "sum of z over all particles, e' among them", _sum_z, 1e-5),
    Observable("leading_pT", "GeV", "pT of the particle of highest pT", lambda v: v.largest(v.pt)),
    Observable("leading_eta", "", "its eta", lambda v: v.total(v.eta, v.leading)),
    Observable("leading_dphi", "rad", "size of its azimuth relative to e'",
               lambda v: v.total(np.abs(v.dphi), v.leading)),
    Observable("leading_charge", "", "its charge", lambda v: v.total(v.charge, v.leading), 1.0),
    Observable("leading_z", "", "highest z = 2 |p| / sqrt(s)", lambda v: v.largest(v.p.z(v.sample.beams))),
    Observable("second_pT", "GeV", "second-highest pT", _second_pt),
    Observable("sum_pT", "GeV", "scalar sum of pT", lambda v: v.total(v.pt)),
    Observable("mean_pT_charged", "GeV", "mean pT of charged particles", lambda v: v.mean(v.pt, v.charged)),
    Observable("mean_pT2_photons", "GeV2", "mean pT^2 of photons", lambda v: v.mean(v.pt**2, v.of(22))),
    Observable("sphericity_T", "", "transverse sphericity", _sphericity),
    _highest_pt("pions", "a charged pion", 211, -211),
    _highest_pt("kaons", "a charged kaon", 321, -321),
    _highest_pt("photons", "a photon", 22),
    _highest_pt("nucleons", "a nucleon or antinucleon", *_NUCLEONS),
    _highest_energy("p", "proton", (2212,)),
    _highest_energy("n", "neutron", (2112,)),
    _highest_energy("other", "particle that is no nucleon", _NUCLEONS, others=True),
    Observable("E_forward", "", "energy at eta > 5 over that of the beam hadron",
               lambda v: v.total(v.energy, v.eta > 5) / v.sample.beams.hadron),
    Observable("E_photons", "GeV", "summed energy of photons", lambda v: v.total(v.energy, v.of(22))),
    Observable("E_neutrinos", "GeV", "summed energy of neutrinos",
               lambda v: v.total(v.energy, v.of(*_NEUTRINOS))),
    Observable("n_central", "", "number of particles at |eta| < 2", lambda v: v.count(np.abs(v.eta) < 2), 1.0),
    Observable("n_forward", "", "number of particles at eta > 5", lambda v: v.count(v.eta > 5), 1.0),
    _transverse_energy(-10, -1),
    _transverse_energy(-1, 1),
    _transverse_energy(1, 3),
    _transverse_energy(3, 10),
    Observable("mean_eta", "", "mean eta", lambda v: v.mean(v.eta)),
    Observable("spread_eta", "", "standard deviation of eta", _eta_spread),
    Observable("max_eta", "", "highest eta", lambda v: v.largest(v.eta, empty=-22.0)),
    Observable("largest_gap", "", "widest interval of eta between neighbouring particles", _largest_gap),
    Observable("mean_cos_dphi", "", "mean of cos(phi - phi_e')", lambda v: v.mean(np.cos(v.dphi))),
    Observable("mean_cos_2dphi", "", "mean of cos 2(phi - phi_e')", lambda v: v.mean(np.cos(2 * v.dphi))),
    Observable("sum_pT_Breit", "GeV", "scalar sum of pT in the Breit frame", lambda v: v.total(v.breit_pt)),
    Observable("max_pT_Breit", "GeV", "highest pT in the Breit frame", lambda v: v.largest(v.breit_pt)),
    Observable("n_current", "", "number of particles in the current hemisphere of the Breit frame",
               lambda v: v.count(v.breit[:, 3] < 0), 1.0),
    Observable("E_current", "", "their energy over Q / 2",
               lambda v: 2 * v.total(v.breit[:, 0], v.breit[:, 3] < 0) / np.sqrt(np.maximum(v.sample.dis.Q2, 1e-9))),
    _pairs("pi0", "photon", PairKind((22,), (22,)), 0.1340, 0.1360),
    _pairs("eta", "photon", PairKind((22,), (22,)), 0.5454, 0.5504),
    _pairs("rho0", "pi+ pi-", PairKind((211,), (-211,)), 0.67, 0.87),
    _pairs("phi", "K+ K-", PairKind((321,), (-321,)), 1.010, 1.030),
    _pairs("K*0", "K+ pi-", PairKind((321,), (-211,)), 0.845, 0.945),
    _pairs("K*0bar", "K- pi+", PairKind((-321,), (211,)), 0.845, 0.945),
    _pairs("K*+-", "K0S pi+-", PairKind((310,), (211, -211)), 0.845, 0.945),
    _pairs("D0", "K- pi+", PairKind((-321,), (211,)), 1.855, 1.875),
    _pairs("Delta++", "p pi+", PairKind((2212,), (211,)), 1.17, 1.30),
    _pairs("Delta0", "p pi-", PairKind((2212,), (-211,)), 1.17, 1.30),
    _pairs("antiDelta", "pbar pi-", PairKind((-2212,), (-211,)), 1.17, 1.30),
)  # fmt: skip
