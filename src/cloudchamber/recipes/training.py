"""Wiring of a training run: shards and a preset in, a folder with checkpoints, logs and a card out."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch

from cloudchamber import __version__
from cloudchamber.data.split import Shard, Split, split
from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo
from cloudchamber.formats import parquet
from cloudchamber.formats.atomic import atomic_path, explain_os_error
from cloudchamber.models.cascade import Cascade
from cloudchamber.recipes.adopt import adopt
from cloudchamber.recipes.config import Preset, Training
from cloudchamber.recipes.domain import domain_of
from cloudchamber.recipes.families import Representation, family_of
from cloudchamber.recipes.finetuning import fine_tuning, own_fine_tuning, require_events_of, require_not_distilled
from cloudchamber.recipes.fit import FitOptions, fit
from cloudchamber.recipes.store import (
    CHECKPOINT,
    RUN_CARD,
    RUN_MAPS,
    Card,
    TrainedModel,
    load_model,
    read_card,
    read_tensors,
    write_card,
)
from cloudchamber.train.trainer import TrainingResult

__all__ = [
    "fingerprint",
    "new_folder",
    "phase_of",
    "require_level",
    "run_of",
    "train_preset",
    "with_phase",
    "write_maps",
]


def train_preset(
    preset: Preset | None,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    steps: int | None = None,
    max_time: float | None = None,
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    seed: int = 0,
    snapshot_minutes: float | None = None,
    init: str | None = None,
    only: str | None = None,
    anew: bool = False,
    refit: bool = False,
) -> TrainingResult:
    """Train a preset on a folder of events.

    Args:
        preset: the model and its training; None for that of `init`, see `finetuning`.
        data: Parquet file or folder of shards.
        out: folder of the run; made if it does not exist.
        resume: continue the run in `out`.
        steps: optimiser steps; the preset's by default.
        max_time: seconds of training in all; the learning rate then decays with time.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: `auto`, `float32` or `bfloat16`.
        seed: of the weights, the order of events and the noise.
        snapshot_minutes: keep averaged weights so often.
        init: a model to start from, with its networks and maps; the preset then only says how to train.
        only: train this stage of the cascade and leave the others as they are.
        anew: start the stage `only` from nothing, in the preset's size, between the other stages of `init`.
        refit: fit the representation to these data as the preset says, and take the networks of `init` over, species
            by species.

    Raises:
        InputError: if the data, the folder or a setting cannot be used.
    """
    if anew and (init is None or only is None):
        raise InputError("--anew starts one stage of a model from nothing: name them with --init and --only.")
    if refit and (init is None or anew):
        raise InputError("--refit takes over the networks of a model: name it with --init, and leave --anew out.")
    base = None if init is None else load_model(init)
    preset = _preset_of(preset, base, anew or refit)
    require_level(data, preset)
    parts = split(data)
    torch.manual_seed(seed)
    if not resume:
        if base is not None and not anew:
            require_not_distilled(base, str(init), only)
        _new_run(preset, parts, out, base, only if anew else None, refit)
    start = read_card(out / RUN_CARD)
    family = family_of(start.preset)
    representation: Any = family.restore(read_tensors(out / RUN_MAPS))
    model = family.build(start.preset, representation)
    if only is not None:
        _require_stage(model, only)
        model.train_only(only)
    if refit and base is not None:
        adopt(model, representation.species.pdg_ids, base)
    elif base is not None:
        for name, stage in base.model.stages.items():
            if not (anew and name == only):
                model[name].load_state_dict(stage.state_dict())
    options = FitOptions(
        steps=steps,
        max_time=max_time,
        device=device,
        precision=precision,
        seed=seed,
        snapshot_minutes=snapshot_minutes,
    )
    result = fit(model, representation, parts, preset.training, options, out=out, resume=resume)
    phase = phase_of(parts, preset.training, result, stages=only or "all")
    write_card(out / RUN_CARD, with_phase(start, out.name, phase))
    return result


def _preset_of(preset: Preset | None, base: TrainedModel | None, changed: bool) -> Preset:
    """How to train: a preset's values where it gives them, else those for training from nothing or from weights."""
    if preset is None:
        if base is None:
            raise InputError("name a preset, or a model to start from with --init.")
        return own_fine_tuning(base)
    return preset if base is None or changed else fine_tuning(preset)


def fingerprint(shards: list[Shard]) -> str:
    """SHA-256 over names, rows and sizes of the shards and the bytes of the first, hexadecimal.

    Args:
        shards: what a model is trained on.
    """
    digest = hashlib.sha256()
    for shard in shards:
        digest.update(f"{shard.path.name} {shard.start} {shard.stop} {shard.path.stat().st_size}\n".encode())
    digest.update(shards[0].path.read_bytes())
    return digest.hexdigest()


