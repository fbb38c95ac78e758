"""Wiring of a training run: shards and a preset in, a folder with checkpoints, logs and a card out."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch

from cloudchamber import __version__
from cloudchamber.data.split import Parts, Piece, Shard, Split, samples, split
from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, ProtonBeams, RunInfo
from cloudchamber.formats import parquet
from cloudchamber.formats.atomic import atomic_path, explain_os_error
from cloudchamber.models.cascade import Cascade
from cloudchamber.recipes.adopt import adopt
from cloudchamber.recipes.config import Preset, Training
from cloudchamber.recipes.domain import domain_of
from cloudchamber.recipes.ensemble import member_folder, member_split, require_members
from cloudchamber.recipes.families import Representation, family_of
from cloudchamber.recipes.finetuning import fine_tuning, own_fine_tuning, require_events_of, require_not_distilled
from cloudchamber.recipes.fit import FitOptions, fit
from cloudchamber.recipes.intake import ready
from cloudchamber.recipes.posterior import with_posterior
from cloudchamber.recipes.store import (
    CHECKPOINT,
    RUN_CARD,
    RUN_MAPS,
    Card,
    TrainedModel,
    load_stored,
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
    "train_ensemble",
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
    member: int = 0,
    beams: str | None = None,
) -> TrainingResult:
    """Train a preset on events.

    Args:
        preset: the model and its training; None for that of `init`, see `finetuning`.
        data: a file of events of any format and any generator, or a folder of Parquet shards.
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
        member: of an ensemble; all but the first are trained on events drawn with replacement.
        beams: energies, where the file does not say them.

    Raises:
        InputError: if the data, the folder or a setting cannot be used.
    """
    if anew and (init is None or only is None):
        raise InputError("--anew starts one stage of a model from nothing: name them with --init and --only.")
    if refit and (init is None or anew):
        raise InputError("--refit takes over the networks of a model: name it with --init, and leave --anew out.")
    base = None if init is None else load_stored(init)
    _require_weights(base, anew or refit)
    preset = _preset_of(preset, base, anew or refit)
    data = _data(data, out, beams, resume)
    require_level(data, preset)
    parts = member_split(split(data), member, seed)
    torch.manual_seed(seed)
    if not resume:
        if base is not None and not anew:
            require_not_distilled(base, str(init), only)
        _new_run(preset, parts, out, base, anew=only if anew else None, refit=refit)
    start = read_card(out / RUN_CARD)
    representation: Any = family_of(start.preset).restore(read_tensors(out / RUN_MAPS))
    model = _started(start, representation, base, anew=only if anew else None, refit=refit)
    if only is not None:
        _require_stage(model, only)
        model.train_only(only)
    options = FitOptions(
        steps=steps,
        max_time=max_time,
        device=device,
        precision=precision,
        seed=seed,
        snapshot_minutes=snapshot_minutes,
    )
    result = fit(model, representation, parts, preset.training, options, out=out, resume=resume)
    drawn = {} if member == 0 else {"member": member, "bootstrap_seed": seed}
    phase = phase_of(parts, preset.training, result, stages=only or "all", **drawn)
    write_card(out / RUN_CARD, with_phase(start, out.name, phase))
    return result


def train_ensemble(
    preset: Preset | None,
    data: Path,
    out: Path,
    members: int,
    *,
    seed: int = 0,
    resume: bool = False,
    **options: Any,  # noqa: ANN401
) -> list[TrainingResult]:
    """Train the members of an ensemble one after the other, each with the whole budget; see `recipes.ensemble`.

    Args:
        preset: as for `train_preset`.
        data: as for `train_preset`.
        out: folder of the ensemble; its members' runs are in folders inside.
        members: how many.
        seed: of the first member; each other has the next.
        resume: continue the members that were begun.
        **options: other arguments of `train_preset`.

    Returns:
        How each training ended; the last one was interrupted if there are fewer than members.

    Raises:
        InputError: if they are too few, or as for `train_preset`.
    """
    require_members(members)
    data = ready(data, out, options.pop("beams", None), resume=resume)
    ended: list[TrainingResult] = []
    for number in range(members):
        place = member_folder(out, number)
        begun = resume and (place / CHECKPOINT).exists()
        one = train_preset(preset, data, place, seed=seed + number, resume=begun, member=number, **options)
        ended.append(one)
        if one.signal is not None:
            break
    return ended


def _preset_of(preset: Preset | None, base: TrainedModel | None, changed: bool) -> Preset:
    """How to train: a preset's values where it gives them, else those for training from nothing or from weights."""
    if preset is None:
        if base is None:
            raise InputError("name a preset, or a model to start from with --init.")
        return own_fine_tuning(base)
    return preset if base is None or changed else fine_tuning(preset)


