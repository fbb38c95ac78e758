"""Wiring of a training run on showers: files and a preset in, a folder with checkpoints, logs and a card out."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from cloudchamber import __version__
from cloudchamber.data.showers import ShowerSplit, split_showers
from cloudchamber.errors import InputError
from cloudchamber.events import Showers
from cloudchamber.formats import showers as files
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.families import family_of
from cloudchamber.recipes.finetuning import fine_tuning, own_fine_tuning, require_not_distilled
from cloudchamber.recipes.fit import FitOptions, fit
from cloudchamber.recipes.posterior import with_posterior
from cloudchamber.recipes.store import RUN_CARD, RUN_MAPS, Card, TrainedModel, load_stored, read_card, read_tensors
from cloudchamber.recipes.store import write_card as write
from cloudchamber.recipes.training import fingerprint, new_folder, phase_of, with_phase, write_maps
from cloudchamber.train.trainer import TrainingResult

__all__ = ["train_showers"]


def train_showers(
    preset: Preset | None,
    data: Path,
    out: Path,
    *,
    options: FitOptions,
    resume: bool = False,
    init: str | None = None,
    only: str | None = None,
) -> TrainingResult:
    """Train a preset of a family of showers.

    Args:
        preset: the model and its training; None for that of `init`.
        data: a file of showers, or a folder of them.
        out: folder of the run; made if it does not exist.
        options: how long and where to train.
        resume: continue the run in `out`.
        init: a model to start from, with its networks and maps; the preset then only says how to train.
        only: train this stage and leave the others as they are.

    Raises:
        InputError: if the data, the folder or a setting cannot be used.
    """
    base = None if init is None else load_stored(init)
    preset = _preset_of(preset, base)
    if base is not None and not resume:
        require_not_distilled(base, str(init), only)
    parts = split_showers(data)
    torch.manual_seed(options.seed)
    if not resume:
        _new_run(preset, parts, out, base)
    card = read_card(out / RUN_CARD)
    family = family_of(card.preset)
    representation: Any = family.restore(read_tensors(out / RUN_MAPS))
    model = family.build(card.preset, representation)
    inherits = base is not None and base.card.preset.bayesian is not None
    if inherits:
        with_posterior(model, representation, card.preset, card.events)
    if base is not None:
        model.load_state_dict(base.model.state_dict())
    if not inherits:
        with_posterior(model, representation, card.preset, card.events)
    if only is not None:
        if only not in model.stages:
            raise InputError(f"--only '{only}' is no stage of this model; choose one of {', '.join(model.stages)}.")
        model.train_only(only)
    result = fit(model, representation, parts, preset.training, options, out=out, resume=resume)
    phase = phase_of(parts, preset.training, result, stages=only or "all")
    write(out / RUN_CARD, with_phase(card, out.name, phase))
    return result


def _preset_of(preset: Preset | None, base: TrainedModel | None) -> Preset:
    if base is not None and family_of(base.card.preset).showers is None:
        raise InputError("--init names a model of events; give one of showers, or leave it out.")
    if preset is None:
        if base is None:
            raise InputError("name a preset, or a model to start from with --init.")
        return own_fine_tuning(base)
    return preset if base is None else fine_tuning(preset)


def _new_run(preset: Preset, parts: ShowerSplit, out: Path, base: TrainedModel | None) -> None:
    """Make the folder of a run, with its card and its maps: those of the base, or fitted to these showers."""
    new_folder(out)
    pieces = [piece.read() for piece in [*parts.train, *parts.validation]]
    if base is None:
        write_maps(out, family_of(preset).fit(preset, pieces))
    else:
        preset = base.card.preset.model_copy(update={"bayesian": preset.bayesian or base.card.preset.bayesian})
        write_maps(out, base.representation)
    card = Card(
        preset=preset,
        data=files.read_run(parts.train[0].path),
        events=sum(map(len, parts.train)),
        fingerprint=fingerprint(parts.train),
        versions={"cloudchamber": __version__, **{name: version(name) for name in ("torch", "numpy")}},
        training={} if base is None else base.card.training,
        domain=_domain(Showers.concatenate(pieces)),
    )
    write(out / RUN_CARD, card)


def _domain(showers: Showers) -> dict[str, Any]:
    """Where a model of these showers may be trusted."""
    energy = showers.incident_energy / 1e3
    return {
        "incident_energy_GeV": [float(f"{energy.min():.5g}"), float(f"{energy.max():.5g}")],
        "most_hits": int(showers.counts.max()),
        "calorimeter": showers.geometry.name,
        "cells": showers.geometry.cells,
        "threshold_MeV": showers.geometry.threshold,
    }
