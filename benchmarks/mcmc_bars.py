"""Are assisted Markov chains exact, and do they find all modes? Measured on densities with known truth.

    python benchmarks/mcmc_bars.py --out bars --seeds 20
    python benchmarks/mcmc_bars.py --out bars --seeds 20 --page docs/mcmc.md

Runs every measurement for every seed, one line of `bars/results.jsonl` each; what is there already is kept, so the
command can be stopped and given again. At the end, or with `--seeds 0`, it prints:

- mode weights: the mean over seeds and modes of |estimate - truth|;
- moments: for each target and moment, the z-scores of the seeds against a unit normal by Kolmogorov and Smirnov, and
  the smallest p-value after Holm's correction for all of them. The error behind a z-score is that of the mean over
  walkers, which are independent once the kernel is frozen;
- the same with the wrong density in the acceptance ratio (the product of histograms of the public code that
  arXiv:2309.01454 names), which must fail;
- simulation-based calibration of the toy fit of parton distributions: ranks of the true parameters are uniform;
- Himmelblau's function within 20,000 evaluations, from dispersed starts and from starts in a single mode.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats

from cloudchamber.mcmc.clusters import Clustered
from cloudchamber.mcmc.plan import Plan
from cloudchamber.mcmc.posterior import diagnostics
from cloudchamber.mcmc.proposal import Drawn
from cloudchamber.mcmc.sampler import Sampler
from cloudchamber.mcmc.state import Mark
from cloudchamber.recipes.proposals import ClusterLearner, make_learner
from cloudchamber.simulate.parton_fits import ToyPartons
from cloudchamber.simulate.posteriors import Himmelblau, known_posteriors
from cloudchamber.tensors.rng import RowRng

Array = NDArray[np.float64]
DRAWS = 60
FITS = 5
"""Of the calibration for each seed."""
PLAN = Plan(walkers=128, warmup=200, rounds=2, round_steps=40, settle=40)
PLANS = {"mixture-10d": Plan(walkers=128, warmup=300, rounds=2, round_steps=40, settle=40)}
SMALL = Plan(walkers=64, warmup=100, rounds=2, round_steps=30, settle=10)
SMALL_DRAWS = 140


class Histograms(Clustered):
    """Draws of a proposal with the density of a product of one-dimensional histograms of 20 bins."""

    def __init__(self, right: Clustered) -> None:
        super().__init__(right.mixture, right.model)
        x = Clustered.draw(self, RowRng((1,), 4000)).x.numpy()
        self.histograms = [np.histogram(column, bins=20, density=True) for column in x.T]

    def draw(self, rng: Any) -> Drawn:  # noqa: ANN401
        """As the proposal."""
        x = super().draw(rng).x
        return Drawn(x, self.score(x, rng))

    def score(self, x: torch.Tensor, rng: Any) -> Mark:  # noqa: ANN401
        """The product, at least 1e-6 in each factor."""
        total = np.zeros(len(x))
        for column, (density, edges) in zip(x.numpy().T, self.histograms, strict=True):
            bins = np.searchsorted(edges, column, side="right") - 1
            inside = (bins >= 0) & (bins < len(density))
            total += np.log(np.maximum(np.where(inside, density[bins.clip(0, len(density) - 1)], 0.0), 1e-6))
        return Mark(torch.zeros(len(x), dtype=torch.long), torch.from_numpy(total))


class WrongLearner(ClusterLearner):
    """Fits proposals with the wrong density."""

    def fit(self, sample: torch.Tensor, seed: Sequence[int], *, draft: bool = False) -> Clustered:
        """As its parent, but wrong."""
        return Histograms(super().fit(sample, seed, draft=draft))


class Measured(NamedTuple):
    """What a run gave."""

    occupancy: list[float]
    mean: list[float]
    error: list[float]
    ess_bulk: float
    r_hat: float
    evaluations: int
    acceptance: float
    seconds: float
    ranks: tuple[float, ...] = ()
    """Of the true parameters among the last draws of the walkers, uniform between 0 and 1; for calibration only."""


def starts_in(box: Array, walkers: int, seed: int) -> Array:
    """Uniform in a box, shape (walkers, D)."""
    return box[:, 0] + (box[:, 1] - box[:, 0]) * np.random.default_rng([seed, 5]).uniform(size=(walkers, len(box)))


def measure(  # noqa: PLR0917
    name: str, seed: int, learner: ClusterLearner, plan: Plan, draws: int, starts: Array | None
) -> Measured:
    """One run on one target."""
    target = known_posteriors()[name]
    began = time.perf_counter()
    bounds = [tuple(pair) for pair in target.box] if target.bounded else None
    sampler = Sampler(target.log_density, len(target.names), learner, bounds=bounds, vectorize=True,
                      names=target.names, seed=seed, plan=plan)  # fmt: skip
    data = sampler.run(draws, starts_in(target.box, plan.walkers, seed) if starts is None else starts)
    seconds = time.perf_counter() - began
    x = np.stack([data.posterior[name].values for name in target.names], axis=-1)
    flat = x.reshape(-1, x.shape[-1])
    occupancy = np.bincount(target.mode_of(flat), minlength=len(target.mode_weights)) / len(flat)
    by_walker = target.statistics(flat).reshape(*x.shape[:2], -1).mean(1)
    found = diagnostics(data)
    return Measured(occupancy.tolist(), by_walker.mean(0).tolist(),
                    (by_walker.std(0, ddof=1) / np.sqrt(len(by_walker))).tolist(), found["ess_bulk"], found["r_hat"],
                    found["evaluations"], found["acceptance"]["draws"]["global"], seconds)  # fmt: skip


def exact(name: str, proposal: str) -> Callable[[int], Measured]:
    """The measurement of a target with its own plan."""
    return lambda seed: measure(name, seed, make_learner(proposal), PLANS.get(name, PLAN), DRAWS, None)


def wrong(name: str) -> Callable[[int], Measured]:
    """The same with the wrong density."""
    return lambda seed: measure(name, seed, WrongLearner(), PLANS.get(name, PLAN), DRAWS, None)


def small(start_beta: float, mode: int | None) -> Callable[[int], Measured]:
    """Himmelblau's function within 20,000 evaluations."""
    plan = Plan(**{**vars(SMALL), "start_beta": start_beta})

    def run(seed: int) -> Measured:
        starts = None
        if mode is not None:
            starts = Himmelblau.centres[mode] + 0.1 * np.random.default_rng(seed).standard_normal((plan.walkers, 2))
        return measure("himmelblau", seed, make_learner("diffusion"), plan, SMALL_DRAWS, starts)

    return run


