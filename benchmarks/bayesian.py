"""Do the bands of a Bayesian model hold the truth, and do they grow where training events are few?

    cloudchamber simulate zjets --events 250000 --seed 11 --workers 2 --out zjets
    python benchmarks/bayesian.py --data zjets --folder runs/bayesian --docs docs

Small flow-matching models of Z + jets are trained as `train` does it, on the first events of the data and on the same
events with a region of the first jet's pseudorapidity thinned by ten. Each makes events of several draws of its weights
(as `generate --draws` does), with one, two and three jets apart. The rest of the data is the truth. For every bin of
thirty spectra, ten of each number of jets, all chosen before any was looked at,

    band = spread of the draws, less what their statistics make, and the error that the draws share, as it is seen in
           the training sample: what `evaluate --ensemble --training` draws (docs/uncertainty.md)
    pull = (mean of the draws - truth) / (band + statistics of both, in quadrature)

and the width of the pulls is their root mean square over bulk bins: those in which at least so many training events are
expected. At another temperature T the variances of weights, and so the squared spread of the draws, would be in
proportion to T where the prior hardly matters; the second table assumes that, the command measures one temperature.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray

from cloudchamber.data.split import split
from cloudchamber.evaluate.figures.histogram import Histogram
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
_GAP_AXIS = (-3.5, 3.5, 15)
"""Ends and number of edges, for the first jet's pseudorapidity; bins of 0.5."""


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
        training=Training(
            batch_size=chosen.batch,
            learning_rate=2e-3,
            weight_decay=0.0,
            warm_up_steps=100,
            window=1,
            ema_decay=0.998,
            steps=chosen.steps,
        ),
        sampling=Sampling(calls=chosen.calls),
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


def drawn_counts(generator: Generator, chosen: argparse.Namespace, edges: Sequence[Array]) -> list[Array]:
    """Counts of every spectrum in events of every draw, each of shape (draws, b + 1).

    Args:
        generator: of the model.
        chosen: the options of the command.
        edges: of every spectrum.
    """
    rows: list[list[Array]] = [[] for _ in SPECTRA]
    for draw in range(chosen.draws):
        for jets in _JETS:
            options = {"draw": draw, "jets": jets, "calls": chosen.calls}
            made = JetEvents.of(generator.sample(chosen.generated, 10 * draw + jets, **options))
            for row, spectrum, bins in zip(rows, SPECTRA, edges, strict=True):
                if spectrum.jets == jets:
                    row.append(counts(spectrum.values(made), bins))
    return [np.stack(row) for row in rows]


def compared(
    name: str, generator: Generator, truth: Mapping[int, JetEvents], chosen: argparse.Namespace
) -> list[Counted]:
    """All spectra of truth, training sample and draws; draws that were counted before are not made again.

    Args:
        name: of the training sample.
        generator: of the model.
        truth: events by the number of jets.
        chosen: the options of the command.
    """
    training = by_jets(parquet.read(chosen.folder / f"{name}.parquet"))
    true, seen = ([one.values(events[one.jets]) for one in SPECTRA] for events in (truth, training))
    edges = [np.linspace(*np.quantile(values, [_TAIL, 1 - _TAIL]), _BINS + 1) for values in true]
    kept = chosen.folder / f"{name}.npz"
    if not kept.exists():
        with one_thread():
            np.savez(kept, *drawn_counts(generator, chosen, edges))
    made = list(np.load(kept).values())
    return [
        Counted(bins, counts(one, bins), counts(other, bins), draws)
        for bins, one, other, draws in zip(edges, true, seen, made, strict=True)
    ]


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
    for title, jets in (("one jet", (1,)), ("two jets", (2,)), ("three jets", (3,)), ("all thirty", _JETS)):
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


