"""Wiring of a training run: shards and a preset in, a folder with checkpoints, logs and a card out."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

import safetensors.torch
import torch

from cloudchamber import __version__
from cloudchamber.data.split import Shard, split
from cloudchamber.data.stream import ShardStream, validation_batches
from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.formats import parquet
from cloudchamber.formats.atomic import atomic_path, explain_os_error
from cloudchamber.models.base import Trainable
from cloudchamber.recipes.build import build_model
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.store import CHECKPOINT, RUN_CARD, RUN_MAPS, Card, write_card
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.train.config import TrainingConfig
from cloudchamber.train.trainer import TrainingResult, train

__all__ = ["fingerprint", "train_preset"]

_CACHE_BYTES = 6 * 2**30
_VALIDATION_EVENTS = 10_000


def train_preset(
    preset: Preset,
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
) -> TrainingResult:
    """Train a preset on a folder of events.

    Args:
        preset: the model and its training.
        data: Parquet file or folder of shards.
        out: folder of the run; made if it does not exist.
        resume: continue the run in `out`.
        steps: optimiser steps; the preset's by default.
        max_time: seconds of training in all; the learning rate then decays with time.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: `auto`, `float32` or `bfloat16`.
        seed: of the weights, the order of events and the noise.
        snapshot_minutes: keep averaged weights so often.

    Raises:
        InputError: if the data, the folder or a setting cannot be used.
    """
    run = parquet.read_run(data)
    if run.level is not preset.level:
        raise InputError(
            f"the preset '{preset.name}' learns events of level {preset.level.value}, but '{data}' holds level "
            f"{run.level.value if run.level else 'unknown'}; simulate with '--level {preset.level.value}'."
        )
    parts = split(data)
    representation = _representation(parts.train, out, resume)
    if not resume:
        versions = {"cloudchamber": __version__, **{name: version(name) for name in ("torch", "numpy")}}
        card = Card(
            preset=preset,
            data=run,
            events=sum(map(len, parts.train)),
            fingerprint=fingerprint(parts.train),
            versions=versions,
        )
        _prepare_folder(out, card, representation)
    torch.manual_seed(seed)
    model = build_model(preset, representation)
    stream = ShardStream(parts.train, representation.encode, preset.training.batch_size, seed, cache_bytes=_CACHE_BYTES)
    held_out = validation_batches(parts.validation, representation.encode, 256, _VALIDATION_EVENTS)
    chosen = preset.training.model_dump(exclude={"batch_size", "steps"})
    config = TrainingConfig(
        **chosen,
        steps=steps if steps is not None else (None if max_time else preset.training.steps),
        max_time=max_time,
        schedule="time" if max_time else "steps",
        precision=precision,
        device=device,
        seed=seed,
        snapshot_minutes=snapshot_minutes,
    )
    try:
        return train(cast(Trainable[Any], model), stream, held_out, config, out, resume=resume)
    finally:
        stream.close()


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


def _representation(shards: list[Shard], out: Path, resume: bool) -> CloudRepresentation:
    """The fitted maps of the run, or new ones."""
    kept = out / RUN_MAPS
    if resume and kept.is_file():
        return CloudRepresentation.from_state(safetensors.torch.load_file(kept))
    return CloudRepresentation.fit(Events.concatenate([shard.read() for shard in shards]))


def _prepare_folder(out: Path, card: Card, representation: CloudRepresentation) -> None:
    """Make the folder of a new run, with its card and its fitted maps."""
    if (out / CHECKPOINT).exists():
        raise InputError(f"'{out}' already holds a run; continue it with --resume, or choose another --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, out) from error
    write_card(out / RUN_CARD, card)
    with atomic_path(out / RUN_MAPS) as temporary:
        safetensors.torch.save_file({k: v.contiguous() for k, v in representation.state().items()}, temporary)
