r"""Effective samples per evaluation of the target and per second: assisted Markov chains against other samplers.

    python benchmarks/mcmc.py --out mcmc.json
    python benchmarks/mcmc.py --out mcmc-long.json --only mixture-10d --skip pocoMC --walkers 128 --warmup 400 \
        --draws 1500 --seeds 3

On every target with known truth, in one run, on one thread: the assisted sampler with each proposal, random-walk
Metropolis with covariance-free steps tuned to an acceptance of 0.3 while warming up, emcee's affine-invariant ensemble,
and pocoMC (preconditioned Monte Carlo with a normalising flow). All start from the same dispersed points (pocoMC from
its uniform prior over the box, which for unbounded targets is made wide enough to hold all but a negligible tail).
Evaluations are all evaluations, those of warm-up and training included.

Given again, the command takes up where it was stopped.

The effective size is ArviZ's rank-normalised bulk ESS over walkers as chains, the smallest over the first and second
moments; emcee's walkers count as chains too, and pocoMC's size is Kish's for its weights. Beside it stands the largest
error of a mode weight: a chain that never leaves its mode can have a large ESS for a wrong answer.
"""

import json
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import emcee
import numpy as np
import pocomc
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats

from cloudchamber.mcmc.posterior import arviz
from cloudchamber.recipes.assisted import AssistedSampler
from cloudchamber.simulate.posteriors import Known, known_posteriors

Array = NDArray[np.float64]
Row = dict[str, float]
HEAD = ("target", "sampler", "seeds", "evaluations", "CPU s", "ESS", "ESS / 1000 evaluations",
        "smallest ratio to emcee", "to random walk", "ESS / s", "largest error of a mode weight")  # fmt: skip
ROUNDS, ROUND, SETTLE = 2, 40, 40
BOX = {"Rosenbrock": [[-14.0, 16.0], [-10.0, 260.0]], "Funnel": [[-12.0, 12.0], [-300.0, 300.0]]}


class Drawn(NamedTuple):
    """Draws (chains, steps, D), or weighted ones (1, n, D), and what they took."""

    x: Array
    evaluations: int
    seconds: float
    weights: Array | None = None


def starts(target: Known, seed: int, walkers: int) -> Array:
    """Dispersed points of the box."""
    low, high = target.box.T
    unit = np.random.default_rng([seed, 1]).uniform(0.001, 0.999, size=(walkers, len(low)))
    found: Array = low + (high - low) * unit
    return found


def inside(target: Known) -> Callable[[Array], Array]:
    """The log-density, minus infinity outside the bounds."""

    def log_prob(x: Array) -> Array:
        logs = target.log_density(x)
        return np.where(((x >= target.box[:, 0]) & (x <= target.box[:, 1])).all(1), logs, -np.inf)

    return log_prob if target.bounded else target.log_density


class Budget(NamedTuple):
    """Steps of each walker: before the first training, and those that count; other samplers take as many in all."""

    warmup: int
    draws: int
    walkers: int

    @property
    def steps(self) -> int:
        """In all."""
        return self.warmup + ROUNDS * ROUND + SETTLE + self.draws


def assisted(proposal: str) -> Callable[[Known, int, Budget], Drawn]:
    """The assisted sampler."""

    def run(target: Known, seed: int, budget: Budget) -> Drawn:
        began = time.process_time()
        bounds = [tuple(pair) for pair in target.box] if target.bounded else None
        sampler = AssistedSampler(target.log_density, len(target.names), bounds=bounds, vectorize=True, seed=seed,
                                  proposal=proposal, walkers=budget.walkers, warmup=budget.warmup, rounds=ROUNDS,
                                  round_steps=ROUND, settle=SETTLE)  # fmt: skip
        data = sampler.run(budget.draws, starts(target, seed, budget.walkers))
        x = np.stack([data.posterior[name].values for name in data.posterior.data_vars], axis=-1)
        return Drawn(x, sampler.evaluations, time.process_time() - began)

    return run


def random_walk(target: Known, seed: int, budget: Budget) -> Drawn:
    """Metropolis with steps tuned in the first half, of which the second half counts."""
    began, log_prob, rng = time.process_time(), inside(target), np.random.default_rng(seed)
    steps = budget.steps
    x, scale = starts(target, seed, budget.walkers), np.zeros(budget.walkers)
    spread, logs, chain = x.std(0), log_prob(x), []
    for step in range(steps):
        new = x + 0.3 * np.exp(scale)[:, None] * spread * rng.standard_normal(x.shape)
        new_logs = log_prob(new)
        accepted = np.log(rng.uniform(size=budget.walkers)) < new_logs - logs
        x, logs = np.where(accepted[:, None], new, x), np.where(accepted, new_logs, logs)
        if step < steps // 2:
            scale += 0.5 * (accepted - 0.3)
        else:
            chain.append(x)
    return Drawn(np.stack(chain, axis=1), budget.walkers * (steps + 1), time.process_time() - began)