def calibration(seed: int) -> Measured:
    """The toy fit with parameters drawn from its prior and pseudo-data drawn from them (arXiv:1804.06788)."""
    rng = np.random.default_rng([seed, 9])
    truth = ToyPartons.box[:, 0] + np.diff(ToyPartons.box)[:, 0] * rng.uniform(size=4)
    target = ToyPartons(ToyPartons().pseudo_data(truth, rng))
    plan, began = Plan(walkers=64, warmup=300, rounds=2, round_steps=40, settle=30), time.perf_counter()
    bounds = [tuple(pair) for pair in target.box]
    sampler = Sampler(target.log_density, 4, make_learner("diffusion"), bounds=bounds, vectorize=True, seed=seed,
                      names=target.names, plan=plan)  # fmt: skip
    data = sampler.run(20)
    jitter = rng.uniform(size=4)
    last = np.stack([data.posterior[name].values[:, -1] for name in target.names], axis=-1)
    found = diagnostics(data)
    return Measured([], [], [], found["ess_bulk"], found["r_hat"], found["evaluations"],
                    found["acceptance"]["draws"]["global"], time.perf_counter() - began,
                    tuple((((last < truth).sum(0) + jitter) / (len(last) + 1)).tolist()))  # fmt: skip


def tasks() -> Mapping[str, Callable[[int], Measured]]:
    """All measurements by name, the most important first."""
    exactness = {f"exact {name}": exact(name, "diffusion") for name in known_posteriors()}
    return {
        "small dispersed": small(1.0, None),
        **exactness,
        "wrong himmelblau": wrong("himmelblau"),
        "small single mode": small(1.0, 0),
        "small single mode annealed": small(0.01, 0),
        "small dispersed annealed": small(0.01, None),
    }


