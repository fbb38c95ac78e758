"""Scores of events that a model was not trained on: a detuned Pythia8, charged currents, and rapidity gaps.

    python benchmarks/anomalies.py samples --out runs/anomalies
    cloudchamber simulate dis --level stable --events 250000 --seed 77 --set 'StringZ:aLund = 0.82' \
        --set 'StringPT:sigma = 0.37' --set 'StringFlav:probStoUD = 0.24' --out detuned
    for sample in stable detuned; do
      cloudchamber train benchmarks/anomalies.toml --init ep-dis-10x275-stable --data $sample --out tuned-$sample \
          --steps 1500
    done
    python benchmarks/anomalies.py score --out runs/anomalies --tuned tuned-detuned --plain tuned-stable --ratio 6000
    python benchmarks/anomalies.py report --out runs/anomalies --docs docs

`stable` holds the events that the shipped model was trained on; a ratio of two models that were trained further in the
same way sees the difference of their samples, not that of their trainings. The samples are Pythia8's, at 10 x 275 GeV
and Q2 > 25 GeV2, level stable, none of them trained on. `matched` ones are ordinary events with the electron kinematics
of the anomaly beside them: equally many in bins of ln Q2 and ln y.
"""

from pathlib import Path
from typing import Annotated, NamedTuple

import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq
import typer
from numpy.typing import NDArray

from cloudchamber.evaluate.observables import OBSERVABLES, observable_matrix, one_observable
from cloudchamber.evaluate.roc import Area, area_under_curve
from cloudchamber.evaluate.sample import Sample
from cloudchamber.events import Beams, Events
from cloudchamber.formats import parquet
from cloudchamber.physics.dis import dis_variables
from cloudchamber.recipes.scoring import ScoreSetting, score_file
from cloudchamber.represent.cloud import four_momenta
from cloudchamber.simulate.anomalies import charged_current
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

mpl.use("Agg")
import matplotlib.pyplot as plt

Array = NDArray[np.float64]
DETUNED = ("StringZ:aLund = 0.82", "StringPT:sigma = 0.37", "StringFlav:probStoUD = 0.24")
SETTING = DISSetting(Beams.parse("10x275"), 25.0)
MODEL = "ep-dis-10x275-stable"
COLUMNS = ("electron", "species", "conservation", "cloud", "folding", "log_density")
BINS = 10
GAP, LEADING = 3.0, 0.5
Out = Annotated[Path, typer.Option(help="Folder of samples and scores.")]
app = typer.Typer(help=__doc__)


class Pair(NamedTuple):
    """A sample and the ordinary events it is held against."""

    title: str
    anomaly: str
    ordinary: str


INTRODUCTION = """# Scores

`cloudchamber score events.parquet --model ep-dis-10x275-stable --out scores.parquet` writes the log-density of each
event under a model, stage by stage (in Python: `model.score(events)`). This page is made by `benchmarks/anomalies.py`,
whose head has the commands.

| column | natural logarithm of |
| --- | --- |
| `electron` | the density of the scattered electron in (ln Q2, ln y, azimuth in radians) |
| `species` | the probability of the list of species at this electron, as the network draws it |
| `conservation` | 1 / A, A the share of drawn lists that obey the laws and have room below W; -inf if forbidden |
| `cloud` | the density of the unordered momenta in products of d^3p / E (GeV2), of masses in GeV |
| `folding` | the density of the decays that the model folds, less the lot's |
| `log_density` | their sum: the density of the unordered final state before the projection |

Every set of particles is counted once: integrals over ordered momenta are divided by the factorials of equal
particles. Electron and cloud follow the probability flow with the fourth-order Runge-Kutta method (four steps, spaced
as the power 1.5 of the time; `--steps` takes more). The divergence is estimated with random signs,
drawn per event from `--seed`; `--divergence exact` takes a backward pass for each of three dimensions per particle.
A is fitted to 4,096 lists drawn once; `conservation_error` is its error.

The shipped model folds photon pairs of exactly a pi0's mass and others, and by lot pairs near broad resonances. The
lot is a hash of the momenta, so an event always gets the same score. The score is an estimate by one draw of the lot:
its exponential has the density of the final state for its mean over lots, its mean is a lower bound on the logarithm.
Smeared momenta have no exact pairs: train a model without folding on them.

An event that the model never makes has -inf: an unknown species, forbidden charges, no room below W, an electron
beyond the kinematic limits or far outside of what was learnt. An event without a scattered electron in front, or with
a momentum that is not finite, has NaN. All others keep their scores.

A raw density is not the best test against anything in particular: it depends on the coordinates, and an anomaly may be
more probable than an ordinary event. The best test against one alternative is a likelihood ratio, here between a model
trained further on the alternative and the shipped one. Both are shown, and named.
"""
PAIRS = (
    Pair("detuned Pythia8", "detuned", "nominal"),
    Pair("charged current, neutrino as electron", "charged-current", "matched-to-charged-current"),
    Pair("leading baryon and rapidity gap", "gap", "matched-to-gap"),
)


