"""Do the bands of a Bayesian model hold the truth, and do they grow where training events are few?

    cloudchamber simulate zjets --events 500000 --seed 11 --workers 2 --out zjets
    python benchmarks/bayesian.py --data zjets --folder runs/bayesian --docs docs

Small flow-matching models of Z + jets are trained as `train` does it, on the first events of the data and on the same
events with a region of the first jet's pseudorapidity thinned by ten. Each makes events of several draws of its weights
(as `generate --draws` does), with one, two and three jets apart. The rest of the data is the truth. For every bin of
thirty spectra, ten of each number of jets, all chosen before any was looked at,

    band = standard deviation over the draws, less what their statistics make
    pull = (mean of the draws - truth) / (band + statistics of both, in quadrature)

and the width of the pulls is their root mean square over bulk bins: those in which at least so many training events are
expected. `--temperatures` measures how it depends on the temperature, with variances scaled in proportion.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cloudchamber.data.split import split
from cloudchamber.evaluate.figures.style import CANDIDATE, PALETTE, REFERENCE, house_style
from cloudchamber.events import Events
from cloudchamber.formats import parquet
from cloudchamber.models.bayesian import LogVariance
from cloudchamber.physics.zjets import JetEvents
from cloudchamber.recipes.config import Preset, Process, Sampling, Training, VectorStage
from cloudchamber.recipes.generation import Generator, load
from cloudchamber.recipes.machine import one_thread
from cloudchamber.recipes.sections import Weights
from cloudchamber.recipes.training import train_preset

Array = NDArray[np.float64]
_BINS, _TAIL = 20, 0.01
_THINNED, _KEPT = (0.5, 1.5), 10
"""Region of the first jet's pseudorapidity, and one of how many of its events is kept."""
_JETS = (1, 2, 3)


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
            ("dphi of j1 j2", r"$|\Delta\phi(j_1 j_2)|$", lambda v: np.abs(_pair(v, 2, 3)[1])),
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


@dataclass(frozen=True)
class Counted:
    """One spectrum of truth and draws.

    Attributes:
        edges: of the bins.
        truth: events in each bin, and in all; shape (b + 1,).
        draws: the same of every draw, shape (draws, b + 1).
        expected: training events in each bin, shape (b,).
    """

    edges: Array
    truth: Array
    draws: Array
    expected: Array

    @property
    def mean(self) -> Array:
        """Share of the events in each bin, mean of the draws, shape (b,)."""
        mean: Array = self.shares.mean(0)
        return mean

    @property
    def shares(self) -> Array:
        """Of every draw, shape (draws, b)."""
        return self.draws[:, :-1] / self.draws[:, -1:]

    @property
    def true(self) -> Array:
        """Share of the events in each bin, shape (b,)."""
        return self.truth[:-1] / self.truth[-1]

    @property
    def band(self) -> Array:
        """Standard deviation over the draws of the weights, shape (b,)."""
        chance = self.true * (1 - self.true) / self.draws[0, -1]
        return np.sqrt(np.maximum(self.shares.var(0, ddof=1) - chance, 0.0))

    @property
    def statistics(self) -> Array:
        """Statistical error of mean minus truth, shape (b,)."""
        events = 1 / self.truth[-1] + 1 / self.draws[:, -1].sum()
        return np.sqrt(self.true * (1 - self.true) * events)

    def pulls(self, fewest: float, *, banded: bool = True) -> Array:
        """Of bulk bins.

        Args:
            fewest: training events that are expected in one.
            banded: count the band.
        """
        bulk = (self.expected >= fewest) & (self.truth[:-1] > 0)
        sigma = np.hypot(self.band, self.statistics) if banded else self.statistics
        return ((self.mean - self.true) / sigma)[bulk]


def preset(chosen: argparse.Namespace) -> Preset:
    """Small networks with the posterior of the options.

    Args:
        chosen: the options of the command.
    """
    weights = Weights(layers=chosen.layers, temperature=chosen.temperature, precision=chosen.precision,
                      log_variance=chosen.log_variance)  # fmt: skip
    return Preset(
        name="small-bayesian",
        description="Small networks of Z + jets with distributions of weights",
        level="stable",
        family="zjets",
        vector=VectorStage(width=chosen.width, depth=chosen.depth, process=Process(times="uniform")),
        bayesian=weights,
        training=Training(batch_size=256, learning_rate=2e-3, weight_decay=0.0, warm_up_steps=100, window=1,
                          ema_decay=0.998, steps=chosen.steps),  # fmt: skip
        sampling=Sampling(calls=chosen.calls, sampler="heun"),
    )


