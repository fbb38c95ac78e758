"""Thirty spectra of Z with jets, what samples hold in their bins, and how far draws of a model are from the truth."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.physics.zjets import JetEvents

Array = NDArray[np.float64]
THINNED, KEPT = (0.5, 1.5), 10
"""Region of the first jet's |eta|, and one of how many of its events is kept."""
JETS = (1, 2, 3)


class Spectrum(NamedTuple):
    """One of the thirty.

    Attributes:
        jets: of the events.
        name: for the table.
        label: of the axis.
        values: of events with so many jets.
    """

    jets: int
    name: str
    label: str
    values: Callable[[JetEvents], Array]


def _pair(v: JetEvents, i: int, j: int) -> tuple[Array, Array]:
    """Differences of pseudorapidity and azimuth of two particles."""
    turn = np.remainder(v.phi[:, i] - v.phi[:, j] + np.pi, 2 * np.pi) - np.pi
    return v.eta[:, i] - v.eta[:, j], turn


def _distance(i: int, j: int) -> Callable[[JetEvents], Array]:
    return lambda v: np.hypot(*_pair(v, i, j))


def _mass(*chosen: int) -> Callable[[JetEvents], Array]:
    def values(v: JetEvents) -> Array:
        p = v.momenta()[:, chosen]
        energy = np.sqrt((p**2).sum(-1) + v.mass[:, chosen] ** 2).sum(1)
        return np.sqrt(np.maximum(energy**2 - (p.sum(1) ** 2).sum(-1), 0.0))

    return values


def _log_pt(i: int) -> Callable[[JetEvents], Array]:
    return lambda v: np.log10(v.pt[:, i])


def _log_pt_z(v: JetEvents) -> Array:
    return np.log10(np.hypot(*v.momenta()[:, :2, :2].sum(1).T))


def _eta(i: int) -> Callable[[JetEvents], Array]:
    return lambda v: v.eta[:, i]


_PT = r"$\log_{10}(p_T^{%s}\,/\,\mathrm{GeV})$"
_R = r"$\Delta R(%s)$"
_MUONS = (
    ("pT of Z", _PT % "Z", _log_pt_z),
    ("mass of Z", r"$m_{\mu\mu}$ [GeV]", _mass(0, 1)),
)
SPECTRA = tuple(
    Spectrum(jets, *rest)
    for jets, found in (
        (1, (
            *_MUONS,
            ("pT of mu-", _PT % r"\mu^-", _log_pt(0)),
            ("pT of mu+", _PT % r"\mu^+", _log_pt(1)),
            ("eta of mu-", r"$\eta_{\mu^-}$", _eta(0)),
            ("eta of mu+", r"$\eta_{\mu^+}$", _eta(1)),
            ("pT of j1", _PT % "j_1", _log_pt(2)),
            ("eta of j1", r"$\eta_{j_1}$", _eta(2)),
            ("dR of mu mu", _R % r"\mu\mu", _distance(0, 1)),
            ("mass of j1", r"$\log_{10}(m_{j_1}\,/\,\mathrm{GeV})$", lambda v: np.log10(v.mass[:, 2])),
        )),
        (2, (
            *_MUONS,
            ("pT of j1", _PT % "j_1", _log_pt(2)),
            ("pT of j2", _PT % "j_2", _log_pt(3)),
            ("eta of j1", r"$\eta_{j_1}$", _eta(2)),
            ("eta of j2", r"$\eta_{j_2}$", _eta(3)),
            ("dR of j1 j2", _R % "j_1 j_2", _distance(2, 3)),
            ("dphi of j1 j2", r"$|\Delta\phi(j_1 j_2)|$ [rad]", lambda v: np.abs(_pair(v, 2, 3)[1])),
            ("mass of j1 j2", r"$\log_{10}(m_{jj}\,/\,\mathrm{GeV})$", lambda v: np.log10(_mass(2, 3)(v))),
            ("mass of j2", r"$\log_{10}(m_{j_2}\,/\,\mathrm{GeV})$", lambda v: np.log10(v.mass[:, 3])),
        )),
        (3, (
            *_MUONS,
            ("pT of j1", _PT % "j_1", _log_pt(2)),
            ("pT of j2", _PT % "j_2", _log_pt(3)),
            ("pT of j3", _PT % "j_3", _log_pt(4)),
            ("eta of j2", r"$\eta_{j_2}$", _eta(3)),
            ("eta of j3", r"$\eta_{j_3}$", _eta(4)),
            ("dR of j1 j2", _R % "j_1 j_2", _distance(2, 3)),
            ("dR of j1 j3", _R % "j_1 j_3", _distance(2, 4)),
            ("dR of j2 j3", _R % "j_2 j_3", _distance(3, 4)),
        )),
    )
    for rest in found
)  # fmt: skip


Kind = Literal["statistics", "draws", "whole"]
KINDS: Mapping[Kind, str] = {
    "statistics": "statistics alone", "draws": "draws", "whole": "draws and shared error"
}  # fmt: skip


