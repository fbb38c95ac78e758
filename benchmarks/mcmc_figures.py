"""Make the figures of docs/mcmc.md.

    python benchmarks/mcmc_figures.py --out docs/images

Himmelblau's function by a random walk and by the assisted sampler after the same number of evaluations, acceptance
and effective samples by round, and the parton fits with their credible bands.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from cloudchamber.evaluate.figures.style import PALETTE, house_style
from cloudchamber.mcmc import figures
from cloudchamber.mcmc.figures import parameters
from cloudchamber.recipes.assisted import AssistedSampler
from cloudchamber.recipes.targets import find_target, truth_of
from cloudchamber.simulate.parton_fits import ReducedCrossSection, ToyPartons
from cloudchamber.simulate.posteriors import Himmelblau

Array = NDArray[np.float64]


def run(name: str, draws: int, **plan: Any) -> Any:  # noqa: ANN401
    """A chain of a built-in target, seed 1."""
    target = find_target(name)
    sampler = AssistedSampler(target.log_prob, len(target.names), bounds=target.bounds, vectorize=True,
                              names=target.names, seed=1, **plan)  # fmt: skip
    return sampler.run(draws, target.starts(sampler.plan.walkers, 1))


def walk(evaluations: int, walkers: int = 64) -> Array:
    """Random-walk Metropolis with steps of 0.3 from dispersed starts, all of its points."""
    target, rng = Himmelblau(), np.random.default_rng(1)
    x = find_target("himmelblau").starts(walkers, 1)
    logs, chain = target.log_density(x), [x]
    for _ in range(evaluations // walkers - 1):
        new = x + 0.3 * rng.standard_normal(x.shape)
        new_logs = target.log_density(new)
        accepted = np.log(rng.uniform(size=walkers)) < new_logs - logs
        x, logs = np.where(accepted[:, None], new, x), np.where(accepted, new_logs, logs)
        chain.append(x)
    return np.stack(chain, axis=1)


def himmelblau(data: Any) -> Figure:  # noqa: ANN401
    """Shares of the modes in both chains beside the truth, and where three walkers of each go."""
    target = Himmelblau()
    evaluations = int(data.posterior.attrs["evaluations"])
    local, assisted = walk(evaluations), parameters(data)
    local = local[:, local.shape[1] // 2 :]
    figure = Figure(figsize=(9.6, 3.4))
    cells = figure.subplots(1, 3)
    for cell, chain, title in zip(cells, (local, assisted), ("random walk", "assisted"), strict=False):
        for k in range(3):
            cell.plot(*chain[k, :100].T, ".-", lw=0.4, ms=2.5, color=PALETTE[k])
        cell.set(xlim=(-6, 6), ylim=(-6, 6), xlabel=r"$\theta_1$", ylabel=r"$\theta_2$")
        cell.set_title(f"{title}: 3 walkers, 100 steps")
    for k, (chain, label) in enumerate(((local, "random walk"), (assisted, "assisted"))):
        share = np.bincount(target.mode_of(chain.reshape(-1, 2)), minlength=4) / chain[..., 0].size
        cells[2].bar(np.arange(4) + 0.3 * k - 0.15, share, 0.28, color=PALETTE[k], label=label)
    cells[2].plot(range(4), target.mode_weights, "_", color="k", ms=28, mew=1.5, label="truth")
    cells[2].set(xlabel="mode", ylabel="share of the draws", xticks=range(4), ylim=(0, 0.55))
    cells[2].set_title(f"{evaluations:,} evaluations each")
    cells[2].legend()
    figure.tight_layout()
    return figure


def bands(toy: Any, fit: Any) -> Figure:  # noqa: ANN401
    """Credible bands of both parton fits, each over its data."""
    figure = Figure(figsize=(8.4, 4.0))
    axes = figure.subplots(2, 2, sharex="col", height_ratios=(3, 1))
    model, real = ToyPartons(), ReducedCrossSection()
    data = real.measurement
    x = np.linspace(0.01, 0.9, 200), np.geomspace(*data.x[[0, -1]], 100)
    curves = [
        model.density(parameters(toy).reshape(-1, 4)[::7], x[0]),
        real.curve(parameters(fit).reshape(-1, 5)[::7], x[1]),
    ]
    centres = model.points, np.sqrt(data.x[1:] * data.x[:-1])
    values, errors = (model.data, data.value), (model.sigma, data.error)
    truths = (
        model.density(model.truth[None], x[0])[0],
        np.interp(x[1], centres[1], data.reference, left=np.nan, right=np.nan),
    )
    labels = "truth", "leading order with Pythia8's PDF"
    for k in range(2):
        low2, low, middle, high, high2 = np.quantile(curves[k], [0.025, 0.16, 0.5, 0.84, 0.975], axis=0)
        for cell, norm in ((axes[0, k], np.ones_like(middle)), (axes[1, k], middle)):
            cell.fill_between(x[k], low2 / norm, high2 / norm, color=PALETTE[0], alpha=0.25, lw=0, label="95 %")
            cell.fill_between(x[k], low / norm, high / norm, color=PALETTE[0], alpha=0.5, lw=0, label="68 %")
            cell.plot(x[k], truths[k] / norm, "--", color=PALETTE[1], lw=1.2, label=labels[k])
            at = np.interp(centres[k], x[k], norm)
            cell.errorbar(centres[k], values[k] / at, errors[k] / at, fmt=".k", ms=4, lw=0.8,
                          label=("pseudo-data", "Pythia8 events")[k])  # fmt: skip
        axes[1, k].set(xlabel="$x$", ylabel="ratio to median", ylim=(0.8, 1.2) if k == 0 else (0.95, 1.05))
        axes[0, k].legend(fontsize=8.5)
    axes[0, 0].set(ylabel="$x q(x)$", xlim=(0, 0.9))
    axes[0, 1].set(ylabel=r"$\sigma_r$, $40 < Q^2 < 60$ GeV$^2$", xscale="log", xlim=tuple(data.x[[0, -1]]))
    figure.tight_layout()
    return figure


def main(out: Annotated[Path, typer.Option(help="Folder of the figures.")]) -> None:
    """Run the chains and draw."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    chains = {
        "himmelblau": run("himmelblau", 140, warmup=100, rounds=2, round_steps=30),
        "toy-partons": run("toy-partons", 100, warmup=400, rounds=2, round_steps=40),
        "reduced-cross-section": run("reduced-cross-section", 100, warmup=400, rounds=1, round_steps=40),
    }
    with house_style():
        made = {
            "himmelblau": himmelblau(chains["himmelblau"]),
            "rounds": figures.rounds(chains["himmelblau"], PALETTE),
            "traces": figures.traces(chains["himmelblau"], truth_of(Himmelblau()), PALETTE),
            "partons": bands(chains["toy-partons"], chains["reduced-cross-section"]),
            "corner": figures.corner(chains["toy-partons"], truth_of(ToyPartons()), PALETTE),
        }
        for name, figure in made.items():
            path = out / f"mcmc-{name}.png"
            figure.savefig(path, dpi=90)
            Image.open(path).convert("RGB").quantize(48).save(path, optimize=True)
    for name, data in chains.items():
        print(name, data.posterior.attrs["acceptance"], data.posterior.attrs["evaluations"])


if __name__ == "__main__":
    typer.run(main)
