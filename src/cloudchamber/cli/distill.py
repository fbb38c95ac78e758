"""`cloudchamber distill`: from a model of many calls to one of few."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cloudchamber.errors import InputError

__all__ = ["distill"]


def distill(
    model: Annotated[str, typer.Argument(help="A shipped model, a training run's folder, or a .safetensors file.")],
    *,
    data: Annotated[
        Path, typer.Option(help="Of the model's kind: a Parquet file of events, a file of showers, or a folder.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    calls: Annotated[int, typer.Option(help="Network calls of each diffusion stage that are wanted.")] = 1,
    method: Annotated[
        Literal["progressive", "shortcut", "mean-flow"], typer.Option(help="How to teach.")
    ] = "progressive",
    start: Annotated[int, typer.Option(help="Steps of the first student in progressive distillation.")] = 16,
    only: Annotated[str | None, typer.Option(help="Teach one stage, such as cloud, hits or voxels.")] = None,
    preset: Annotated[str | None, typer.Option(help="A preset that says how to train; the model's by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps of each phase; the preset's by default.")] = None,
    max_time: Annotated[str | None, typer.Option(help="Training time of all phases together, such as 90m.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="Of matrix products; auto measures.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Names the random streams.")] = 0,
) -> None:
    """Teach a model to take few network calls.

    The model teaches a student that takes fewer steps: `progressive` halves them from --start down to --calls, one
    phase each; `shortcut` and `mean-flow` learn steps of any length at once. The result is a run as of `train`, which
    `generate --model` samples with --calls calls by default. SIGTERM and Ctrl-C save and stop; --resume continues.

    Example:
        cloudchamber distill ep-dis-10x275 --calls 1 --data data/train --out runs/fast --max-time 60m
        cloudchamber distill runs/v2 --start 256 --calls 1 --data datasets/calo-wsi/train --out runs/one --max-time 8h

    Args:
        model: the teacher.
        data: folder of Parquet shards, or one such file.
        out: folder of the run.
        calls: network calls that are wanted.
        method: how to teach.
        start: steps of the first student.
        only: the stage to teach; all of them by default.
        preset: says how to train.
        resume: continue the run in `out`.
        steps: optimiser steps of each phase.
        max_time: training time of all phases.
        device: where to train.
        precision: of matrix products.
        seed: names the random streams.

    Raises:
        InputError: if --resume is given for a folder that holds no run.
    """
    from cloudchamber.cli.train import duration
    from cloudchamber.recipes.config import load_preset
    from cloudchamber.recipes.distillation import distill as distill_model
    from cloudchamber.recipes.fit import FitOptions

    if resume and not out.is_dir():
        raise InputError(f"'{out}' holds no run to continue; leave --resume out to start one.")
    seconds = None if max_time is None else duration(max_time, "--max-time")
    options = FitOptions(steps=steps, max_time=seconds, device=device, precision=precision, seed=seed)
    result = distill_model(
        model, data, out, calls=calls, method=method, start=start, only=only, options=options, resume=resume,
        training=None if preset is None else load_preset(preset).training,
    )  # fmt: skip
    state = f"interrupted by {result.signal}; add --resume to continue" if result.signal else "done"
    loss = "" if result.validation_loss is None else f", validation loss {result.validation_loss:.4f}"
    typer.echo(f"{state}: step {result.step:,} of the last phase{loss}: '{out}'")
