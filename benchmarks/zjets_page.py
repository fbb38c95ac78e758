"""docs/zjets.md: one table and the figures of four models on Z + jets, from what `zjets.py judge` has measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from zjets_bands import FEWEST, MeasuredDraws

from cloudchamber.evaluate.figures.style import house_style
from cloudchamber.evaluate.zjets.figures import COLOURS, JetTables, draw_plane, draw_spectra

__all__ = ["REDRAWN", "write_page"]

REDRAWN = "+cuts"
"""Ends the names of runs whose events outside of the cuts were drawn again."""

NAMES = {"zjets-jetgpt": "JetGPT", "zjets-flow-matching": "flow matching", "zjets-ddpm": "DDPM",
         "zjets-inn": "normalising flow"}  # fmt: skip
SPECTRA = {
    1: ("pT_mu-", "m_Z", "pT_j1", "m_j1", "dphi_Zj1", "deta_mumu", "dR_muj1", "pT_sum"),
    2: ("m_Z", "pT_j1", "pT_j2", "m_j2", "dphi_j1j2", "deta_j1j2", "dR_j1j2", "m_j1j2"),
    3: ("m_Z", "pT_j2", "pT_j3", "m_j3", "dphi_j2j3", "deta_j2j3", "dR_j1j2", "dR_j1j3", "dR_j2j3", "m_j2j3",
        "dR_muj3", "pT_sum"),
}  # fmt: skip
TRUTH = "pythia8"
PLANES = {2: ("dphi_j1j2", "deta_j1j2"), 3: ("dR_j1j2", "dR_j1j3")}
LARGEST_ERROR = 0.05
"""Of a ratio that is drawn."""
BAND_SPECTRA = ("m_Z", "pT_j1", "dR_j1j2", "pT_Z")
Found = Mapping[str, Mapping[str, Any]]


class Key(NamedTuple):
    """What was measured: a run of a model, on some of the events if `size` is given, and a number of jets."""

    model: str
    size: int | None
    jets: int

    @classmethod
    def of(cls, stem: str) -> "Key":
        """From the name of a file.

        Args:
            stem: such as zjets-inn@10000-2 or zjets-inn@10000+cuts-2.
        """
        run, jets = stem.rsplit("-", 1)
        redrawn = REDRAWN if run.endswith(REDRAWN) else ""
        model, _, size = run.removesuffix(REDRAWN).partition("@")
        return cls(model + redrawn, int(size) if size else None, int(jets))


def write_page(found: Found, drawn: Mapping[str, MeasuredDraws], measured: Path, out: Path) -> None:
    """Write the page and its figures.

    Args:
        found: documents by the stem of their file.
        drawn: events of draws of Bayesian models by the stem of their file.
        measured: folder of the tables of quantities.
        out: folder of the page.
    """
    images = out / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows = {Key.of(stem): one for stem, one in found.items()}
    whole = {(key.model, key.jets): one for key, one in rows.items() if key.size is None and key.model in NAMES}
    beside = {
        (key.model, key.jets): one
        for key, one in rows.items()
        if key.size is None and (key.model.endswith(REDRAWN) or key.model == TRUTH)
    }
    parts = [_head(), _table({**whole, **beside}), _bars(whole)]
    for jets in sorted({jets for _, jets in whole}):
        parts.append(_spectra(jets, [model for model in NAMES if (model, jets) in whole], measured, images))
    parts.append(_bands(drawn, images))
    parts.append(_sizes(rows, images))
    (out / "zjets.md").write_text("\n".join(part for part in parts if part), encoding="utf-8")


def _head() -> str:
    return """# Z with jets: four models

JetGPT, flow matching, a DDPM and a normalising flow learn muons and one to three jets, as in arXiv:2305.10475. This
page is written by `benchmarks/zjets.py`, whose head gives the commands. Every model has had the training time of the
table on one process and one core: twelve minutes, but for JetGPT. As many events as the table says are compared with
events of Pythia8 that no model has seen; AUC from fewer events are smaller. Boosted trees see all quantities of an
event (17, 26 and 39 for one, two and three jets); their floor is the same test on pairs of Pythia8 samples. Errors are
one standard deviation. Flow matching takes 32 network calls for each of its stages (muons and first jet, second jet,
third jet), the DDPM 1,000, the normalising flow one; JetGPT takes one for each number. Azimuths of JetGPT are mixtures
of wrapped normal distributions, whose integrals outside of a cut are known, in place of von Mises distributions.