def read(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Results by task and seed."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return {(row["task"], row["seed"]): row for row in rows}


def z_scores(rows: Sequence[Mapping[str, Any]], expected: Array) -> Array:
    """Shape (seeds, S)."""
    mean, error = (np.array([row[key] for row in rows]) for key in ("mean", "error"))
    scores: Array = (mean - expected) / error
    return scores


def holm(p_values: Array) -> Array:
    """P-values corrected for their number by Holm's procedure."""
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(np.minimum(1.0, p_values[order] * np.arange(len(p_values), 0, -1)))
    corrected = np.empty_like(stepped)
    corrected[order] = stepped
    return corrected


def report_calibration(results: Mapping[tuple[str, int], Mapping[str, Any]]) -> list[str]:
    """Whether ranks are uniform."""
    ranks = np.array([row["ranks"] for (task, _), row in results.items() if task == "calibration"])
    if not len(ranks):
        return []
    p_values = np.array([stats.kstest(column, "uniform").pvalue for column in ranks.T])
    each = ", ".join(f"{name} {p:.2g}" for name, p in zip(ToyPartons.names, p_values, strict=True))
    return [f"Simulation-based calibration, {len(ranks)} fits of `toy-partons`: the ranks of the true parameters are "
            f"uniform with p = {each}; the smallest after Holm's correction {holm(p_values).min():.2g}."]  # fmt: skip


HEAD = ("task", "seeds", "evaluations", "accepted", "bulk ESS", "largest R-hat", "mean error of a mode weight",
        "moments", "rms z", "smallest p", "after Holm")  # fmt: skip


class Report(NamedTuple):
    """A table, and sentences below it."""

    rows: list[tuple[str, ...]]
    sentences: list[str]

    def show(self) -> None:
        """Print."""
        table = Table(*HEAD)
        for row in self.rows:
            table.add_row(*row)
        Console(width=200).print(table)
        print("\n".join(self.sentences))

    def write(self, page: Path) -> None:
        """Put it between the marks of a page of the documentation."""
        before, rest = page.read_text().split("<!-- bars -->\n")
        after = rest.split("<!-- end of bars -->\n")[1]
        lines = [HEAD, ("---",) * len(HEAD), *self.rows]
        table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
        sentences = "".join(f"- {sentence}\n" for sentence in self.sentences)
        page.write_text(f"{before}<!-- bars -->\n{table}\n\n{sentences}<!-- end of bars -->\n{after}")


def report(results: Mapping[tuple[str, int], Mapping[str, Any]]) -> Report:
    """The tables."""
    made = Report([], report_calibration(results))
    results = {key: row for key, row in results.items() if key[0] != "calibration"}
    known = known_posteriors()
    scores, p_values = {}, {}
    for task in tasks():
        rows = [row for (name, _), row in sorted(results.items()) if name == task]
        if rows and not task.startswith("small single"):
            target = known["himmelblau" if task.startswith("small") else task.split()[1]]
            scores[task] = z_scores(rows, target.expected)
            p_values[task] = np.array([stats.kstest(column, "norm").pvalue for column in scores[task].T])
    honest = [task for task in p_values if task.startswith("exact")]
    corrected = holm(np.concatenate([p_values[task] for task in honest])) if honest else np.ones(0)
    first = 0
    for task in tasks():
        rows = [row for (name, _), row in sorted(results.items()) if name == task]
        if not rows:
            continue
        target = known["himmelblau" if task.startswith("small") else task.split()[1]]
        off = np.abs(np.array([row["occupancy"] for row in rows]) - target.mode_weights).mean()
        cells = ["-", "-", "-", "-"]
        if task in p_values:
            count = len(p_values[task])
            alone = holm(p_values[task]).min() if task not in honest else corrected[first : first + count].min()
            first += count * (task in honest)
            cells = [str(count), f"{np.sqrt((scores[task] ** 2).mean()):.2f}", f"{p_values[task].min():.2g}",
                     f"{alone:.2g}"]  # fmt: skip
        means = {key: np.mean([row[key] for row in rows]) for key in ("evaluations", "acceptance", "ess_bulk")}
        mode_error = f"{off:.4f}" if len(target.mode_weights) > 1 else "-"
        worst = max(row["r_hat"] for row in rows)
        made.rows.append((task, str(len(rows)), f"{means['evaluations']:,.0f}", f"{100 * means['acceptance']:.0f} %",
                          f"{means['ess_bulk']:,.0f}", f"{worst:.2f}", mode_error, *cells))  # fmt: skip
        if task.startswith("small"):
            found = [(np.array(row["occupancy"]) > 0.01).sum() for row in rows]
            counts = ", ".join(f"{n} in {times}" for n, times in enumerate(np.bincount(found)) if times)
            made.sentences.append(f"{task}: modes that hold over 1 % of the draws, by runs: {counts}.")
    return made


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    seeds: Annotated[int, typer.Option(help="Runs of every measurement.")] = 20,
    only: Annotated[str, typer.Option(help="Only measurements whose name contains this.")] = "",
    page: Annotated[Path | None, typer.Option(help="A page to write the table into, between its marks.")] = None,
) -> None:
    """Measure what is missing, and print."""
    torch.set_num_threads(1)
    out.mkdir(exist_ok=True)
    path = out / "results.jsonl"
    done = read(path)
    wanted = [(seed, task, run) for seed in range(1, seeds + 1) for task, run in tasks().items()]
    wanted += [(seed, "calibration", calibration) for seed in range(1, FITS * seeds + 1)]
    for seed, task, run in wanted:
        if (task, seed) in done or only not in task:
            continue
        row = {"task": task, "seed": seed, **run(seed)._asdict()}
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
    found = report(read(path))
    found.show()
    if page is not None:
        found.write(page)


if __name__ == "__main__":
    typer.run(main)