def run_of(shards: list[Shard]) -> RunInfo:
    """Metadata of a sample, with the cross-section of all its shards together.

    Args:
        shards: parts of one sample.
    """
    runs = [parquet.read_run(shard.path) for shard in shards]
    known = [(run.cross_section_pb, run.cross_section_error_pb or 0.0, len(shard))
             for run, shard in zip(runs, shards, strict=True) if run.cross_section_pb is not None]  # fmt: skip
    if len(known) < len(shards):
        return runs[0]
    value, error, events = np.array(known).T
    share = events / events.sum()
    return runs[0].with_(
        cross_section_pb=float(share @ value), cross_section_error_pb=float(np.sqrt(((share * error) ** 2).sum()))
    )


def require_level(data: Path, preset: Preset) -> None:
    """Refuse data of another level than a preset learns.

    Args:
        data: Parquet file or folder of shards.
        preset: the model.

    Raises:
        InputError: if the levels differ.
    """
    level = parquet.read_run(data).level
    if level is not preset.level:
        raise InputError(
            f"the preset '{preset.name}' learns events of level {preset.level.value}, but '{data}' holds level "
            f"{level.value if level else 'unknown'}; simulate with '--level {preset.level.value}'."
        )


def _require_stage(model: Cascade, name: str) -> None:
    if name not in model.stages:
        raise InputError(f"--only '{name}' is no stage of this model; choose one of {', '.join(model.stages)}.")


def phase_of(parts: Split, training: Training, result: TrainingResult, **what: Any) -> dict[str, Any]:  # noqa: ANN401
    """What a card says of one phase of training.

    Args:
        parts: the events.
        training: settings.
        result: how it ended.
        **what: other things to say.
    """
    return {
        **what,
        "events": sum(map(len, parts.train)),
        "fingerprint": fingerprint(parts.train),
        "settings": training.model_dump(mode="json"),
        "steps": result.step,
        "minutes": round(result.elapsed / 60, 1),
        "validation_loss": result.validation_loss,
    }


def with_phase(card: Card, run: str, phase: dict[str, Any]) -> Card:
    """The card with this run among the phases of training; a resumed run replaces its own entry.

    Args:
        card: of the run.
        run: its name.
        phase: see `phase_of`.
    """
    phases = [old for old in card.training.get("phases", []) if old["run"] != run]
    return card.model_copy(update={"training": {"phases": [*phases, {"run": run, **phase}]}})


def _new_run(
    preset: Preset, parts: Split, out: Path, base: TrainedModel | None, anew: str | None, refit: bool
) -> None:
    """Make the folder of a run, with its card and its maps: those of the base, or fitted to these events."""
    events = Events.concatenate([shard.read() for shard in parts.train])
    held_out = [shard.read() for shard in parts.validation]  # may hold species that no other event has
    family = family_of(preset)
    if base is not None and not refit:
        require_events_of(base, Events.concatenate([events, *held_out]))
        if anew is not None:
            _require_stage(base.model, anew)
        update: dict[str, Any] = {} if anew is None else {anew: getattr(preset, anew)}
        preset, representation = base.card.preset.model_copy(update=update), base.representation
    new_folder(out)
    if base is None or refit:
        representation = family.fit(preset, Events.concatenate([events, *held_out]))
    write_maps(out, representation)
    kept = {} if family.acceptance is None else {"acceptance": family.acceptance.description}
    card = Card(
        preset=preset,
        data=run_of(parts.train),
        events=len(events),
        fingerprint=fingerprint(parts.train),
        versions={"cloudchamber": __version__, **{name: version(name) for name in ("torch", "numpy")}},
        training={} if base is None else base.card.training,
        domain=kept | domain_of(events),
    )
    write_card(out / RUN_CARD, card)


def new_folder(out: Path) -> None:
    """Make the folder of a run.

    Args:
        out: the folder.

    Raises:
        InputError: if it holds a run already, or cannot be made.
    """
    if (out / CHECKPOINT).exists():
        raise InputError(f"'{out}' already holds a run; continue it with --resume, or choose another --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, out) from error


def write_maps(out: Path, representation: Representation) -> None:
    """Write the fitted maps of a run into its folder.

    Args:
        out: the folder.
        representation: holds the maps.
    """
    maps = {name: tensor.contiguous() for name, tensor in representation.state().items()}
    with atomic_path(out / RUN_MAPS) as temporary:
        temporary.write_bytes(safetensors.torch.save(maps))