JetGPT draws pT, eta, mass and azimuth of one particle after the other from mixtures that are cut at the edges, so that
no jet is below 20 GeV or harder than the one before, and no two jets are within Delta R = 0.4; how their number rises
beyond it is learnt in steps of Delta R. The other models have edges in pT by their coordinates, and learn the cut on
Delta R as well as they can. For rows that say *drawn again*, events outside of the cuts were drawn until they were
inside (`generate --inside-cuts`): that takes away what leaks through the cut, and leaves the blur above it.

The JetGPT here is the shipped `zjets`, which was trained while it was built: 35 minutes on 588,000 events, 40 on events
with several jets and their mirror images, 48 on 343,000 other events (`zjets.py several`), with dropout, and 40 on all
1,004,500; then, after 2,575,000 more had been simulated, 42 minutes on 1,206,000 chosen by `zjets.py several`, 14 on
all 3,528,000, and without dropout 26 on the former. What it is told of earlier jets, its components around them and the
steps beyond the cut on Delta R grew in between; new inputs began with weights of zero, new components with small
probabilities, and new steps at height one. `train zjets-jetgpt` has all of it from the start.
"""


def _table(whole: Mapping[tuple[str, int], Mapping[str, Any]]) -> str:
    lines = [
        "| jets | model | events | AUC | floor | Delta R_jj < 0.4 | turn-on, worst bin | Z peak - truth [MeV] | "
        "Z width / truth | worst bin | bins within 2 % (events in each) | ms / event | parameters | training |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    again = {f"{model}{REDRAWN}": f"{name}, drawn again" for model, name in NAMES.items()}
    named = {TRUTH: "Pythia8 itself", **NAMES, **again}
    for jets in sorted({jets for _, jets in whole}):
        lines += [_row(name, jets, whole[m, jets]) for m, name in named.items() if (m, jets) in whole]
    return "\n".join(lines) + _NOTE


_NOTE = """