def fingerprint(shards: Sequence[Piece]) -> str:
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
    """Metadata of a sample, with the cross-section of all its shards together; none and no beams for a mixture.

    Args:
        shards: parts of one sample, or of a mixture.
    """
    runs = [parquet.read_run(shard.path) for shard in shards]
    if len({(run.beams, run.protons) for run in runs}) > 1:
        return runs[0].with_(
            beams=None, protons=None, cross_section_pb=None, cross_section_error_pb=None, provenance={}
        )
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
    runs = [parquet.read_run(sample) for sample in samples(data)]
    for level in (run.level for run in runs):
        if level is not preset.level:
            raise InputError(
                f"the preset '{preset.name}' learns events of level {preset.level.value}, but '{data}' holds level "
                f"{level.value if level else 'unknown'}; choose a preset or events of the other level."
            )
    if preset.electron.beams == "one" and len({run.beams for run in runs}) > 1:
        raise InputError(
            f"the preset '{preset.name}' learns one setting of the beams, but '{data}' holds several; give one of its "
            "folders, or a preset that has beams = 'any' in its section electron."
        )


def _data(data: Path, out: Path, beams: str | None, resume: bool) -> Path:
    """The events, copied into the run's folder where another program wrote them."""
    if not resume:
        _require_no_run(out)
    return ready(data, out, beams, resume=resume)


def _started(
    start: Card,
    representation: Any,  # noqa: ANN401
    base: TrainedModel | None,
    *,
    anew: str | None,
    refit: bool,
) -> Cascade:
    """The model before training: ordinary weights become the means of distributions, which are taken over as such."""
    model: Cascade = family_of(start.preset).build(start.preset, representation)
    inherits = base is not None and base.card.preset.bayesian is not None
    if inherits:
        with_posterior(model, representation, start.preset, start.events)
    if base is not None and refit:
        adopt(model, representation, base)
    elif base is not None:
        _take_over(model, base, anew)
    return model if inherits else with_posterior(model, representation, start.preset, start.events)


def _require_weights(base: TrainedModel | None, changed: bool) -> None:
    """Refuse to take over distributions of weights species by species, or all but a stage."""
    if changed and base is not None and base.card.preset.bayesian is not None:
        raise InputError("--refit and --anew take over weights, but the model of --init has distributions of them.")


def _take_over(model: Cascade, base: TrainedModel, anew: str | None) -> None:
    """Give a model the weights of another of the same sizes, except those of one stage."""
    for name, stage in base.model.stages.items():
        if name != anew:
            try:
                model[name].load_state_dict(stage.state_dict())
            except RuntimeError:
                raise InputError(f"the stage '{name}' of --init has other weights than the preset says.") from None


def _require_stage(model: Cascade, name: str) -> None:
    if name not in model.stages:
        raise InputError(f"--only '{name}' is no stage of this model; choose one of {', '.join(model.stages)}.")


def phase_of(parts: Parts, training: Training, result: TrainingResult, **what: Any) -> dict[str, Any]:  # noqa: ANN401
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
    preset: Preset, parts: Split, out: Path, base: TrainedModel | None, *, anew: str | None, refit: bool
) -> None:
    """Make the folder of a run, with its card and its maps: those of the base, or fitted to these events."""
    settings = _by_beams(parts)
    family = family_of(preset)
    if base is not None and not refit:
        for events in settings:
            require_events_of(base, events)
        if anew is not None:
            _require_stage(base.model, anew)
        update: dict[str, Any] = {} if anew is None else {anew: getattr(preset, anew)}
        if preset.bayesian is not None:
            update["bayesian"] = preset.bayesian
        preset, representation = base.card.preset.model_copy(update=update), base.representation
    new_folder(out)
    if base is None or refit:
        representation = family.fit(preset, settings)
    write_maps(out, representation)
    kept = {} if family.acceptance is None else {"acceptance": family.acceptance.description}
    card = Card(
        preset=preset,
        data=run_of(parts.train),
        events=sum(map(len, parts.train)),
        fingerprint=fingerprint(parts.train),
        versions={"cloudchamber": __version__, **{name: version(name) for name in ("torch", "numpy")}},
        training={} if base is None else base.card.training,
        domain=kept | domain_of(settings),
    )
    write_card(out / RUN_CARD, card)


def _by_beams(parts: Split) -> list[Events]:
    """One sample for each setting of the beams; with the validation events, which may hold species no other has."""
    found: dict[tuple[Beams | None, ProtonBeams | None], list[Events]] = {}
    for shard in [*parts.train, *parts.validation]:
        events = shard.read()
        found.setdefault((events.run.beams, events.run.protons), []).append(events)
    return [Events.concatenate(shards) for shards in found.values()]


def new_folder(out: Path) -> None:
    """Make the folder of a run.

    Args:
        out: the folder.

    Raises:
        InputError: if it holds a run already, or cannot be made.
    """
    _require_no_run(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, out) from error


def _require_no_run(out: Path) -> None:
    if (out / CHECKPOINT).exists():
        raise InputError(f"'{out}' already holds a run; continue it with --resume, or choose another --out.")


def write_maps(out: Path, representation: Representation) -> None:
    """Write the fitted maps of a run into its folder.

    Args:
        out: the folder.
        representation: holds the maps.
    """
    maps = {name: tensor.contiguous() for name, tensor in representation.state().items()}
    with atomic_path(out / RUN_MAPS) as temporary:
        temporary.write_bytes(safetensors.torch.save(maps))