@app.command()
def samples(
    out: Out,
    events: Annotated[int, typer.Option(help="Of the nominal and of the detuned sample.")] = 20_000,
    anomalies: Annotated[int, typer.Option(help="At most, of each anomaly and its matched sample.")] = 300,
    pool: Annotated[int, typer.Option(help="Ordinary events to match from.")] = 75_000,
) -> None:
    """Simulate all samples."""
    out.mkdir(parents=True, exist_ok=True)
    ordinary = Events.concatenate([simulate_shard(SETTING, 25_000, seed=79, shard=k) for k in range(pool // 25_000)])
    parquet.write(out / "nominal.parquet", simulate_shard(SETTING, events, seed=80, shard=0))
    detuned = DISSetting(SETTING.beams, SETTING.q2_min, extra=DETUNED)
    parquet.write(out / "detuned.parquet", simulate_shard(detuned, events, seed=81, shard=0))
    charged = charged_current(SETTING, 6 * anomalies, seed=82)
    has_gap = gap(ordinary)
    for name, odd, rest in (("charged-current", charged, ordinary), ("gap", ordinary[has_gap], ordinary[~has_gap])):
        one, other = matched(odd, rest, anomalies)
        parquet.write(out / f"{name}.parquet", odd[one])
        parquet.write(out / f"matched-to-{name}.parquet", rest[other])
        print(f"{name}: {len(one)} events of {len(odd)}, matched with {len(other)} of {len(rest)}")


def gap(events: Events) -> NDArray[np.bool_]:
    """Events with a nucleon of more than half of the beam's energy and a gap in eta of more than 3 units."""
    sample = Sample.of(events, SETTING.beams, "ordinary")
    energy = np.maximum(one_observable(sample, "max_E_p"), one_observable(sample, "max_E_n"))
    return (energy > LEADING) & (one_observable(sample, "largest_gap") > GAP)


def matched(odd: Events, rest: Events, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of both with equally many events in bins of ln Q2 and ln y, in which their order is kept."""
    cells = [_cells(events) for events in (odd, rest)]
    counts = [np.bincount(c, minlength=BINS**2) for c in cells]
    both = np.minimum(*counts)
    both = np.floor(both * min(1.0, most / max(both.sum(), 1))).astype(int)
    rows = [
        np.sort(np.concatenate([np.flatnonzero(c == cell)[: both[cell]] for cell in range(BINS**2)])) for c in cells
    ]
    return rows[0], rows[1]


def _cells(events: Events) -> NDArray[np.int64]:
    v = dis_variables(four_momenta(events.electron), SETTING.beams)
    a = np.clip(((np.log(v.Q2) - np.log(25)) / (np.log(5_000) - np.log(25)) * BINS).astype(int), 0, BINS - 1)
    b = np.clip(((np.log(v.y) - np.log(0.003)) / -np.log(0.003) * BINS).astype(int), 0, BINS - 1)
    return a * BINS + b


@app.command()
def score(
    out: Out,
    tuned: Annotated[Path, typer.Option(help="The shipped model, trained further on detuned events.")],
    plain: Annotated[Path, typer.Option(help="The same, trained further on ordinary events.")],
    most: Annotated[int, typer.Option(help="Events of each sample whose momenta are scored.")] = 500,
    ratio: Annotated[int, typer.Option(help="The same, of the samples that the ratio tells apart.")] = 3_000,
) -> None:
    """Score all samples with the shipped model, and the first two with both others."""
    setting, quick = ScoreSetting(probes=1), ScoreSetting(cloud=False)
    for name in ("nominal", "detuned"):
        for model, kind in ((plain, "plain"), (tuned, "tuned")):
            score_file(str(model), out / f"{name}.parquet", out / f"{name}.{kind}.parquet", setting=quick)
            whole = out / f"{name}.{kind}-whole.parquet"
            score_file(str(model), out / f"{name}.parquet", whole, setting=setting, limit=ratio)
            print(name, kind, flush=True)
    for pair in PAIRS:
        for name in (pair.ordinary, pair.anomaly):
            score_file(MODEL, out / f"{name}.parquet", out / f"{name}.scores.parquet", setting=setting, limit=most)
            print(name, flush=True)


@app.command()
def report(out: Out, docs: Annotated[Path, typer.Option(help="Folder of the page.")]) -> None:
    """Areas under ROC curves, pictures, and the page `score.md`."""
    (docs / "score").mkdir(exist_ok=True)
    lines = [INTRODUCTION]
    lines += detuned(out, docs / "score")
    for pair in PAIRS:
        lines += raw(out, pair, docs / "score")
    (docs / "score.md").write_text("\n".join(lines) + "\n")


def column(out: Path, name: str, kind: str, key: str) -> Array:
    """One column of a file of scores."""
    return pq.read_table(out / f"{name}.{kind}.parquet")[key].to_numpy()


class Ratios(NamedTuple):
    """Ln of tuned over plain density of each event of the ordinary and of the detuned sample."""

    nominal: Array
    detuned: Array

    @property
    def area(self) -> Area:
        """Under the ROC curve."""
        return area(self.nominal, self.detuned)


def ratios(out: Path, kind: str, keys: tuple[str, ...]) -> Ratios:
    """Likelihood ratios; events that both models forbid are no evidence.

    Args:
        out: folder of scores.
        kind: which files, after the model's name.
        keys: stages whose ratios are added.
    """
    found = []
    for name in Ratios._fields:
        tuned, plain = (sum(column(out, name, model + kind, key) for key in keys) for model in ("tuned", "plain"))
        with np.errstate(invalid="ignore"):
            found.append(np.nan_to_num(tuned - plain, nan=0.0, neginf=-50, posinf=50))
    return Ratios(*found)


def detuned(out: Path, figures: Path) -> list[str]:
    """The likelihood ratio, of all stages and of the species alone, beside every single observable."""
    whole, lists = ratios(out, "-whole", ("log_density",)), ratios(out, "", ("species", "conservation"))
    events = {name: parquet.read(out / f"{name}.parquet") for name in Ratios._fields}
    table = {name: observable_matrix(Sample.of(e, SETTING.beams, name)) for name, e in events.items()}
    singles = [area(table["nominal"][:, k], table["detuned"][:, k]) for k in range(len(OBSERVABLES))]
    strength = np.array([abs(a.value - 0.5) for a in singles])
    best = int(strength.argmax())
    rows = [(f"**likelihood ratio of all stages**, {len(whole.nominal):,} + {len(whole.detuned):,} events", whole.area),
            ("likelihood ratio of the species", lists.area)]  # fmt: skip
    rows += [(f"`{OBSERVABLES[k].key}`: {OBSERVABLES[k].description}", singles[k]) for k in np.argsort(-strength)[:5]]
    _, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    edges = np.linspace(*np.quantile(np.concatenate(whole), [0.002, 0.998]), 41)
    for name, values in whole._asdict().items():
        axes[0].hist(values, edges, density=True, histtype="step", label=f"{name} ({len(values):,} events)")
    axes[0].set(xlabel="ln p(event | tuned) - ln p(event | plain)", ylabel="density")
    axes[0].legend()
    for label, found in (("all stages", whole), ("species", lists)):
        curve(axes[1], *found, f"likelihood ratio of {label}, AUC {found.area.value:.3f}")
    sign = np.sign(singles[best].value - 0.5)
    label = f"{OBSERVABLES[best].key}, AUC {0.5 + strength[best]:.3f}"
    curve(axes[1], sign * table["nominal"][:, best], sign * table["detuned"][:, best], label)
    finish(axes[1], figures / "detuned-ratio.png")
    n, m = (len(v) for v in lists)
    return [
        "## A detuned Pythia8: likelihood ratio against single observables\n",
        f"{n:,} events of Pythia8 against {m:,} with {', '.join(f'`{line}`' for line in DETUNED)} (defaults 0.68, "
        f"0.335 and 0.217). Areas under the ROC curve of one number for each event; of the {len(OBSERVABLES)} "
        "observables of `evaluate` the five that separate best (the best of so many is lucky, the ratio is one). An "
        "area below one half separates, too, with the sign turned; the last column counts that way.\n",
        *as_table([(name, a, 0.5 + abs(a.value - 0.5)) for name, a in rows]),
        f"\nThe likelihood ratio of all stages is above the best single observable by "
        f"{whole.area.value - 0.5 - strength[best]:+.3f}.\n",
        "![Likelihood ratio](score/detuned-ratio.png)\n",
    ]


def raw(out: Path, pair: Pair, figures: Path) -> list[str]:
    """The raw densities of the shipped model, stage by stage."""
    scores = {
        name: {key: column(out, name, "scores", key) for key in COLUMNS} for name in (pair.ordinary, pair.anomaly)
    }
    sizes = {name: len(table["electron"]) for name, table in scores.items()}
    _, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    rows = []
    for ax, key in zip(axes.flat, (*COLUMNS[:2], *COLUMNS[3:], None), strict=True):
        if key is None:
            for shown in ("species", "cloud", "log_density"):
                low, high = (clean(-scores[name][shown]) for name in (pair.ordinary, pair.anomaly))
                curve(ax, low, high, f"-{shown}, AUC {area(low, high).value:.3f}")
            continue
        finite = {name: table[key][np.isfinite(table[key])] for name, table in scores.items()}
        both = np.concatenate([v for v in finite.values() if len(v)])
        edges = np.linspace(*np.quantile(both, [0.002, 0.998]), 31)
        for name, v in finite.items():
            label = f"{name.replace('-', ' ')} ({len(v)} of {sizes[name]} finite)"
            ax.hist(np.clip(v, edges[0], edges[-1]), edges, density=len(v) > 0, histtype="step", label=label)
        ax.set(xlabel=f"ln density: {key}", ylabel="density")
        ax.set_ylim(0, 1.35 * ax.get_ylim()[1])
        ax.legend(fontsize=8)
        a = area(*(clean(-scores[name][key]) for name in (pair.ordinary, pair.anomaly)))
        rows.append((f"-`{key}`", a, 0.5 + abs(a.value - 0.5)))
    finish(axes.flat[-1], figures / f"{pair.anomaly}.png")
    lost = {name: int((~np.isfinite(table["conservation"])).sum()) for name, table in scores.items()}
    return [
        f"## Raw densities: {pair.title}\n",
        f"{sizes[pair.ordinary]} ordinary events and {sizes[pair.anomaly]} others. Area under the ROC curve of "
        "minus the logarithm, that is with improbable events called anomalous. Lists of species that break a "
        f"conservation law (`conservation` = -inf): {lost[pair.ordinary]} ordinary and {lost[pair.anomaly]} others; "
        "they make `log_density` -inf.\n",
        *as_table(rows),
        f"\n![{pair.title}](score/{pair.anomaly}.png)\n",
    ]


def clean(values: Array) -> Array:
    """Infinite scores as the largest of all; what cannot be read as no evidence."""
    return np.nan_to_num(values, nan=0.0, posinf=1e6, neginf=-1e6)


def area(ordinary: Array, other: Array) -> Area:
    """Area under the ROC curve with its error; more than one half where the others are larger."""
    both = np.concatenate([ordinary, other])
    return area_under_curve(both, np.arange(len(both)) >= len(ordinary))


def curve(ax: plt.Axes, ordinary: Array, other: Array, label: str) -> None:
    """One ROC curve."""
    cuts = np.unique(np.concatenate([ordinary, other]))[::-1]
    passed = [np.searchsorted(np.sort(v), cuts, side="left") for v in (ordinary, other)]
    rates = [np.concatenate([[0], 1 - p / len(v), [1]]) for p, v in zip(passed, (ordinary, other), strict=True)]
    ax.plot(*rates, label=label)


def finish(ax: plt.Axes, path: Path) -> None:
    """Labels of a plot of ROC curves, and the picture on disk."""
    ax.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    ax.set(xlabel="ordinary events selected", ylabel="other events selected", xlim=(0, 1), ylim=(0, 1.01))
    ax.legend(loc="lower right", fontsize=8)
    ax.figure.savefig(path, dpi=110)
    plt.close(ax.figure)


def as_table(rows: list[tuple[str, Area, float]]) -> list[str]:
    """Rows of a Markdown table."""
    head = ["| score | area | separation |", "| --- | --- | --- |"]
    return head + [f"| {name} | {a.value:.3f} ± {a.error:.3f} | {best:.3f} |" for name, a, best in rows]


if __name__ == "__main__":
    app()