The worst bin is that of largest deviation in units of 2 % and its statistical error, in quadrature. Bins count as
within 2 % up to one such unit, so Pythia8 is not within 2 % of itself everywhere either; rows with other least numbers
of events in a bin cannot be compared. The turn-on is the number of pairs of jets in steps of 0.1 of Delta R up to 1,
and its worst bin that of largest deviation: of six with two jets and of eighteen with three.
"""


def _row(name: str, jets: int, document: Mapping[str, Any]) -> str:
    one, cost = document["jets"][0], document["cost"]
    auc, turn_on, worst = one["auc"], one["turn_on"], _worst(one)
    close = "–" if jets == 1 else f"{100 * one['close']:.3f} %" if one["close"] else "0"
    bins = sum(s["bins"] for s in one["spectra"])
    cells = [
        str(jets), name, f"{one['n']:,}", f"{auc['value']:.4f} ± {auc['error']:.4f}", _or_dash(auc["floor"], "{:.4f}"),
        close,
        "–" if turn_on is None else _percent(turn_on), *_peak(one),
        "–" if worst is None else f"{worst['quantity']}: {_percent(worst['worst'])}",
        f"{sum(s['within'] for s in one['spectra'])} of {bins} (≥ {one['fewest_in_bin']:,})",
        *(("–", "–", "–") if cost is None else (f"{cost['milliseconds']:.2f}", f"{cost['parameters']:,}",
          f"{cost['minutes']:.3g} min, {cost['training_events']:,} events")),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _peak(one: Mapping[str, Any]) -> tuple[str, str]:
    found, truth = one["peak"], one["reference_peak"]
    if found is None or truth is None:
        return "–", "–"
    place_error = np.hypot(found["place_error"], truth["place_error"])
    ratio = found["width"] / truth["width"]
    ratio_error = ratio * np.hypot(found["width_error"] / found["width"], truth["width_error"] / truth["width"])
    return (
        f"{1000 * (found['place'] - truth['place']):+.0f} ± {1000 * place_error:.0f}",
        f"{ratio:.3f} ± {ratio_error:.3f}",
    )


def _worst(one: Mapping[str, Any]) -> Mapping[str, Any] | None:
    judged = [s for s in one["spectra"] if s["worst"] is not None]
    return max(judged, key=lambda s: s["worst"]["excess"], default=None)


def _percent(worst: Mapping[str, Any]) -> str:
    return f"{100 * worst['deviation']:+.1f} ± {100 * worst['error']:.1f} %"


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _bars(whole: Mapping[tuple[str, int], Mapping[str, Any]]) -> str:
    """Whether diffusion beats the normalising flow, and who is the best."""
    lines = ["## What this says", ""]
    for jets in sorted({jets for _, jets in whole}):
        areas = {m: whole[m, jets]["jets"][0]["auc"]["value"] for m in NAMES if (m, jets) in whole}
        best = min(areas, key=lambda m: areas[m])
        minutes = whole[best, jets]["cost"]["minutes"]
        line = f"- {jets} {'jet' if jets == 1 else 'jets'}: {NAMES[best]} is the hardest to tell from Pythia8, "
        line += f"AUC {areas[best]:.4f} after {minutes:.0f} minutes."
        if "zjets-inn" in areas:
            diffusion = {m: areas[m] for m in ("zjets-flow-matching", "zjets-ddpm") if m in areas}
            sizes = {m: f"{NAMES[m]} ({areas[m]:.3f} of {whole[m, jets]['jets'][0]['n']:,} events)" for m in diffusion}
            beating = [sizes[m] for m, area in diffusion.items() if area < areas["zjets-inn"]]
            others = [one for one in sizes.values() if one not in beating]
            line += f" Better than the normalising flow ({areas['zjets-inn']:.3f} of "
            line += f"{whole['zjets-inn', jets]['jets'][0]['n']:,} events) at equal training time: {_listed(beating)}"
            line += f"; not so: {_listed(others)}." if others else "."
        lines.append(line)
        lines += _precision(whole["zjets-jetgpt", jets]["jets"][0]) if ("zjets-jetgpt", jets) in whole else []
    return "\n".join(lines) + "\n"


def _precision(one: Mapping[str, Any]) -> list[str]:
    """How near JetGPT comes to the precision that arXiv:2305.10475 aims at."""
    bins, within = (sum(s[name] for s in one["spectra"]) for name in ("bins", "within"))
    line = f"    - JetGPT: {within} of {bins} bins within 2 % and their error"
    if one["turn_on"] is not None:
        line += f"; the turn-on above Delta R = 0.4 within 5 % and its error: {_within(one['turn_on'])}"
    return [line + "."]


def _within(worst: Mapping[str, Any]) -> str:
    good = abs(worst["deviation"]) <= np.hypot(0.05, worst["error"])
    return f"{'yes' if good else 'no'}, {_percent(worst)} at {worst['low']:.1f} to {worst['high']:.1f}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _spectra(jets: int, models: Sequence[str], measured: Path, images: Path) -> str:
    candidates, reference = {}, None
    for model in models:
        with np.load(measured / f"{model}-{jets}.npz") as file:
            candidates[NAMES[model]] = (file["candidate"].astype(float), np.ones(len(file["candidate"])))
            if reference is None or len(file["reference"]) > len(reference[0]):
                reference = (file["reference"].astype(float), file["weight"])
    assert reference is not None
    tables = JetTables(jets, reference, candidates, known="Pythia8", largest_error=LARGEST_ERROR)
    with house_style():
        _save(draw_spectra(tables, SPECTRA[jets]), images / f"zjets-spectra-{jets}.png")
    plural = "jet" if jets == 1 else "jets"
    text = f"\n## {jets} {plural}\n\n![Spectra with ratios to Pythia8; dotted lines are 2 %, bands statistical errors]"
    text += f"(images/zjets-spectra-{jets}.png)\n\n"
    text += (
        f"Ratios with a statistical error above {100 * LARGEST_ERROR:.0f} % are not drawn: few events of the DDPM.\n"
    )
    if jets in PLANES:
        with house_style():
            _save(draw_plane(tables, PLANES[jets]), images / f"zjets-plane-{jets}.png")
        text += "\n![In Pythia8 and JetGPT no two jets are within Delta R = 0.4, the dashed line]"
        text += f"(images/zjets-plane-{jets}.png)\n"
    return text


def _bands(drawn: Mapping[str, MeasuredDraws], images: Path) -> str:
    """Spectra with the uncertainties that the models have learnt."""
    if not drawn:
        return ""
    text = _BANDS
    found = {Key.of(stem): measured for stem, measured in drawn.items()}
    for model, name in NAMES.items():
        for key, measured in found.items():
            if key.model == model:
                widths = (measured.width(band=False), measured.width(shared=False), measured.width())
                cells = (f"{measured.draws.shape[0]} of {measured.draws.shape[1]:,}", *(f"{w:.2f}" for w in widths))
                text += f"| {key.jets} | {name} | {' | '.join(cells)} |\n"
                with house_style():
                    _save(draw_spectra(measured.tables(name), BAND_SPECTRA), images / f"zjets-bands-{model[6:]}.png")
    shown = [model for model in NAMES if any(key.model == model for key in found)]
    for model in shown:
        text += f"\n![{NAMES[model]}: mean of the draws and its band](images/zjets-bands-{model[6:]}.png)\n"
    return text


_BANDS = f"""
## Learned uncertainties

