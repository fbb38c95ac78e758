"""`cloudchamber mcmc`: posterior sampling with Markov chains that a generative model helps."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["mcmc"]


def mcmc(
    target: Annotated[str, typer.Argument(help="himmelblau, eggbox, ... (see below), or module:function.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the chain, the summary and the plots.")],
    seed: Annotated[int, typer.Option(help="Names all random streams.")] = 0,
    steps: Annotated[int, typer.Option(help="Draws of each walker that count.")] = 200,
    walkers: Annotated[int, typer.Option(help="Chains side by side.")] = 64,
    warmup: Annotated[int, typer.Option(help="Steps before the first training.")] = 200,
    rounds: Annotated[int, typer.Option(help="Trainings whose draws only serve the next one.")] = 2,
    proposal: Annotated[str, typer.Option(help="What is trained: diffusion, flow or mixture.")] = "diffusion",
    anneal: Annotated[
        float, typer.Option(help="Warm up from the density to this power, to find modes far from the starts.")
    ] = 1.0,
    box: Annotated[str | None, typer.Option(help="Bounds of a function's parameters, such as -5:5,0:1.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    adapt_forever: Annotated[
        bool, typer.Option("--adapt-forever", help="Train while drawing, which is not exact; to see what it does.")
    ] = False,
) -> None:
    """Sample a posterior density: warm up, train a model on the chain, freeze it, and draw with its proposals.

    Targets: himmelblau, eggbox, rosenbrock, mixture-2d, mixture-10d, gaussian-10d, funnel, toy-partons,
    reduced-cross-section (parton distributions fitted to Pythia8's reduced cross-sections), or a function of
    your own that takes a point and returns the logarithm of the density.

    Example:
        cloudchamber mcmc himmelblau --seed 1 --out chain

    Args:
        target: what to sample.
        out: folder for the chain (chain.nc, for ArviZ), summary.json and plots.
        seed: names all random streams.
        steps: draws of each walker that count.
        walkers: chains side by side.
        warmup: steps before the first training.
        rounds: trainings whose draws only serve the next one.
        proposal: what is trained.
        anneal: first power of the density in the warm-up.
        box: bounds of a function's parameters.
        resume: continue the run in the folder.
        adapt_forever: train while drawing.
    """
    from rich.console import Console

    from cloudchamber.cli.progress import stage_bar
    from cloudchamber.mcmc.plan import Plan
    from cloudchamber.recipes.chains import run_chains

    plan: dict[str, Any] = {"walkers": walkers, "warmup": warmup, "rounds": rounds, "start_beta": anneal,
                            "adapt_forever": adapt_forever}  # fmt: skip
    total = sum(stage.steps for stage in Plan(**plan).stages(steps))
    with stage_bar(total) as progress:
        summary = run_chains(target, out, steps=steps, seed=seed, proposal=proposal, box=box, resume=resume,
                             progress=progress, **plan)  # fmt: skip
    Console(width=100).print(_table(summary))
    shares = ", ".join(f"{100 * share:.0f} % {name}" for name, share in summary["acceptance"]["draws"].items())
    typer.echo(f"accepted: {shares}; {summary['evaluations']:,} evaluations of the target in all")
    if adapt_forever:
        typer.echo("trained while drawing: the chain is not exact")
    elif summary["r_hat"] > 1.05:
        typer.echo("R-hat is above 1.05: the walkers do not agree yet; take more --steps, --warmup or --rounds")
    typer.echo(f"chain, summary and plots: '{out}'")


def _table(summary: dict[str, Any]) -> "Table":
    from rich.table import Table

    table = Table("parameter", *("mean", "sd", "2.5 %", "50 %", "97.5 %", "MCSE", "ESS bulk", "ESS tail", "R-hat"))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in summary["parameters"].items():
        numbers = [row["mean"], row["sd"], *(row["quantiles"][q] for q in ("0.025", "0.5", "0.975")), row["mcse_mean"]]
        table.add_row(name, *(f"{number:.4g}" for number in numbers), f"{row['ess_bulk']:.0f}",
                      f"{row['ess_tail']:.0f}", f"{row['r_hat']:.3f}")  # fmt: skip
    return table
