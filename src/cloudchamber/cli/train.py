"""`cloudchamber train`: from a preset and events to a model."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from cloudchamber.errors import InputError

__all__ = ["train"]


def train(
    preset: Annotated[
        str | None,
        typer.Argument(help="A preset that ships with the package, or a .toml file; that of --init by default."),
    ] = None,
    *,
    data: Annotated[Path, typer.Option(help="Folder of Parquet shards, or one file.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps; the preset's by default.")] = None,
    max_time: Annotated[
        str | None, typer.Option(help="Training time such as 90m or 2h; the learning rate then decays with time.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="Of matrix products; auto measures.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Names the random streams.")] = 0,
    init: Annotated[str | None, typer.Option(help="A model to start from; keeps its maps.")] = None,
    only: Annotated[
        str | None, typer.Option(help="Train one stage: electron, species or cloud; event or particles in omnilearn.")
    ] = None,
    anew: Annotated[bool, typer.Option(help="Start the stage of --only from nothing, in the preset's size.")] = False,
    refit: Annotated[bool, typer.Option(help="Fit the maps and species of --init's networks to these events.")] = False,
    snapshots: Annotated[str | None, typer.Option(help="Keep averaged weights this often, such as 15m.")] = None,
) -> None:
    """Train a model on simulated or measured events.

    Checkpoints, logs (CSV and TensorBoard) and the model's card are written to the folder of the run, which
    `generate --model` takes as a model. SIGTERM and Ctrl-C save and stop; `--resume` continues exactly. Start it with
    `torchrun --nproc-per-node N -m cloudchamber train ...` to train data-parallel.

    From the weights of --init it learns with a rate of 3e-4 after 50 steps of warm-up, unless the preset gives others;
    events that the model's maps cannot hold (other beams, lower Q2, unknown species) need --refit.

    Examples:
        cloudchamber train ep-dis-10x275 --data data/train --out runs/a --max-time 90m
        cloudchamber train --init ep-dis-10x275 --data data/mine --out runs/tuned --max-time 10m

    Args:
        preset: a shipped preset, or a .toml file; that of --init by default.
        data: folder of Parquet shards, or one file.
        out: folder of the run.
        resume: continue the run in `out`.
        steps: optimiser steps.
        max_time: training time.
        device: where to train.
        precision: of matrix products.
        seed: names the random streams.
        init: a model to start from.
        only: train one stage.
        anew: start this stage from nothing.
        refit: take over the networks of --init for other maps and species.
        snapshots: keep averaged weights this often.

    Raises:
        InputError: if --resume is given for a folder that holds no run.
    """
    from cloudchamber.recipes.config import load_preset
    from cloudchamber.recipes.training import train_preset

    chosen = None if preset is None else load_preset(preset)
    if resume and not (out / "card.json").is_file():
        raise InputError(f"'{out}' holds no run to continue; leave --resume out to start one.")
    seconds = None if max_time is None else duration(max_time, "--max-time")
    minutes = None if snapshots is None else duration(snapshots, "--snapshots") / 60
    result = train_preset(
        chosen, data, out, resume=resume, steps=steps, max_time=seconds, device=device, precision=precision,
        seed=seed, snapshot_minutes=minutes, init=init, only=only, anew=anew, refit=refit,
    )  # fmt: skip
    state = f"interrupted by {result.signal}; add --resume to continue" if result.signal else "done"
    loss = "" if result.validation_loss is None else f", validation loss {result.validation_loss:.4f}"
    typer.echo(f"{state}: step {result.step:,} after {result.elapsed / 60:.1f} minutes{loss}: '{out}'")


def duration(text: str, option: str) -> float:
    """Seconds from a text such as `90m`, `2h`, `45s` or `600`.

    Args:
        text: what the user wrote.
        option: the option's name, for the error.

    Raises:
        InputError: if it is no duration.

    >>> duration("1.5h", "--max-time")
    5400.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if seconds <= 0:
        raise InputError(f"{option} '{text}' is not a time; write for example 90m, 2h or 600s.")
    return seconds