def ensemble(target: Known, seed: int, budget: Budget) -> Drawn:
    """Emcee with its default move; the second half counts."""
    began, steps = time.process_time(), budget.steps
    sampler = emcee.EnsembleSampler(budget.walkers, len(target.names), inside(target), vectorize=True)
    sampler.random_state = np.random.RandomState(seed).get_state()
    sampler.run_mcmc(starts(target, seed, budget.walkers), steps)
    chain = sampler.get_chain(discard=steps // 2).transpose(1, 0, 2)
    return Drawn(chain, budget.walkers * (steps + 1), time.process_time() - began)


def preconditioned(target: Known, seed: int, budget: Budget) -> Drawn:
    """PocoMC with its defaults, for as many effective samples as there are assisted draws in a twentieth."""
    began, count = time.process_time(), 0
    box = np.array(BOX.get(type(target).__name__, target.box))

    def log_prob(x: Array) -> Array:
        nonlocal count
        count += len(x)
        return np.nan_to_num(target.log_density(x), nan=-1e300, neginf=-1e300)

    prior = pocomc.Prior([stats.uniform(low, high - low) for low, high in box])
    sampler = pocomc.Sampler(prior, log_prob, vectorize=True, random_state=seed, n_active=128, n_effective=256)
    sampler.run(n_total=1024, n_evidence=0, progress=False)
    x, weights, *_ = sampler.posterior()
    return Drawn(x[None], count, time.process_time() - began, weights / weights.sum())


SAMPLERS: Mapping[str, Callable[[Known, int, Budget], Drawn]] = {
    "random walk": random_walk, "emcee": ensemble, "assisted: diffusion": assisted("diffusion"),
    "assisted: flow": assisted("flow"), "assisted: mixture": assisted("mixture"), "pocoMC": preconditioned,
}  # fmt: skip


def effective(target: Known, drawn: Drawn) -> float:
    """The smallest effective size of the statistics."""
    if drawn.weights is not None:
        return float(1 / (drawn.weights**2).sum())
    values = target.statistics(drawn.x.reshape(-1, drawn.x.shape[-1])).reshape(*drawn.x.shape[:2], -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return min(float(arviz().ess(values[..., k], method="bulk")) for k in range(values.shape[-1]))


def bias(target: Known, drawn: Drawn) -> float:
    """The largest error of a mode weight."""
    labels = target.mode_of(drawn.x.reshape(-1, drawn.x.shape[-1]))
    weights = np.full(len(labels), 1 / len(labels)) if drawn.weights is None else drawn.weights
    found = np.bincount(labels, weights=weights, minlength=len(target.mode_weights))
    return float(np.abs(found - target.mode_weights).max())


def main(  # noqa: PLR0917
    out: Annotated[Path, typer.Option(help="JSON file of the results; what is in it is kept.")],
    seeds: Annotated[int, typer.Option(help="Runs of every sampler on every target.")] = 1,
    walkers: Annotated[int, typer.Option(help="Chains side by side.")] = 64,
    warmup: Annotated[int, typer.Option(help="Steps before the first training.")] = 300,
    draws: Annotated[int, typer.Option(help="Steps that count.")] = 300,
    only: Annotated[str, typer.Option(help="Only targets whose name contains this.")] = "",
    skip: Annotated[str, typer.Option(help="Leave out samplers whose name contains this.")] = "-",
    page: Annotated[Path | None, typer.Option(help="A page to write the table into, between its marks.")] = None,
    mark: Annotated[str, typer.Option(help="Which marks.")] = "efficiency",
) -> None:
    """Measure what is missing, and print."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rows: dict[str, Row] = json.loads(out.read_text()) if out.exists() else {}
    for seed in range(1, seeds + 1):
        for name, target in known_posteriors().items():
            for sampler, run in SAMPLERS.items():
                key = f"{name} | {sampler} | {seed}"
                if key in rows or only not in name or skip in sampler:
                    continue
                drawn = run(target, seed, Budget(warmup, draws, walkers))
                rows[key] = {"evaluations": drawn.evaluations, "seconds": drawn.seconds,
                             "ess": effective(target, drawn), "bias": bias(target, drawn)}  # fmt: skip
                out.write_text(json.dumps(rows, indent=1) + "\n")
    cells = report(rows)
    table = Table(*HEAD)
    for row in cells:
        table.add_row(*row)
    Console(width=200).print(table)
    if page is not None:
        write(cells, page, mark)


def write(cells: list[tuple[str, ...]], page: Path, mark: str) -> None:
    """Put the table between two marks of a page of the documentation."""
    first, last = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->\n"
    before, rest = page.read_text().split(first)
    lines = [HEAD, ("---",) * len(HEAD), *cells]
    table = "\n".join("| " + " | ".join(row) + " |" for row in lines)
    page.write_text(f"{before}{first}{table}\n{last}{rest.split(last)[1]}")


def efficiency(rows: Mapping[str, Row], name: str, sampler: str) -> dict[str, float]:
    """Effective samples per evaluation by seed."""
    keys = [key.split(" | ") for key in rows]
    found = [(seed, rows[f"{name} | {sampler} | {seed}"]) for n, s, seed in keys if (n, s) == (name, sampler)]
    return {seed: row["ess"] / row["evaluations"] for seed, row in found}


def report(rows: Mapping[str, Row]) -> list[tuple[str, ...]]:
    """Means over the seeds, with the smallest ratio of any seed to emcee and to the random walk."""
    cells: list[tuple[str, ...]] = []
    for name, sampler in dict.fromkeys(tuple(key.split(" | ")[:2]) for key in rows):
        mine = efficiency(rows, name, sampler)
        those = [rows[f"{name} | {sampler} | {seed}"] for seed in mine]
        ratios = []
        for other in ("emcee", "random walk"):
            base = efficiency(rows, name, other)
            both = [mine[seed] / base[seed] for seed in mine if seed in base]
            ratios.append(f"{min(both):.2f}" if both else "-")
        mean = {quantity: float(np.mean([row[quantity] for row in those])) for quantity in those[0]}
        cells.append((name, sampler, str(len(those)), f"{mean['evaluations']:,.0f}", f"{mean['seconds']:.1f}",
                      f"{mean['ess']:,.0f}", f"{1000 * np.mean(list(mine.values())):.1f}", *ratios,
                      f"{mean['ess'] / mean['seconds']:,.0f}", f"{max(row['bias'] for row in those):.3f}"))  # fmt: skip
    return cells


if __name__ == "__main__":
    typer.run(main)