The four models with distributions of the weights of their last layers ([bayesian.md](bayesian.md)), trained on for a
few minutes from those of the table with the presets `zjets-...-bayesian` (JetGPT from what it was after 163 minutes,
with fewer steps beyond the cut). Each draw of the weights makes events; the DDPM does so with 100 network calls instead
of 1,000. The band is the spread of the draws and, in quadrature, the error
that all of them share, as the training sample shows it. Widths are root mean squares of the pulls of all bins in which
Pythia8 leads one to expect {FEWEST} of the events; 1 is honest, and what Pythia8 has against itself.

| jets | model | draws | width: statistics alone | width: draws | width: draws and shared error |
|---|---|---|---|---|---|
"""


def _sizes(rows: Mapping[Key, Mapping[str, Any]], images: Path) -> str:
    """AUC against the number of training events."""
    if all(key.size is None for key in rows):
        return ""
    numbers = sorted({key.jets for key in rows})
    with house_style():
        figure = Figure(figsize=(3.6 * len(numbers), 3.2), layout="constrained")
        for axes, jets in zip(np.atleast_1d(figure.subplots(1, len(numbers), sharey=True)), numbers, strict=True):
            for (model, name), color in zip(NAMES.items(), COLOURS, strict=True):
                label: str | None = name
                of_model = [(key.size, one) for key, one in rows.items() if key.model == model and key.jets == jets]
                for chosen, style in (
                    ([one for size, one in of_model if size is not None], {"marker": "o", "ms": 4, "lw": 1.2}),
                    ([one for size, one in of_model if size is None], {"marker": "*", "ms": 9, "ls": "none"}),
                ):
                    points = sorted(
                        (one["cost"]["training_events"], one["jets"][0]["auc"]["value"], one["jets"][0]["auc"]["error"])
                        for one in chosen
                    )
                    if points:
                        size, area, error = np.array(points).T
                        axes.errorbar(size, area, error, color=color, label=label, **style)
                        label = None
            axes.axhline(0.5, color="0.5", lw=0.8)
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("training events")
            axes.set_title(f"{jets} {'jet' if jets == 1 else 'jets'}")
        figure.axes[0].set_ylabel("AUC of boosted trees")
        figure.axes[0].legend()
        figure.savefig(images / "zjets-sizes.png", dpi=120)
    few = [one for key, one in rows.items() if key.size is not None]
    minutes = sorted({f"{one['cost']['minutes']:.3g}" for one in few})
    judged = max(one["jets"][0]["n"] for one in few)
    trained = {key.model for key in rows if key.size is not None}
    absent = [name for model, name in NAMES.items() if model not in trained]
    return (
        "\n## Precision against training size\n\n"
        f"Trainings of {' or '.join(minutes)} minutes on the first events of the sample, judged with at most "
        f"{judged:,} events (lines), and the models of the table, which were trained for longer (stars). Few events "
        "are soon learnt by heart; many are not yet learnt in so short a time."
        f"{f' Not trained so: {_listed(absent)}.' if absent else ''}\n\n"
        "![AUC against training events](images/zjets-sizes.png)\n"
    )


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=100, pil_kwargs={"compress_level": 9, "optimize": True})