@dataclass(frozen=True)
class Counted:
    """One spectrum of truth, training sample and draws: events in each bin and in all, last dimension b + 1.

    Attributes:
        edges: of the bins, shape (b + 1,).
        truth: shape (b + 1,).
        training: shape (b + 1,).
        draws: shape (draws, b + 1).
    """

    edges: Array
    truth: Array
    training: Array
    draws: Array

    @property
    def mean(self) -> Array:
        """Share of the events in each bin, mean of the draws, shape (b,)."""
        mean: Array = (self.draws[:, :-1] / self.draws[:, -1:]).mean(0)
        return mean

    @property
    def true(self) -> Array:
        """Share of the events in each bin, shape (b,)."""
        return self.truth[:-1] / self.truth[-1]

    @property
    def statistics(self) -> Array:
        """Statistical error of mean minus truth, shape (b,)."""
        events = 1 / self.truth[-1] + 1 / self.draws[:, -1].sum()
        return np.sqrt(self.true * (1 - self.true) * events)

    def band(self, kind: Kind) -> Array:
        """Uncertainty of the model as `evaluate --ensemble` finds it, shape (b,).

        Args:
            kind: nothing, the spread of the draws, or with the error that they share, seen in the training sample.
        """
        if kind == "statistics":
            return np.zeros_like(self.true)
        first, *others = (self._histogram(counts) for counts in self.draws)
        found = first.with_members(others, self._histogram(self.training) if kind == "whole" else None)
        assert found.model is not None
        return found.model * np.diff(self.edges)

    def bulk(self, fewest: float) -> NDArray[np.bool_]:
        """Which bins are expected to hold enough training events, shape (b,).

        Args:
            fewest: training events.
        """
        return self.true * self.training[-1] >= fewest

    def pulls(self, fewest: float, kind: Kind, hotter: float = 1.0) -> Array:
        """Of bulk bins.

        Args:
            fewest: training events that are expected in one.
            kind: of the band.
            hotter: temperature in units of that of the draws.
        """
        more = (hotter - 1) * self.band("draws") ** 2 if kind != "statistics" else 0.0
        sigma = np.sqrt(self.band(kind) ** 2 + more + self.statistics**2)
        return ((self.mean - self.true) / sigma)[self.bulk(fewest)]

    def _histogram(self, counts: Array) -> Histogram:
        share, widths = counts[:-1] / counts[-1], np.diff(self.edges)
        error = np.sqrt(share * (1 - share) / counts[-1])
        return Histogram(self.edges, share / widths, error / widths, counts[:-1], float(counts[-1]))


def width(pulls: Array) -> float:
    """Root mean square.

    Args:
        pulls: of all bins.
    """
    return float(np.sqrt(np.mean(pulls**2)))


def all_pulls(found: Sequence[Counted], fewest: float, kind: Kind, hotter: float = 1.0) -> Array:
    """Pulls of the bulk bins of all spectra.

    Args:
        found: the spectra.
        fewest: training events that are expected in a bin.
        kind: of the band.
        hotter: temperature in units of that of the draws.
    """
    return np.concatenate([one.pulls(fewest, kind, hotter) for one in found])


class Row(NamedTuple):
    """Pulls of some spectra: widths by kind of band, and relative bands, in the median of the bulk bins."""

    name: str
    bins: int
    widths: Mapping[Kind, float]
    draws: float
    whole: float


def table_of_pulls(found: Sequence[Counted], chosen: argparse.Namespace) -> list[Row]:
    """Pulls by the number of jets, and of all spectra.

    Args:
        found: the spectra.
        chosen: the options of the command.
    """
    rows = []
    for title, jets in (("one jet", (1,)), ("two jets", (2,)), ("three jets", (3,)), ("all thirty", JETS)):
        some = [one for one, spectrum in zip(found, SPECTRA, strict=True) if spectrum.jets in jets]
        pulls = {kind: all_pulls(some, chosen.fewest, kind) for kind in KINDS}
        if not len(pulls["whole"]):
            continue
        draws, whole = (
            float(np.median(np.concatenate([(one.band(kind) / one.true)[one.bulk(chosen.fewest)] for one in some])))
            for kind in ("draws", "whole")
        )
        rows.append(Row(title, len(pulls["whole"]), {kind: width(p) for kind, p in pulls.items()}, draws, whole))
    return rows


def gap_growth(full: Counted, thinned: Counted) -> float:
    """Relative spread of the draws in the thinned region over that outside, in units of the same of the full model.

    Args:
        full: of the model of all events.
        thinned: of the model of thinned events.
    """
    ratios = []
    for one in (thinned, full):
        centres = (one.edges[1:] + one.edges[:-1]) / 2
        inside = in_the_gap(centres)
        relative = one.band("draws") / one.mean
        ratios.append(np.sqrt(np.mean(relative[inside] ** 2) / np.mean(relative[~inside] ** 2)))
    return float(ratios[0] / ratios[1])


def in_the_gap(eta: Array) -> NDArray[np.bool_]:
    """Whether the first jet is where training events are left out: on both sides, as models know that beams are equal.

    Args:
        eta: its pseudorapidity.
    """
    return (abs(eta) > THINNED[0]) & (abs(eta) < THINNED[1])


def gap_spectrum() -> int:
    """Place of the spectrum in which a gap is planted."""
    return next(k for k, spectrum in enumerate(SPECTRA) if (spectrum.jets, spectrum.name) == (1, "eta of j1"))
