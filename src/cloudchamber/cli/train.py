"""`cloudchamber train`: from a preset and events to a model."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cloudchamber.errors import InputError

if TYPE_CHECKING:
    from cloudchamber.recipes.config import Preset
    from cloudchamber.train.trainer import TrainingResult

__all__ = ["train"]


def train(
    preset: Annotated[
        str | None,
        typer.Argument(help="A preset that ships with the package, or a .toml file; that of --init by default."),
    ] = None,
    *,
    data: Annotated[
        Path,
        typer.Option(
            help="Events of any generator: HepMC3, Parquet or ROOT, or a folder of Parquet shards; or showers."
        ),
    ],
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
    only: Annotated[str | None, typer.Option(help="Train one stage, such as species or cloud.")] = None,
    anew: Annotated[bool, typer.Option(help="Start the stage of --only from nothing, in the preset's size.")] = False,
    refit: Annotated[bool, typer.Option(help="Fit the maps and species of --init's networks to these events.")] = False,
    beams: Annotated[
        str | None, typer.Option(help="Electron x hadron energies in GeV, where the file does not say them.")
    ] = None,
    members: Annotated[
        int | None, typer.Option(help="Train an ensemble of so many models, each with the whole budget.")
    ] = None,
    snapshots: Annotated[str | None, typer.Option(help="Keep averaged weights this often, such as 15m.")] = None,
) -> None:
    """Train a model on simulated or measured events.

    Checkpoints, logs (CSV and TensorBoard) and the model's card are written to the folder of the run, which
    `generate --model` takes as a model. SIGTERM and Ctrl-C save and stop; `--resume` continues exactly. Start it with
    `torchrun --nproc-per-node N -m cloudchamber train ...` to train data-parallel.

    From the weights of --init it learns with a rate of 3e-4 after 50 steps of warm-up, unless the preset gives others;
    events that the model's maps cannot hold (other beams, lower Q2, unknown species) need --refit. Files of other
    generators are copied into the run's folder with the scattered electron first; see docs/own-events.md.

    Example:
        cloudchamber train ep-dis-10x275 --data data/train --out runs/a --max-time 90m
        cloudchamber train --init ep-dis-10x275 --data data/mine --out runs/tuned --max-time 10m

    Args:
        preset: a shipped preset, or a .toml file; that of --init by default.
        data: a file of events or of showers, or a folder of Parquet shards.
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
        beams: energies, where the file does not say them.
        members: train an ensemble of so many models.
        snapshots: keep averaged weights this often.

    Raises:
        InputError: if --resume is given for a folder that holds no run.
    """
    from cloudchamber.recipes.config import load_preset
    from cloudchamber.recipes.training import train_ensemble, train_preset

    chosen = None if preset is None else load_preset(preset)
    started = out / "card.json" if members is None else out / "member-0" / "card.json"
    if resume and not started.is_file():
        raise InputError(f"'{out}' holds no run to continue; leave --resume out to start one.")
    options: dict[str, Any] = {
        "steps": steps, "max_time": None if max_time is None else duration(max_time, "--max-time"), "device": device,
        "precision": precision, "seed": seed, "init": init, "only": only, "anew": anew, "refit": refit, "beams": beams,
        "snapshot_minutes": None if snapshots is None else duration(snapshots, "--snapshots") / 60, "resume": resume,
    }  # fmt: skip
    if _of_showers(chosen, init):
        if members is not None:
            raise InputError("--members is for models of events; train models of showers one by one.")
        _tell(_train_showers(chosen, data, out, options), out)
        return
    if members is None:
        _tell(train_preset(chosen, data, out, **options), out)
        return
    for number, result in enumerate(train_ensemble(chosen, data, out, members, **options)):
        _tell(result, out / f"member-{number}")


def _of_showers(preset: "Preset | None", init: str | None) -> bool:
    """Whether a model of showers is to be trained."""
    from cloudchamber.recipes.families import family_of
    from cloudchamber.recipes.store import load_model

    if preset is None and init is not None:
        preset = load_model(init).card.preset
    return preset is not None and family_of(preset).showers is not None


def _train_showers(preset: "Preset | None", data: Path, out: Path, options: dict[str, Any]) -> "TrainingResult":
    from cloudchamber.recipes.fit import FitOptions
    from cloudchamber.recipes.shower_training import train_showers

    for name in ("anew", "refit", "beams"):
        if options.pop(name):
            raise InputError(f"--{name} is for models of events; leave it out for showers.")
    how = {name: options.pop(name) for name in ("resume", "init", "only")}
    return train_showers(preset, data, out, options=FitOptions(**options), **how)


def _tell(result: "TrainingResult", out: Path) -> None:
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
