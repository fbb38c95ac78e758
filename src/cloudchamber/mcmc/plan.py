"""What a run does, stage by stage: warm up, rounds of training and drawing, then draws of a frozen kernel."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError

__all__ = ["Plan", "Stage"]

Array = NDArray[np.float64]


class Stage(NamedTuple):
    """A stretch of the chain.

    Attributes:
        name: `warm-up`, `round 1` and so on, `settle` or `draws`.
        steps: of every walker.
        trains: whether the proposal is trained before its first step.
    """

    name: str
    steps: int
    trains: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of a run.

    Attributes:
        walkers: chains side by side, W.
        warmup: steps of local kernels before the first training.
        rounds: trainings whose draws only serve the next one.
        round_steps: steps of a round.
        settle: steps of the frozen kernel that are thrown away.
        global_share: of the steps after the warm-up, how many propose globally.
        start_beta: the warm-up starts with the density to this power and reaches the density itself halfway; 1 does
            not anneal.
        hot_share: of the walkers that draw from p^b with b = 1 - 1 / sqrt(D + 2) during the rounds, so that the
            proposal also learns what lies further out than draws of the density itself reach.
        pool: points that a training uses at most.
        adapt_forever: train on while drawing, every `round_steps` steps, which is not exact; to see what it does.

    Raises:
        InputError: if a setting is impossible.
    """

    walkers: int = 64
    warmup: int = 200
    rounds: int = 2
    round_steps: int = 50
    settle: int = 10
    global_share: float = 0.75
    start_beta: float = 1.0
    hot_share: float = 0.1
    pool: int = 10000
    adapt_forever: bool = False

    def __post_init__(self) -> None:
        for name, least in (("walkers", 8), ("warmup", 2), ("rounds", 0), ("round_steps", 1), ("settle", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} {getattr(self, name)} is impossible: it must be at least {least}.")
        if not 0 < self.global_share <= 1:
            raise InputError(f"global_share {self.global_share:g} is impossible: it must be above 0 and at most 1.")
        if not 0 <= self.hot_share < 1:
            raise InputError(f"hot_share {self.hot_share:g} is impossible: it must be at least 0 and below 1.")
        if not 0 < self.start_beta <= 1:
            raise InputError(f"start_beta {self.start_beta:g} is impossible: it must be above 0 and at most 1.")

    def stages(self, draws: int) -> list[Stage]:
        """All stages.

        Args:
            draws: steps of the last one.

        >>> [stage.name for stage in Plan(rounds=1).stages(100)]
        ['warm-up', 'round 1', 'settle', 'draws']
        """
        rounds = [Stage(f"round {number + 1}", self.round_steps, True) for number in range(self.rounds)]
        return [
            Stage("warm-up", self.warmup, False),
            *rounds,
            Stage("settle", self.settle, True),
            Stage("draws", draws, False),
        ]

    def beta(self, step: int) -> float:
        """The power of the density at a step of the warm-up.

        Args:
            step: its number.
        """
        done = min(1.0, 2 * step / self.warmup)
        return float(self.start_beta ** (1 - done))

    def is_round(self, stage: int) -> bool:
        """Whether a stage serves the next training only.

        Args:
            stage: its number.
        """
        return 1 <= stage <= self.rounds

    def round_betas(self, ndim: int) -> Array:
        """The power of the density that each walker draws from in a round, shape (W,).

        Args:
            ndim: dimensions D.

        >>> Plan(walkers=8, hot_share=0.25).round_betas(2).tolist()
        [1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 0.5]
        """
        before, after = (np.floor((np.arange(self.walkers) + k) * self.hot_share) for k in (0, 1))
        return np.where(after > before, 1 - 1 / np.sqrt(ndim + 2), 1.0)