def gap(
    name: str, generator: Generator, edges: Array, truth: Mapping[int, JetEvents], chosen: argparse.Namespace
) -> Counted:
    """The first jet's pseudorapidity in events with one jet, of draws with larger variances.

    Args:
        name: of the training sample.
        generator: of its model.
        edges: of the bins.
        truth: events by the number of jets.
        chosen: the options of the command.
    """
    one = SPECTRA[_gap_spectrum()]
    kept = chosen.folder / f"gap-{name}.npy"
    if not kept.exists():
        with torch.no_grad():
            for p in generator.trained.model.parameters():
                if isinstance(p, LogVariance):
                    p.add_(np.log(chosen.gap_hotter))
        rows = []
        with one_thread():
            for draw in range(chosen.draws):
                made = generator.sample(chosen.gap_events, 5_000 + draw, draw=draw, jets=1, calls=chosen.calls)
                rows.append(counts(one.values(JetEvents.of(made)), edges))
        np.save(kept, rows)
    seen = by_jets(parquet.read(chosen.folder / f"{name}.parquet"))[1]
    return Counted(edges, counts(one.values(truth[1]), edges), counts(one.values(seen), edges), np.load(kept))


def gap_growth(full: Counted, thinned: Counted) -> float:
    """Relative spread of the draws in the thinned region over that outside, in units of the same of the full model.

    Args:
        full: of the model of all events.
        thinned: of the model of thinned events.
    """
    ratios = []
    for one in (thinned, full):
        centres = (one.edges[1:] + one.edges[:-1]) / 2
        inside = (centres > _THINNED[0]) & (centres < _THINNED[1])
        relative = one.band("draws") / one.mean
        ratios.append(np.sqrt(np.mean(relative[inside] ** 2) / np.mean(relative[~inside] ** 2)))
    return float(ratios[0] / ratios[1])


def _gap_spectrum() -> int:
    return next(k for k, spectrum in enumerate(SPECTRA) if (spectrum.jets, spectrum.name) == (1, "eta of j1"))


def draw_spectra(found: Sequence[Counted], path: Path) -> None:
    """Six spectra with their bands, and below each the ratio to the truth.

    Args:
        found: all spectra.
        path: of the picture.
    """
    names = (
        (1, "pT of Z"), (1, "mass of Z"), (1, "eta of j1"), (2, "pT of j2"), (2, "dphi of j1 j2"), (2, "dR of j1 j2")
    )  # fmt: skip
    with house_style():
        figure = plt.figure(figsize=(11, 7.6), constrained_layout=True)
        cells = figure.add_gridspec(4, 3, height_ratios=(2.2, 1, 2.2, 1))
        for number, wanted in enumerate(names):
            k = next(i for i, s in enumerate(SPECTRA) if (s.jets, s.name) == wanted)
            row, column = divmod(number, 3)
            upper = figure.add_subplot(cells[2 * row, column])
            lower = figure.add_subplot(cells[2 * row + 1, column], sharex=upper)
            _draw_one(found[k], SPECTRA[k], upper, lower)
            if number == 0:
                upper.legend(frameon=False, fontsize=8, loc="upper left")
        figure.savefig(path, dpi=130)
        plt.close(figure)


def _draw_one(one: Counted, spectrum: Spectrum, upper: plt.Axes, lower: plt.Axes) -> None:
    step, widths = {"step": "post"}, np.diff(one.edges)

    def stairs(values: Array) -> Array:
        return np.append(values, values[-1])

    upper.stairs(one.true / widths, one.edges, color=REFERENCE, label="Pythia8")
    upper.stairs(one.mean / widths, one.edges, color=CANDIDATE, label="mean of the draws")
    band = one.band("whole")
    low, high = (one.mean - band) / widths, (one.mean + band) / widths
    upper.fill_between(one.edges, stairs(low), stairs(high), **step, color=CANDIDATE, alpha=0.3, lw=0, label="band")
    upper.set_ylim(0, 1.3 * float((np.maximum(one.true, one.mean) / widths).max()))
    upper.set_ylabel("share per unit")
    upper.set_title(f"{spectrum.jets} jet{'s' if spectrum.jets > 1 else ''}", fontsize=9, loc="right")
    upper.tick_params(labelbottom=False)
    ratio, band, chance = one.mean / one.true, band / one.true, one.statistics / one.true
    lower.axhline(1, color=REFERENCE)
    lower.fill_between(one.edges, stairs(1 - chance), stairs(1 + chance), **step, color="0.8", lw=0)
    lower.fill_between(one.edges, stairs(ratio - band), stairs(ratio + band), **step, color=CANDIDATE, alpha=0.3, lw=0)
    lower.stairs(ratio, one.edges, color=CANDIDATE, baseline=None)
    lower.set_ylim(0.7, 1.3)
    lower.set_ylabel("ratio")
    lower.set_xlabel(spectrum.label)


