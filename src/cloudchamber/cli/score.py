"""`cloudchamber score`: log-densities of events under a model."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["score"]


def score(
    file: Annotated[Path, typer.Argument(help="Any file of events, or a folder of Parquet shards.")],
    *,
    model: Annotated[str, typer.Option(help="A shipped model, a training run's folder, or a .safetensors file.")],
    out: Annotated[Path, typer.Option(help="Parquet file to make, one row for each event.")],
    divergence: Annotated[
        Literal["hutchinson", "exact"], typer.Option(help="Estimated, or exact and some ten times as dear.")
    ] = "hutchinson",
    probes: Annotated[int, typer.Option(help="Random directions of the estimate.")] = 2,
    steps: Annotated[int, typer.Option(help="Of the solver, four network calls each.")] = 4,
    draws: Annotated[int, typer.Option(help="Lists of species drawn to know how often they obey the laws.")] = 4096,
    cloud: Annotated[bool, typer.Option(help="Score the momenta; the other columns alone are quick.")] = True,
    seed: Annotated[int, typer.Option(help="Names the random streams.")] = 0,
    events: Annotated[int | None, typer.Option(help="Stop after this many events.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one for each core by default.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Write the log-density of every event under a model, stage by stage.

    Events are unordered final states, before the projection on exact four-momentum. Columns, in natural logarithms:
    electron, species, conservation, cloud, folding and their sum log_density; for models of muons and jets number,
    kinematics and log_density. The file's metadata tell the units.
    An event that the model never makes has -inf, one that cannot be read NaN; all others are scored.

    Example:
        cloudchamber score events.parquet --model ep-dis-10x275-stable --out scores.parquet

    Args:
        file: any file of events.
        model: a shipped model, a training run's folder, or a .safetensors file.
        out: Parquet file to make.
        divergence: how the divergence of the probability flow is computed.
        probes: random directions of the estimate.
        steps: of the solver.
        draws: lists of species drawn for the acceptance.
        cloud: score the momenta.
        seed: names the random streams.
        events: stop after this many events.
        workers: processes to use.
        device: where the networks run.
    """
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.recipes.generation import default_workers, load
    from cloudchamber.recipes.scoring import ScoreSetting, score_file

    setting = ScoreSetting(seed=seed, divergence=divergence, probes=probes, steps=steps, draws=draws, cloud=cloud)
    where = load(model, device).device
    with event_bar("scoring", events) as advance:
        made = score_file(
            model, file, out, setting=setting, device=where, limit=events, advance=advance,
            workers=default_workers() if workers is None else workers,
        )  # fmt: skip
    typer.echo(
        f"{made.events:,} events: '{out}', {made.impossible:,} of them -inf (the model never makes them), "
        f"{made.unreadable:,} NaN (not as the model's events begin, or not finite), seed {seed}"
    )
