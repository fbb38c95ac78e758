r"""What is measured of muons and jets: one number for each event of a given number of jets.

    Delta R = sqrt(Delta_eta^2 + Delta_phi^2)      y = ln((E + pz) / (E - pz)) / 2

Z is the sum of the two muons, j1 the jet of highest pT. Azimuthal differences are signed, between -pi and pi. Each
quantity has bins of its own, so that samples can be put side by side; edges of cuts are edges of bins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.histogram import quantile_edges
from cloudchamber.events import Events
from cloudchamber.physics.zjets import PT_MIN, JetEvents

__all__ = ["JetView", "Quantity", "quantities", "quantity_table"]

Array = NDArray[np.float64]
_TAIL = 1e-3
_DELTA_R_EDGES: Array = np.arange(0, 7.01, 0.1).round(1)
_MASS_EDGES: Array = np.linspace(71, 111, 81)


class _Sum(NamedTuple):
    """Four-momenta of some particles together, each column of shape (n,), in GeV."""

    px: Array
    py: Array
    pz: Array
    energy: Array

    @property
    def pt(self) -> Array:
        out: Array = np.hypot(self.px, self.py)
        return out

    @property
    def phi(self) -> Array:
        out: Array = np.arctan2(self.py, self.px)
        return out

    @property
    def mass(self) -> Array:
        squared = (self.energy - self.pz) * (self.energy + self.pz) - self.px**2 - self.py**2
        out: Array = np.sqrt(np.maximum(squared, 0.0))
        return out

    @property
    def rapidity(self) -> Array:
        out: Array = np.arctanh(np.clip(self.pz / self.energy, -1 + 1e-12, 1 - 1e-12))
        return out


class JetView:
    """Events of one number of jets, and what is derived of them.

    Args:
        events: at least one, all with as many jets.
    """

    def __init__(self, events: Events) -> None:
        self.particles = JetEvents.of(events)
        self.jets = self.particles.pt.shape[1] - 2

    @cached_property
    def _columns(self) -> tuple[Array, Array, Array, Array]:
        momenta = self.particles.momenta()
        energy = np.sqrt((momenta**2).sum(-1) + self.particles.mass**2)
        return momenta[..., 0], momenta[..., 1], momenta[..., 2], energy

    def total(self, *places: int) -> _Sum:
        """Sum of some particles.

        Args:
            *places: 0 for the muon, 1 for the antimuon, 2 for the first jet.
        """
        return _Sum(*(column[:, list(places)].sum(1) for column in self._columns))

    @cached_property
    def boson(self) -> _Sum:
        """The two muons together."""
        return self.total(0, 1)

    def turn(self, a: int, b: int) -> Array:
        """Azimuth of one particle from another, shape (n,).

        Args:
            a: place of the one.
            b: place of the other.
        """
        return _wrapped(self.particles.phi[:, a] - self.particles.phi[:, b])

    def distance(self, a: int, b: int) -> Array:
        """Delta R of two particles, shape (n,).

        Args:
            a: place of the one.
            b: place of the other.
        """
        out: Array = np.hypot(self.particles.eta[:, a] - self.particles.eta[:, b], self.turn(a, b))
        return out


@dataclass(frozen=True)
class Quantity:
    """One number for each event.

    Attributes:
        key: name in files and tables.
        symbol: label of an axis.
        unit: of the value.
        of: from events to values, shape (n,).
        circular: whether it is an angle.
        log: whether its spectrum is drawn with a logarithmic axis.
        start: lower edge of its bins; found from the values by default.
        fixed: its bins, where they are the same for all samples.
    """

    key: str
    symbol: str
    unit: str
    of: Callable[[JetView], Array]
    circular: bool = False
    log: bool = False
    start: float | None = None
    fixed: Array | None = None

    def edges(self, reference: Array, bins: int = 40) -> Array:
        """Bins of its spectrum.

        Args:
            reference: values of the reference.
            bins: how many, where they are not fixed.
        """
        if self.circular:
            return np.linspace(-np.pi, np.pi, bins + 1)
        if self.fixed is not None:
            return self.fixed[: np.searchsorted(self.fixed, np.quantile(reference, 1 - _TAIL)) + 1]
        return quantile_edges(reference, bins, tail=_TAIL, start=self.start)

    @property
    def label(self) -> str:
        """Symbol and unit."""
        return f"{self.symbol} [{self.unit}]" if self.unit else self.symbol


def quantities(jets: int) -> tuple[Quantity, ...]:
    """Everything that is measured of events with so many jets.

    Args:
        jets: how many.
    """
    places = range(2, 2 + jets)
    found = [*_of_muons()]
    for place in places:
        found += _of_jet(place)
    for a, b in combinations(places, 2):
        found += _of_pair(a, b)
    every = tuple(range(2 + jets))
    found += [
        Quantity("pT_sum", r"$|\sum \vec{p}_T|$", "GeV", lambda v: v.total(*every).pt, log=True, start=0.0),
        Quantity("mass", r"$m_\mathrm{all}$", "GeV", lambda v: v.total(*every).mass, log=True),
    ]
    return tuple(found)


def quantity_table(events: Events, jets: int) -> Array:
    """All quantities of all events, shape (n, number of quantities).

    Args:
        events: all with so many jets.
        jets: how many.
    """
    view = JetView(events)
    return np.stack([quantity.of(view) for quantity in quantities(jets)], axis=1)


def _of_muons() -> list[Quantity]:
    return [
        *_of_muon(0, r"\mu^-", "mu-"),
        *_of_muon(1, r"\mu^+", "mu+"),
        Quantity("m_Z", r"$m_{\mu\mu}$", "GeV", lambda v: v.boson.mass, log=True, fixed=_MASS_EDGES),
        Quantity("pT_Z", r"$p_T(Z)$", "GeV", lambda v: v.boson.pt, log=True, start=0.0),
        Quantity("y_Z", "$y(Z)$", "", lambda v: v.boson.rapidity),
        Quantity("dphi_mumu", r"$\Delta\phi(\mu^+, \mu^-)$", "rad", lambda v: v.turn(1, 0), circular=True),
        Quantity("deta_mumu", r"$\Delta\eta(\mu^+, \mu^-)$", "",
                 lambda v: v.particles.eta[:, 1] - v.particles.eta[:, 0]),
        Quantity("dR_mumu", r"$\Delta R(\mu^+, \mu^-)$", "", lambda v: v.distance(0, 1), fixed=_DELTA_R_EDGES),
    ]  # fmt: skip


def _of_muon(place: int, name: str, key: str) -> list[Quantity]:
    return [
        Quantity(f"pT_{key}", f"$p_T({name})$", "GeV", lambda v: v.particles.pt[:, place], log=True, start=0.0),
        Quantity(f"eta_{key}", rf"$\eta({name})$", "", lambda v: v.particles.eta[:, place]),
    ]


def _of_jet(place: int) -> list[Quantity]:
    key, name = f"j{place - 1}", f"j_{place - 1}"
    return [
        Quantity(f"pT_{key}", f"$p_T({name})$", "GeV", lambda v: v.particles.pt[:, place], log=True, start=PT_MIN),
        Quantity(f"eta_{key}", rf"$\eta({name})$", "", lambda v: v.particles.eta[:, place]),
        Quantity(f"m_{key}", f"$m({name})$", "GeV", lambda v: v.particles.mass[:, place], log=True, start=0.0),
        Quantity(f"dphi_Z{key}", rf"$\Delta\phi(Z, {name})$", "rad",
                 lambda v: _wrapped(v.boson.phi - v.particles.phi[:, place]), circular=True, log=True),
        Quantity(f"dR_mu{key}", rf"$\Delta R(\mu^-, {name})$", "", lambda v: v.distance(0, place),
                 fixed=_DELTA_R_EDGES),
    ]  # fmt: skip


def _of_pair(a: int, b: int) -> list[Quantity]:
    key, name = f"j{a - 1}j{b - 1}", f"j_{a - 1}, j_{b - 1}"
    return [
        Quantity(f"dphi_{key}", rf"$\Delta\phi({name})$", "rad", lambda v: v.turn(a, b), circular=True),
        Quantity(f"deta_{key}", rf"$\Delta\eta({name})$", "",
                 lambda v: v.particles.eta[:, a] - v.particles.eta[:, b]),
        Quantity(f"dR_{key}", rf"$\Delta R({name})$", "", lambda v: v.distance(a, b), fixed=_DELTA_R_EDGES),
        Quantity(f"m_{key}", f"$m({name})$", "GeV", lambda v: v.total(a, b).mass, log=True, start=0.0),
    ]  # fmt: skip


def _wrapped(phi: Array) -> Array:
    return np.remainder(phi + np.pi, 2 * np.pi) - np.pi