def draw_pulls(found: Sequence[Counted], chosen: argparse.Namespace, path: Path) -> None:
    """Pulls of all bulk bins with and without the band, beside the unit normal distribution.

    Args:
        found: all spectra.
        chosen: the options of the command.
        path: of the picture.
    """
    edges, grid = np.linspace(-6, 6, 37), np.linspace(-6, 6, 300)
    with house_style():
        figure, axes = plt.subplots(figsize=(5, 3.8), constrained_layout=True)
        for (kind, name), colour in zip(KINDS.items(), ("0.6", PALETTE[2], CANDIDATE), strict=True):
            pulls = all_pulls(found, chosen.fewest, kind)
            label = f"{name}: width {width(pulls):.2f}"
            axes.hist(pulls.clip(-6, 6), edges, density=True, histtype="step", color=colour, label=label)
        axes.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color=REFERENCE, ls="--", label="unit normal")
        axes.set_xlabel("pull against Pythia8 (last bins: beyond)")
        axes.set_ylabel("share of bulk bins per unit")
        axes.set_ylim(0, 0.62)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
        figure.savefig(path, dpi=130)
        plt.close(figure)


def draw_gap(full: Counted, thinned: Counted, path: Path) -> None:
    """The relative band of the first jet's pseudorapidity with all events, and with a region thinned by ten.

    Args:
        full: of the model of all events.
        thinned: of the model of thinned events.
        path: of the picture.
    """
    with house_style():
        figure, (upper, lower) = plt.subplots(2, 1, figsize=(5.4, 5), sharex=True, constrained_layout=True)
        for one, colour, name in ((full, PALETTE[0], "all events"), (thinned, CANDIDATE, "thinned by ten")):
            upper.stairs(one.mean / np.diff(one.edges), one.edges, color=colour, label=name)
            lower.stairs(one.band("draws") / one.mean, one.edges, color=colour)
        for axes in (upper, lower):
            axes.axvspan(*_THINNED, color="0.9", zorder=0)
        upper.set_ylabel("share per unit")
        upper.set_ylim(0, 0.25)
        upper.legend(frameon=False, fontsize=8, loc="upper left")
        lower.set_ylabel("spread / share")
        lower.set_xlabel(SPECTRA[_gap_spectrum()].label + " of events with one jet")
        lower.set_ylim(0)
        figure.savefig(path, dpi=130)
        plt.close(figure)


