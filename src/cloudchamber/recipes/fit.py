"""A model fitted to the shards of a split: the part that training and distillation share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from cloudchamber.data.split import Parts
from cloudchamber.data.stream import ShardStream, validation_batches
from cloudchamber.models.base import Trainable
from cloudchamber.models.cascade import Cascade
from cloudchamber.recipes.config import Training
from cloudchamber.recipes.families import Representation
from cloudchamber.train.config import TrainingConfig
from cloudchamber.train.trainer import TrainingResult, train

__all__ = ["FitOptions", "fit"]

_CACHE_BYTES = 6 * 2**30
_VALIDATION_EVENTS = 10_000


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How long, where and how precisely to train.

    Attributes:
        steps: optimiser steps; those of the preset by default.
        max_time: seconds of training in all; the learning rate then decays with time.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: `auto`, `float32` or `bfloat16`.
        seed: of the weights, the order of events and the noise.
        snapshot_minutes: keep averaged weights so often.
    """

    steps: int | None = None
    max_time: float | None = None
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0
    snapshot_minutes: float | None = None

    def config(self, training: Training) -> TrainingConfig:
        """The settings of the training loop.

        Args:
            training: the preset's.
        """
        return TrainingConfig(
            **training.model_dump(exclude={"batch_size", "steps", "window"}),
            steps=self.steps if self.steps is not None else (None if self.max_time else training.steps),
            max_time=self.max_time,
            schedule="time" if self.max_time else "steps",
            precision=self.precision,
            device=self.device,
            seed=self.seed,
            snapshot_minutes=self.snapshot_minutes,
        )


def fit(
    model: Cascade,
    representation: Representation,
    parts: Parts,
    training: Training,
    options: FitOptions,
    *,
    out: Path,
    resume: bool,
) -> TrainingResult:
    """Train a model on shards.

    Args:
        model: what to train.
        representation: encodes the events.
        parts: shards for training and validation.
        training: the preset's settings.
        options: those of the run.
        out: folder of the run.
        resume: continue the run in `out`.

    Raises:
        InputError: if the data, the folder or a setting cannot be used.
    """
    stream = ShardStream(
        parts.train,
        representation.encode,
        training.batch_size,
        options.seed,
        window=training.window,
        cache_bytes=_CACHE_BYTES,
    )
    try:
        held_out = validation_batches(parts.validation, representation.encode, 256, _VALIDATION_EVENTS)
        return train(cast(Trainable[Any], model), stream, held_out, options.config(training), out, resume=resume)
    finally:
        stream.close()
