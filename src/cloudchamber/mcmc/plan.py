"""What a run does, stage by stage: warm up, rounds of training and drawing, then draws of a frozen kernel."""

from dataclasses import dataclass
from typing import NamedTuple

from cloudchamber.errors import InputError

__all__ = ["Plan", "Stage"]


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
    pool: int = 8000
    adapt_forever: bool = False

    def __post_init__(self) -> None:
        for name, least in (("walkers", 8), ("warmup", 2), ("rounds", 0), ("round_steps", 1), ("settle", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} {getattr(self, name)} is impossible: it must be at least {least}.")
        if not 0 < self.global_share <= 1:
            raise InputError(f"global_share {self.global_share:g} is impossible: it must be above 0 and at most 1.")
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