def page(rows: Sequence[Row], found: Sequence[Counted], growth: float, chosen: argparse.Namespace) -> str:
    """The measured part of docs/bayesian.md, in Markdown.

    Args:
        rows: of the table of pulls.
        found: all spectra.
        growth: of the spread of the draws in the gap.
        chosen: the options of the command.
    """
    lines = [
        f"{chosen.events:,} training events, {chosen.steps:,} steps of {chosen.batch} events, networks of width "
        f"{chosen.width}; Bayesian layers: {chosen.layers}, temperature {chosen.temperature:g}; {chosen.draws} draws "
        f"of {chosen.generated:,} events for each number of jets, {chosen.calls} network calls a stage; bulk bins: "
        f"{chosen.fewest:g} training events.",
        "",
        "| spectra | bulk bins | " + " | ".join(f"width: {name}" for name in KINDS.values())
        + " | spread of the draws / share | band / share |",
        "| --- |" + " ---: |" * (len(KINDS) + 3),
        *(
            f"| {row.name} | {row.bins} | " + " | ".join(f"{row.widths[kind]:.2f}" for kind in KINDS)
            + f" | {row.draws:.1%} | {row.whole:.1%} |"
            for row in rows
        ),
        "",
    ]  # fmt: skip
    lines += [
        "| temperature, scaled | " + " | ".join(f"width: {KINDS[kind]}" for kind in ("draws", "whole")) + " |",
        "| ---: |" + " ---: |" * 2,
    ]
    for hotter in (0.1, 0.3, 1.0, 3.0, 10.0):
        widths = [width(all_pulls(found, chosen.fewest, kind, hotter)) for kind in ("draws", "whole")]
        lines.append(f"| {hotter * chosen.temperature:g} | {widths[0]:.2f} | {widths[1]:.2f} |")
    lines.append("")
    lines.append(
        f"In the thinned region the relative spread of the draws, against that of its surroundings, is {growth:.2f} "
        f"times what it is with all events (variances multiplied by {chosen.gap_hotter:g}, {chosen.draws} draws of "
        f"{chosen.gap_events:,} events with one jet)."
    )
    return "\n".join(lines) + "\n"


_BEGIN, _END = "<!-- measured -->\n", "<!-- end -->\n"


def write_page(text: str, docs: Path) -> None:
    """Put the measured part into docs/bayesian.md.

    Args:
        text: the part.
        docs: folder of the page.
    """
    path = docs / "bayesian.md"
    before, _, rest = path.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(before + _BEGIN + text + _END + after)


def options() -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of `simulate zjets`")
    parser.add_argument("--folder", type=Path, required=True, help="for trainings, which are kept")
    parser.add_argument("--docs", type=Path, help="folder of bayesian.md and images; none to print only")
    parser.add_argument("--events", type=int, default=20_000, help="to train on")
    parser.add_argument("--truth", type=int, default=1_000_000, help="most events of the truth")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--calls", type=int, default=12)
    parser.add_argument("--layers", default="last")
    parser.add_argument("--temperature", type=float, default=0.03)
    parser.add_argument("--precision", type=float, default=1.0)
    parser.add_argument("--log-variance", type=float, default=-11.0)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--generated", type=int, default=5_000, help="events of each draw and number of jets")
    parser.add_argument("--gap-hotter", type=float, default=10, help="factor of the variances in the figure of the gap")
    parser.add_argument("--gap-events", type=int, default=15_000, help="events of each draw in that figure")
    parser.add_argument("--fewest", type=float, default=40, help="training events expected in a bulk bin")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Train, draw, compare, print and write."""
    chosen = options()
    truth = by_jets(write_samples(chosen))
    generators = {name: trained(name, chosen) for name in ("full", "thinned")}
    found = compared("full", generators["full"], truth, chosen)
    edges = np.linspace(*_GAP_AXIS)
    full, thinned = (gap(name, one, edges, truth, chosen) for name, one in generators.items())
    rows, growth = table_of_pulls(found, chosen), gap_growth(full, thinned)
    text = page(rows, found, growth, chosen)
    print(text)
    found_all = {"rows": [row._asdict() for row in rows], "growth": growth}
    (chosen.folder / "bayesian.json").write_text(json.dumps(found_all, indent=2))
    if chosen.docs is not None:
        images = chosen.docs / "images"
        draw_spectra(found, images / "bayesian-spectra.png")
        draw_pulls(found, chosen, images / "bayesian-pulls.png")
        draw_gap(full, thinned, images / "bayesian-gap.png")
        write_page(text, chosen.docs)


if __name__ == "__main__":
    main()
