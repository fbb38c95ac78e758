"""Settings of a training run."""

import math
from dataclasses import dataclass
from typing import Literal

from cloudchamber.errors import InputError

__all__ = ["ClippedBy", "Precision", "TrainingConfig"]

Precision = Literal["float32", "bfloat16"]
ClippedBy = Literal["part", "parameter"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How to train; times are in seconds unless a name says otherwise.

    Attributes:
        optimizer: `adamw`, `adamax`, or `lion` (which wants a learning rate 3 to 10 times smaller).
        learning_rate: the highest, reached after warming up.
        betas: decay of the optimiser's averages.
        weight_decay: of matrices; vectors (biases, gains) do not decay.
        warm_up_steps: steps in which the learning rate rises linearly.
        floor: the last learning rate, as a fraction of the highest.
        steps: stop after this many steps.
        max_time: stop after so much training time, counted over all resumptions.
        schedule: the cosine decays over `steps`, or with `time` over whichever of `steps` and `max_time` is
            nearer; a run with `time` depends on the speed of the machine.
        ema_decay: of the averaged weights.
        clip_norm: largest gradient norm of each part of the model; None for no clipping.
        clip_by: clip each `part` of the model or each `parameter` by its own norm.
        precision: of matrix products; `auto` measures which is faster.
        validation_steps: validate every so many steps, and at the end.
        checkpoint_minutes: write `last.pt` so often, and at the end.
        snapshot_minutes: keep averaged weights so often; None for never.
        log_steps: write means over this many steps to the logs.
        seed: of the noise.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
    """

    optimizer: Literal["adamw", "lion", "adamax"] = "adamw"
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    warm_up_steps: int = 500
    floor: float = 0.01
    steps: int | None = None
    max_time: float | None = None
    schedule: Literal["steps", "time"] = "steps"
    ema_decay: float = 0.999
    clip_norm: float | None = 1.0
    clip_by: ClippedBy = "part"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    validation_steps: int = 1000
    checkpoint_minutes: float = 5.0
    snapshot_minutes: float | None = None
    log_steps: int = 50
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "max_time", "learning_rate", "validation_steps", "log_steps", "clip_norm"):
            self._require(name, lambda value: 0 < value < math.inf, "must be positive")
        for name in ("weight_decay", "warm_up_steps", "seed", "checkpoint_minutes", "snapshot_minutes"):
            self._require(name, lambda value: 0 <= value < math.inf, "must not be negative")
        for name in ("floor", "ema_decay"):
            self._require(name, lambda value: 0 <= value <= 1, "must be between 0 and 1")
        for name, allowed in _CHOICES.items():
            self._require(name, allowed.__contains__, f"must be one of {', '.join(allowed)}")
        if self.optimizer == "adamax" and self.weight_decay:
            raise InputError("the optimizer adamax has no weight decay; give weight_decay = 0.")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(f"betas = {self.betas} must both be at least 0 and below 1.")
        needed = self.max_time if self.schedule == "time" else self.steps
        if needed is None:
            name = "max_time" if self.schedule == "time" else "steps"
            raise InputError(f"a learning rate that decays with '{self.schedule}' needs {name}; give one.")

    def _require(self, name: str, good: object, rule: str) -> None:
        value = getattr(self, name)
        if value is not None and callable(good) and not good(value):
            raise InputError(f"the training setting {name} = {value} is impossible: it {rule}.")

    def done(self, step: int, elapsed: float) -> float:
        """Fraction of the run that is behind, from 0 to 1.

        Args:
            step: steps done.
            elapsed: training time so far.
        """
        by_steps = step / self.steps if self.steps else 0.0
        by_time = elapsed / self.max_time if self.max_time else 0.0
        return min(max(by_steps, by_time), 1.0)

    def rate(self, step: int, elapsed: float) -> float:
        """Learning rate of the step that follows `step` others: linear warm-up times cosine decay.

        Args:
            step: steps done.
            elapsed: training time so far.

        >>> config = TrainingConfig(steps=1000, learning_rate=2.0, warm_up_steps=10, floor=0.1)
        >>> round(config.rate(4, 0.0), 3), round(config.rate(500, 0.0), 3), round(config.rate(1000, 0.0), 3)
        (1.0, 1.1, 0.2)
        """
        progress = self.done(step, elapsed) if self.schedule == "time" else min(step / (self.steps or 1), 1.0)
        warm = min((step + 1) / self.warm_up_steps, 1.0) if self.warm_up_steps else 1.0
        cosine = (1 + math.cos(math.pi * progress)) / 2
        return self.learning_rate * warm * (self.floor + (1 - self.floor) * cosine)


_CHOICES = {
    "optimizer": ("adamw", "lion", "adamax"),
    "clip_by": ("part", "parameter"),
    "schedule": ("steps", "time"),
    "precision": ("auto", "float32", "bfloat16"),
}
