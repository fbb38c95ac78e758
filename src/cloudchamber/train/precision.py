"""Whether matrix products are faster in bfloat16 than in float32, which depends on the machine."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch

from cloudchamber.train.config import Precision

__all__ = ["autocast", "faster_precision"]

_REPEATS = 3


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """A block whose matrix products have a precision.

    Args:
        device: where they are computed.
        precision: `float32` changes nothing.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def faster_precision(work: Callable[[Precision], object], device: torch.device) -> Precision:
    """The precision in which some work takes less time, as the shortest of a few trials.

    Args:
        work: a forward and a backward pass in the given precision.
        device: where it runs.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        return "bfloat16" if _time(work, "bfloat16", device) < _time(work, "float32", device) else "float32"


def _time(work: Callable[[Precision], object], precision: Precision, device: torch.device) -> float:
    trials = []
    for _ in range(1 + _REPEATS):
        start = time.perf_counter()
        work(precision)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        trials.append(time.perf_counter() - start)
    return min(trials[1:])