def write_samples(chosen: argparse.Namespace) -> Events:
    """Write the training samples, full and thinned, and return the truth.

    Args:
        chosen: the options of the command.
    """
    shards = split(chosen.data)
    events = Events.concatenate([shard.read() for shard in [*shards.train, *shards.validation]])
    chosen.folder.mkdir(parents=True, exist_ok=True)
    training, truth = events[: chosen.events], events[chosen.events :]
    first = training.flat("pz"), np.hypot(training.flat("px"), training.flat("py"))
    place = np.concatenate([[0], np.cumsum(training.counts)[:-1]]) + 2
    eta = np.arcsinh(first[0][place] / first[1][place])
    inside = (eta > _THINNED[0]) & (eta < _THINNED[1])
    kept = ~inside | (np.cumsum(inside) % _KEPT == 0)
    parquet.write(chosen.folder / "full.parquet", training)
    parquet.write(chosen.folder / "thinned.parquet", training[np.flatnonzero(kept)])
    return truth[: chosen.truth]


def trained(name: str, chosen: argparse.Namespace) -> Generator:
    """The model of a training sample; it is trained if it is not there.

    Args:
        name: full or thinned.
        chosen: the options of the command.
    """
    run = chosen.folder / f"run-{name}"
    if not (run / "last.pt").exists():
        train_preset(preset(chosen), chosen.folder / f"{name}.parquet", run, device="cpu", precision="float32",
                     seed=chosen.seed)  # fmt: skip
    return load(str(run))


@contextmanager
def scaled(generator: Generator, factor: float) -> Iterator[None]:
    """All variances of the weights are multiplied inside of the block.

    Args:
        generator: of the model.
        factor: what they are multiplied by.
    """
    variances = [p for p in generator.trained.model.parameters() if isinstance(p, LogVariance)]
    with torch.no_grad():
        for one in variances:
            one += np.log(factor)
        generator._draws.clear()
        try:
            yield
        finally:
            for one in variances:
                one -= np.log(factor)
            generator._draws.clear()


def by_jets(events: Events) -> Mapping[int, JetEvents]:
    """Events with one, two and three jets apart.

    Args:
        events: a sample.
    """
    return {jets: JetEvents.of(events[np.flatnonzero(events.counts == 2 + jets)]) for jets in _JETS}


def counts(values: Array, edges: Array) -> Array:
    """Events in each bin, and in all, shape (b + 1,).

    Args:
        values: one of each event.
        edges: of the bins.
    """
    return np.append(np.histogram(values, edges)[0], len(values)).astype(np.float64)


def drawn_counts(generator: Generator, chosen: argparse.Namespace, edges: Sequence[Array], stream: int) -> list[Array]:
    """Counts of every spectrum in events of every draw, each of shape (draws, b + 1).

    Args:
        generator: of the model.
        chosen: the options of the command.
        edges: of every spectrum.
        stream: names the random streams.
    """
    rows: list[list[Array]] = [[] for _ in SPECTRA]
    for draw in range(chosen.draws):
        for jets in _JETS:
            seed = 1000 * stream + 10 * draw + jets
            made = JetEvents.of(generator.sample(chosen.generated, seed, draw=draw, jets=jets))
            for row, spectrum, bins in zip(rows, SPECTRA, edges, strict=True):
                if spectrum.jets == jets:
                    row.append(counts(spectrum.values(made), bins))
    return [np.stack(row) for row in rows]


def compared(
    generator: Generator, truth: Mapping[int, JetEvents], chosen: argparse.Namespace, stream: int
) -> list[Counted]:
    """All spectra of truth and draws.

    Args:
        generator: of the model.
        truth: events by the number of jets.
        chosen: the options of the command.
        stream: names the random streams.
    """
    values = [spectrum.values(truth[spectrum.jets]) for spectrum in SPECTRA]
    edges = [np.linspace(*np.quantile(one, [_TAIL, 1 - _TAIL]), _BINS + 1) for one in values]
    total = sum(len(events.pt) for events in truth.values())
    with one_thread():
        made = drawn_counts(generator, chosen, edges, stream)
    found = []
    for one, bins, draws in zip(values, edges, made, strict=True):
        true = counts(one, bins)
        found.append(Counted(bins, true, draws, true[:-1] * chosen.events / total))
    return found


def width(pulls: Array) -> float:
    """Root mean square.

    Args:
        pulls: of all bins.
    """
    return float(np.sqrt(np.mean(pulls**2)))
