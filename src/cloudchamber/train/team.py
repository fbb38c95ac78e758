"""The processes that train one model together.

A batch of n rows is divided among P processes: process r takes rows [n r / P, n (r + 1) / P). Each computes
the gradient of its share of the mean over the whole batch; the shares are added, so the result does not
depend on P.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from cloudchamber.errors import InputError

__all__ = ["Team", "choose_device", "gather_team"]


@dataclass(frozen=True)
class Team:
    """This process among others.

    Attributes:
        rank: number of this process, from 0.
        size: how many processes there are.
        device: where this process computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0

    def rows(self, total: int) -> range:
        """Rows of a batch that this process takes.

        Args:
            total: rows of the batch.

        Raises:
            InputError: if there are fewer rows than processes.
        """
        if total < self.size:
            raise InputError(
                f"a batch of {total} events cannot be divided among {self.size} processes; use fewer "
                "processes or more data."
            )
        return range(total * self.rank // self.size, total * (self.rank + 1) // self.size)

    def add(self, values: Tensor) -> None:
        """Replace values by their sum over all processes.

        Args:
            values: of the same shape everywhere, on this process's device.
        """
        if self.size > 1:
            dist.all_reduce(values)

    def share(self, values: Tensor) -> None:
        """Replace values by those of the first process.

        Args:
            values: of the same shape everywhere, on this process's device.
        """
        if self.size > 1:
            dist.broadcast(values, 0)

    def agree(self, stop: bool, elapsed: float) -> tuple[bool, float]:
        """Whether anyone wants to stop, and the first process's clock.

        Args:
            stop: whether this process wants to stop.
            elapsed: this process's clock.
        """
        if self.size == 1:
            return stop, elapsed
        values = torch.tensor([float(stop), elapsed if self.leads else 0.0], dtype=torch.float64)
        values = values.to(self.device)
        self.add(values)
        wishes, clock = values.tolist()
        return wishes > 0, clock


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The device that a name stands for.

    Args:
        name: `auto`, `cpu`, `cuda` or `cuda:N`.
        local_rank: number of this process on this machine, which chooses among accelerators.

    Raises:
        InputError: if there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"the device '{name}' is not known; use auto, cpu or cuda.") from None
    if device.type == "cuda" and local_rank + (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"the device '{name}' is not there ({torch.cuda.device_count()} CUDA devices are); use cpu.")
    return torch.device("cuda", local_rank) if name == "cuda" else device


@contextmanager
def gather_team(device: str) -> Iterator[Team]:
    """Join the processes that `torchrun` started, or work alone.

    Args:
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Yields:
        This process's place.
    """
    rank, size, local = (int(os.environ.get(n, d)) for n, d in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0)))
    place = choose_device(device, local)
    if place.type == "cuda":
        torch.cuda.set_device(place)
        torch.set_float32_matmul_precision("high")
    started = size > 1 and not dist.is_initialized()
    if started:
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Team(rank, size, place)
    finally:
        if started:
            dist.destroy_process_group()
